"""Commands that change sessions: `fork`, `rewind`, `title`, `tag`, `repair`, `prune`, `erase`, `compact`."""

from pathlib import Path
from typing import Any

import pytest

from . import talks
from .conftest import Shell


def ids(shell: Shell) -> list[str]:
    return [each["session_id"] for each in shell.json("list", "--sort", "id")["sessions"]]


def texts(shell: Shell, session: str) -> list[int]:
    return [each["message_id"] for each in shell.json("show", session)["messages"]]


def test_fork(shell: Shell, order: str) -> None:
    """`fork SESSION NEW --at N` begins a session that ends with message N; the other stays as it is."""
    assert shell.out("fork", order, "branch", "--at", "3") == "forked order at #3 into branch: 4 messages\n"
    assert texts(shell, "branch") == [0, 1, 2, 3]
    assert texts(shell, order) == [0, 1, 2, 3, 4, 5]
    document = shell.json("fork", order, "whole")
    assert document["fork"]["session_id"] == "whole"
    assert document["fork"]["messages"] == 6


def test_fork_onto_a_session(shell: Shell, order: str) -> None:
    """A fork never writes over a session."""
    outcome = shell.run("fork", order, order, code=3)
    assert outcome.stderr.startswith("error: ")
    assert outcome.stderr.splitlines()[1].startswith("hint: ")
    assert texts(shell, order) == [0, 1, 2, 3, 4, 5]


def test_rewind_says_what_goes(shell: Shell, order: str) -> None:
    """`rewind` prints its plan, and deletes only with `--yes`."""
    plan = "rewind order to #3: 2 messages of support will be deleted\n"
    outcome = shell.run("rewind", order, "--at", "3", code=2)
    assert outcome.stdout == plan
    assert outcome.stderr == "nothing was changed: add --yes to do it\n"
    assert shell.run("rewind", order, "--at", "3", "--dry-run").output == plan
    assert texts(shell, order) == [0, 1, 2, 3, 4, 5]
    assert shell.out("rewind", order, "--at", "3", "--yes") == f"{plan}rewound order: 2 messages deleted\n"
    assert texts(shell, order) == [0, 1, 2, 3]


def test_rewind_for_programs(shell: Shell, order: str) -> None:
    """With `--json`, plan and result are one document; the result is null where nothing was done."""
    plan = shell.json("rewind", order, "--at", "1", code=2)
    assert plan["plan"]["removed_messages"] == 4
    assert plan["result"] is None
    done = shell.json("rewind", order, "--at", "1", "--yes")
    assert done["plan"] == plan["plan"]
    assert done["result"]["removed_messages"] == 4


@pytest.mark.parametrize("arguments", [["--at", "9"], ["--at", "1", "--agent", "nobody"]])
def test_rewind_to_nowhere(shell: Shell, order: str, arguments: list[str]) -> None:
    """A message or an agent that is not there is an error."""
    shell.run("rewind", order, *arguments, "--yes", code=3)
    assert texts(shell, order) == [0, 1, 2, 3, 4, 5]


def test_the_agent_must_be_named_among_several(db: Path, shell: Shell) -> None:
    """Where several agents have messages, `--at` alone is wrong usage; the agents are named."""
    talks.store(db, "s", talks.agent("a", talks.ORDER), talks.agent("b", talks.ORDER))
    for arguments in (["fork", "s", "t", "--at", "1"], ["rewind", "s", "--at", "1", "--yes"]):
        assert "a, b" in shell.run(*arguments, code=2).stderr
    shell.run("rewind", "s", "--at", "1", "--agent", "b", "--yes")


def test_title(shell: Shell, order: str) -> None:
    """`title` sets, prints and clears; a session without one is exit code 1."""
    assert shell.out("title", order, code=1) == ""
    assert shell.out("title", order, "Where is it?") == "Where is it?\n"
    assert shell.json("title", order)["session"]["title"] == "Where is it?"
    assert shell.out("title", order, "--clear") == ""
    shell.run("title", order, code=1)
    shell.run("title", order, "x", "--clear", code=2)
    shell.run("title", "missing", "x", code=3)


def test_tag(shell: Shell, order: str) -> None:
    """`tag` adds and removes tags and notes, and prints what there is."""
    shell.run("tag", order, code=1)
    assert shell.out("tag", order, "vip", "billing", "--set", "customer=42", "--set", "name=Ada") == (
        "tag\tbilling\ntag\tvip\ncustomer =\t42\nname =\tAda\n"
    )
    assert shell.out("tag", order, "-r", "vip", "--unset", "name") == "tag\tbilling\ncustomer =\t42\n"
    session = shell.json("tag", order)["session"]
    assert (session["tags"], session["metadata"]) == (["billing"], {"customer": 42})


def test_repair(db: Path, shell: Shell) -> None:
    """`repair` completes an interrupted turn; `--dry-run` only tells how."""
    talks.store(db, "s", talks.agent("a", talks.ORDER[:2]))
    planned = shell.json("repair", "s", "--dry-run")["repairs"]
    assert [each["session_id"] for each in planned] == ["s"]
    assert texts(shell, "s") == [0, 1]
    assert shell.json("repair")["repairs"] == planned
    assert texts(shell, "s") == [0, 1, 2]
    assert shell.run("repair").stderr == "nothing to repair\n"


@pytest.fixture
def old(db: Path, shell: Shell) -> None:
    for number, name in enumerate(("one", "three", "two")):
        talks.store(db, name, talks.agent("a", talks.ORDER[:1], start=number * 60))
    shell.run("tag", "three", "keep")


@pytest.mark.usefixtures("old")
@pytest.mark.parametrize(
    ("asked", "left"),
    [
        (["--older-than", "30d"], []),
        (["--older-than", "30d", "--keep-tag", "keep"], ["three"]),
        (["--tag", "keep"], ["one", "two"]),
        (["--keep", "1"], ["two"]),
        (["--max-bytes", "0"], []),
        (["--older-than", "100y"], ["one", "three", "two"]),
    ],
)
def test_prune(shell: Shell, asked: list[str], left: list[str]) -> None:
    """`prune` deletes what its options say, after it has said so and was told `--yes`."""
    plan = shell.json("prune", *asked, "--dry-run")
    assert len(plan["plan"]["sessions"]) == 3 - len(left)
    assert plan["result"] is None
    assert len(ids(shell)) == 3
    done = shell.json("prune", *asked, "--yes")
    assert (done["result"] or {"sessions": 0})["sessions"] == 3 - len(left)
    assert [each["session_id"] for each in _list(shell)] == left


def _list(shell: Shell) -> list[dict[str, Any]]:
    outcome = shell.json("list", "--sort", "id", code=0 if shell.json("stats")["stats"]["sessions"] else 1)
    return list(outcome["sessions"])


@pytest.mark.usefixtures("old")
def test_prune_needs_yes(shell: Shell) -> None:
    """Without `--yes` the plan is printed and nothing deleted; where nothing is planned, all is well."""
    outcome = shell.run("prune", "--older-than", "30d", "--keep-tag", "keep", code=2)
    assert outcome.stdout.splitlines()[0].split("\t")[0] == "one"
    assert "2 sessions with " in outcome.stdout
    assert ids(shell) == ["one", "three", "two"]
    assert shell.out("prune", "--older-than", "100y") == "nothing to prune\n"


@pytest.mark.usefixtures("old")
@pytest.mark.parametrize(
    "asked", [[], ["--keep-tag", "x"], ["--older-than", "soon"], ["--older-than", "9D"], ["--max-bytes", "5XB"]]
)
def test_prune_without_a_policy(shell: Shell, asked: list[str]) -> None:
    """`prune` without saying what is wrong usage, even with `--yes`: it never means everything."""
    shell.run("prune", "--yes", *asked, code=2)
    assert ids(shell) == ["one", "three", "two"]


@pytest.mark.usefixtures("old")
@pytest.mark.parametrize("asked", ["6M", "1y6M", "1.5M"])
@pytest.mark.parametrize("option", ["--older-than", "--idle"])
def test_months_are_not_taken_for_minutes(shell: Shell, option: str, asked: str) -> None:
    """Who writes `6M` means months or minutes: nothing goes, and the refusal says how to write both."""
    outcome = shell.run("prune", "--yes", "--keep", "0", option, asked, code=2)
    assert "m is minutes" in outcome.stderr
    assert "180d" in outcome.stderr
    assert ids(shell) == ["one", "three", "two"]
    assert "m is minutes" in shell.run("list", "--since", asked, code=2).stderr


@pytest.mark.usefixtures("old")
@pytest.mark.parametrize("tag", ["", "  "])
@pytest.mark.parametrize("option", ["--tag", "--keep-tag"])
def test_a_blank_tag_is_refused(shell: Shell, option: str, tag: str) -> None:
    """A tag that a script passes from an empty variable would protect nothing: the sessions stay."""
    outcome = shell.run("prune", "--older-than", "30d", option, tag, "--yes", code=2)
    assert "a blank tag" in outcome.stderr
    assert ids(shell) == ["one", "three", "two"]


@pytest.mark.usefixtures("old")
def test_erase(db: Path, shell: Shell) -> None:
    """`erase` leaves nothing of a session in the file."""
    secret = "the combination is 7-12-33"
    talks.store(db, "secret", talks.agent("a", [talks.user(secret)]))
    assert "nobody can bring them back" in shell.run("erase", "secret", code=2).stdout
    assert shell.json("erase", "secret", "--yes")["result"]["sessions"] == 1
    assert ids(shell) == ["one", "three", "two"]
    files = [path.read_bytes() for path in db.parent.glob("agents.db*")]
    assert not any(secret.encode() in content for content in files)
    shell.run("erase", "--yes", code=2)
    shell.run("erase", "one", "missing", "--yes", code=3)
    assert ids(shell) == ["one", "three", "two"]


def test_erase_redacted(db: Path, shell: Shell) -> None:
    """`erase --redacted` takes the originals of redacted messages out of the file, and nothing else."""
    talks.store(db, "s", talks.agent("a", [talks.user("card 4111")], redacted={0: talks.user("[removed]")}))
    shell.run("erase", "--redacted", code=2)
    assert b"card 4111" in b"".join(path.read_bytes() for path in db.parent.glob("agents.db*"))
    assert shell.json("erase", "s", "--redacted", "--yes")["result"] == {"messages": 1}
    assert b"card 4111" not in b"".join(path.read_bytes() for path in db.parent.glob("agents.db*"))
    assert "[removed]" in shell.out("show", "s")
    shell.run("erase", "missing", "--redacted", "--yes", code=3)


def test_compact(db: Path, shell: Shell) -> None:
    """`compact` gives back what deleted sessions have left."""
    talks.store(db, "large", talks.agent("a", [talks.user(f"{number} " * 2000) for number in range(200)]))
    shell.run("prune", "--older-than", "30d", "--yes")
    assert "will be written anew" in shell.run("compact", code=2).stdout
    result = shell.json("compact", "--yes")["result"]
    assert result["bytes_after"] < result["bytes_before"] / 2
    assert db.stat().st_size == result["bytes_after"]


@pytest.mark.usefixtures("order")
def test_yes_and_dry_run_exclude_each_other(shell: Shell) -> None:
    """Who says both is asked again."""
    shell.run("compact", "--yes", "--dry-run", code=2)


@pytest.mark.parametrize("bad", [["--set", "k=NaN"], ["--set", "k=1e999"], [" padded"], ["x" * 101]])
@pytest.mark.parametrize("remove", [[], ["--remove"]])
def test_tag_changes_all_or_nothing(shell: Shell, order: str, bad: list[str], remove: list[str]) -> None:
    """Where one of the tags or values cannot be, none is changed."""
    shell.run("tag", order, "old", "--set", "n=1")
    before = shell.json("tag", order)
    shell.run("tag", order, "old", "vip", "--set", "n=2", *remove, *bad, code=2)
    assert shell.json("tag", order) == before


def test_erase_redacted_of_several(db: Path, shell: Shell) -> None:
    """`erase --redacted` takes several sessions, and leaves the others."""
    for name in ("a", "b", "c"):
        card = talks.user(f"card of {name}")
        talks.store(db, name, talks.agent("a", [card], redacted={0: talks.user("[removed]")}))
    shell.run("erase", "a", "missing", "--redacted", "--yes", code=3)
    assert b"card of a" in _bytes(db)
    assert shell.json("erase", "a", "b", "--redacted", "--yes")["result"] == {"messages": 2}
    assert [f"card of {name}".encode() in _bytes(db) for name in ("a", "b", "c")] == [False, False, True]


def test_erase_redacted_of_snapshots(db: Path, shell: Shell) -> None:
    """A session that is there only as snapshots has originals too; one that was deleted altogether has none."""
    talks.store(db, "s", talks.agent("a", [talks.user("card 4111")], redacted={0: talks.user("[removed]")}))
    shell.run("convert", "s", "--to", "snapshots")
    shell.run("prune", "--keep", "0", "--yes")
    assert b"card 4111" in _bytes(db)
    assert shell.json("erase", "s", "--redacted", "--yes")["result"] == {"messages": 1}
    assert b"card 4111" not in _bytes(db)
    shell.run("erase", "s", "--yes")
    outcome = shell.run("erase", "s", "--redacted", code=3)
    assert outcome.stderr.startswith("error: Session s does not exist")


def _bytes(db: Path) -> bytes:
    return b"".join(path.read_bytes() for path in db.parent.glob("agents.db*"))

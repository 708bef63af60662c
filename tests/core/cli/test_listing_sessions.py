"""`list`."""

import json
from pathlib import Path

import pytest

from . import talks
from .conftest import Shell


@pytest.fixture
def three(db: Path, shell: Shell) -> None:
    for number, name in enumerate(("first", "second", "third")):
        talks.store(db, name, talks.agent("support", [talks.user(f"Hello from {name}")], start=number * 60))
    shell.run("tag", "second", "vip", "--set", "customer=42")
    shell.run("title", "third", "The third one")


@pytest.mark.usefixtures("three")
def test_a_pipe_gets_a_line_each_the_latest_first(shell: Shell) -> None:
    """In a pipe: tab-separated values, nothing cut, no head, the latest activity first."""
    assert shell.out("list") == (
        "third\t2026-03-01T09:02:00.000+00:00\t1\tsupport\t\tThe third one\n"
        "second\t2026-03-01T09:01:00.000+00:00\t1\tsupport\tvip\tHello from second\n"
        "first\t2026-03-01T09:00:00.000+00:00\t1\tsupport\t\tHello from first\n"
    )


@pytest.mark.usefixtures("three")
def test_plain_is_aligned(shell: Shell) -> None:
    """`--plain` is for people: aligned below heads, in 80 columns, without escape sequences."""
    lines = shell.out("list", "--plain").splitlines()
    assert lines[0].split() == ["SESSION", "LAST", "ACTIVITY", "MESSAGES", "AGENTS", "TAGS", "TITLE"]
    assert lines[2] == "second   2026-03-01 09:01         1  support  vip   Hello from second"
    assert all(len(line) <= 80 for line in lines)
    assert "\x1b" not in "".join(lines)


@pytest.mark.usefixtures("three")
def test_colours_can_be_had_and_refused(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    """`FORCE_COLOR` colours what no terminal shows; `NO_COLOR` and `--plain` have the last word."""
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert "\x1b[1mthird" in shell.out("list")
    assert "\x1b" not in shell.out("list", "--plain")
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b" not in shell.out("list")


@pytest.mark.usefixtures("three")
def test_json_document(shell: Shell) -> None:
    """`--json` is one document with a version, the sessions, and where the next page begins."""
    document = shell.json("list", "--limit", "2")
    assert list(document) == ["version", "sessions", "after"]
    assert document["sessions"][1] == {
        "session_id": "second",
        "title": None,
        "preview": "Hello from second",
        "tags": ["vip"],
        "metadata": {"customer": 42},
        "created_at": "2026-03-01T09:00:00.000+00:00",
        "last_activity": "2026-03-01T09:01:00.000+00:00",
        "agents": ["support"],
        "multi_agents": [],
        "messages": 1,
    }
    following = shell.json("list", "--limit", "2", "--after", document["after"])
    assert [each["session_id"] for each in following["sessions"]] == ["first"]
    assert following["after"] is None


@pytest.mark.usefixtures("three")
def test_json_lines(shell: Shell) -> None:
    """`--jsonl` is a document in each line, each with its version; `--all` leaves none out."""
    lines = [json.loads(line) for line in shell.out("--jsonl", "list", "--all", "--limit", "1").splitlines()]
    assert [line["session_id"] for line in lines] == ["third", "second", "first"]
    assert {line["version"] for line in lines} == {1}


@pytest.mark.usefixtures("three")
@pytest.mark.parametrize(
    ("asked", "found"),
    [
        (["--since", "2026-03-01T09:01:00+00:00"], ["third", "second"]),
        (["--until", "2026-03-01T09:01:00Z"], ["second", "first"]),
        (["--title", "THIRD"], ["third"]),
        (["--tag", "vip"], ["second"]),
        (["--metadata", "customer=42"], ["second"]),
        (["--agent", "support", "--sort", "id"], ["first", "second", "third"]),
        (["--sort", "id", "--descending"], ["third", "second", "first"]),
        (["--ascending", "--limit", "1"], ["first"]),
    ],
)
def test_filters(shell: Shell, asked: list[str], found: list[str]) -> None:
    """Each option of `list` says which sessions, or in which order."""
    assert [each["session_id"] for each in shell.json("list", *asked)["sessions"]] == found


@pytest.mark.usefixtures("three")
@pytest.mark.parametrize("asked", [["--tag", "none"], ["--since", "1h"], ["--all", "--agent", "nobody"]])
def test_nothing_found(shell: Shell, asked: list[str]) -> None:
    """Where nothing is found the exit code is 1; programs get an empty list, people are told."""
    assert shell.json("list", *asked, code=1)["sessions"] == []
    outcome = shell.run("list", *asked, code=1)
    assert (outcome.stdout, outcome.stderr) == ("", "no sessions\n")


@pytest.mark.usefixtures("three")
@pytest.mark.parametrize(
    "asked",
    [["--after", "nonsense"], ["--since", "yesterday"], ["--metadata", "x"], ["--limit", "0"], ["--json", "--jsonl"]],
)
def test_mistakes_on_the_command_line(shell: Shell, asked: list[str]) -> None:
    """What cannot be understood is wrong usage, exit code 2, and nothing is printed."""
    outcome = shell.run("list", *asked, code=2)
    assert outcome.stdout == ""
    assert "Error: " in outcome.stderr


def test_nothing_in_a_session_commands_the_terminal(db: Path, shell: Shell) -> None:
    """Control characters in titles, ids and texts are shown, never sent: they could take over a terminal."""
    talks.store(db, "evil\x1b[2J", talks.agent("a\tb", [talks.user("x\x1b]0;owned\x07\x9b31m\r\nline")]))
    for arguments in (["list"], ["list", "--plain"], ["list", "--json"], ["show", "evil\x1b[2J"]):
        shown = shell.out(*arguments)
        assert not set(shown) & {"\x1b", "\x07", "\x9b", "\r"}, arguments
    assert shell.out("list").count("\t") == 5

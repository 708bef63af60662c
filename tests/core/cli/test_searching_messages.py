"""`search`."""

import json
from pathlib import Path

import pytest

from . import talks
from .conftest import Shell


def test_a_pipe_gets_a_line_each(shell: Shell, order: str) -> None:
    """In a pipe: where it stands and what it says, separated by tabs."""
    assert shell.out("search", "on", "its", "way", "--session", order) == (
        "order\tsupport\t3\tassistant\t2026-03-01T09:00:03.000+00:00\tYour parcel is on its way, delayed by snow.\n"
    )


@pytest.mark.usefixtures("order")
def test_what_was_found_stands_out(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    """People get the place, and the words in their sentence; in colour, the words stand out."""
    plain = "order  support #3  assistant  2026-03-01 09:00\n  Your parcel is on its way, delayed by snow.\n"
    assert shell.out("search", "parcel", "way", "--plain") == plain
    monkeypatch.setenv("FORCE_COLOR", "1")
    shown = shell.out("search", "parcel", "way")
    assert "Your \x1b[33m\x1b[1mparcel\x1b[0m is on its \x1b[33m\x1b[1mway\x1b[0m, delayed" in shown


@pytest.mark.usefixtures("order")
def test_json(shell: Shell) -> None:
    """`--json` has the hits with their places, scores, and where the words stand."""
    document = shell.json("search", "picture")
    (hit,) = document["hits"]
    assert hit["session_id"] == "order"
    assert (hit["message_id"], hit["role"]) == (5, "assistant")
    assert 0 < hit["score"] < 1
    assert [hit["snippet"][start:stop] for start, stop in hit["highlights"]] == ["picture"]
    assert json.loads(shell.out("search", "picture", "--jsonl")) == {"version": 1, **hit}


@pytest.mark.usefixtures("order")
@pytest.mark.parametrize(
    "asked",
    [
        ["picture", "--role", "user"],
        ["picture", "--agent", "other"],
        ["picture", "--until", "2026-01-01"],
        ["picture", "--since", "1h"],
        ["picture", "--session", "other"],
        ["picture", "--offset", "1"],
        ["nowhere"],
        ['"; DROP TABLE messages --'],
        ["NEAR(", "OR", "*"],
    ],
)
def test_nothing_found(shell: Shell, asked: list[str]) -> None:
    """Where nothing is found the exit code is 1. Nothing in the words is syntax."""
    assert shell.json("search", *asked, code=1)["hits"] == []
    assert shell.run("search", *asked, code=1).stderr == "nothing found\n"


@pytest.mark.usefixtures("order")
def test_nothing_to_search(shell: Shell) -> None:
    """A search without words is wrong usage."""
    shell.run("search", code=2)


def test_the_index_is_kept(db: Path, shell: Shell, order: str) -> None:
    """`--index` keeps in the file what had to be indexed; without it the file stays as it is."""
    assert shell.out("search", "parcel")
    assert shell.json("stats")["stats"]["unindexed_messages"] == 6
    assert shell.json("search", "parcel", "--index")["hits"][0]["session_id"] == order
    assert shell.json("stats")["stats"]["unindexed_messages"] == 0
    shell.run("search", "parcel", "--index", "--db", f"{db}.missing", code=3)
    assert not Path(f"{db}.missing").exists()


def test_much_that_is_not_indexed(db: Path, shell: Shell) -> None:
    """A search that had to read very many messages says how to index them, until they are."""
    talks.store(db, "s", talks.agent("a", [talks.user("hello")] * 10_001))
    hint = "10,001 messages are not indexed: with --index the next search need not read them\n"
    outcome = shell.run("search", "hello", "--limit", "1")
    assert outcome.stderr == hint
    assert len(outcome.stdout.splitlines()) == 1
    assert shell.run("search", "nowhere", code=1).stderr == f"{hint}nothing found\n"
    assert shell.run("search", "hello", "--index").stderr == ""
    assert shell.run("search", "hello").stderr == ""

"""`search`."""

import json

import pytest

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

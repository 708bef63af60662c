"""What a message says as plain text, and what odd messages say: nothing."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from strands_sqlite_session_manager._codec import loads
from strands_sqlite_session_manager._texts import PREVIEW_CHARACTERS, Piece, pieces, preview, said


def message(*blocks: Any) -> dict[str, Any]:
    """Return a message of these blocks."""
    return {"role": "assistant", "content": list(blocks)}


EVERYTHING = message(
    {"text": "The weather?"},
    {"reasoningContent": {"reasoningText": {"text": "They want a forecast.", "signature": "c2lnbmF0dXJl"}}},
    {"toolUse": {"name": "forecast", "toolUseId": "t1", "input": {"city": "Zürich", "days": [1, 2.5], "hourly": True}}},
    {
        "toolResult": {
            "toolUseId": "t1",
            "status": "success",
            "content": [
                {"text": "Rain."},
                {"json": {"wind": {"from": "west"}}},
                {"document": {"format": "pdf", "name": "report", "source": {"bytes": b"%PDF"}}},
                {"image": {"format": "png", "source": {"bytes": b"png"}}},
            ],
        }
    },
    {"document": {"format": "txt", "name": "almanac", "source": {"bytes": b"text"}}},
    {"image": {"format": "png", "source": {"bytes": b"png"}}},
    {"guardContent": {"text": {"text": "Is it safe?", "qualifiers": ["query"]}}},
    {
        "citationsContent": {
            "content": [{"text": "It rains."}],
            "citations": [{"title": "Almanac", "sourceContent": [{"text": "Rain in May."}], "location": {}}],
        }
    },
    {"cachePoint": {"type": "default"}},
)


def test_every_kind_of_content_says_something() -> None:
    """Texts, reasoning, tool calls and results, documents, guarded texts and citations, in order; not ids or bytes."""
    assert pieces(EVERYTHING) == [
        Piece("text", "The weather?"),
        Piece("reasoning", "They want a forecast."),
        Piece("tool call", "forecast\nZürich\n1\n2.5"),
        Piece("tool result", "Rain."),
        Piece("tool result", "west"),
        Piece("document", "report"),
        Piece("document", "almanac"),
        Piece("text", "Is it safe?"),
        Piece("text", "It rains."),
        Piece("citation", "Almanac\nRain in May."),
    ]
    assert said(EVERYTHING) == "\n".join(piece.text for piece in pieces(EVERYTHING))


def test_stored_binary_values_say_nothing() -> None:
    """Binary values as the stored JSON has them, or as references, are not text."""
    held = {"__bytes_encoded__": True, "data": "d29yZHM="}
    apart = {"__bytes_encoded__": True, "sha256": "ab" * 32, "size": 600}
    call = {"toolUse": {"name": "put", "toolUseId": "t", "input": {"a": held, "b": [apart], "c": "kept"}}}

    assert said(message(call)) == "put\nkept"


ODD: list[Any] = [
    None,
    [],
    "text",
    {},
    {"content": None},
    {"content": {"text": "x"}},
    {"content": [None, 1, "text", []]},
    message({"text": None}, {"text": ["a"]}, {"text": {"text": "a"}}),
    message({"reasoningContent": "x"}, {"reasoningContent": {"reasoningText": None}}),
    message({"toolUse": None}, {"toolUse": {"name": 3}}, {"toolUse": []}),
    message({"toolResult": {"content": [{"json": None}, None]}}, {"toolResult": {"content": {"text": "x"}}}),
    message({"document": {"name": None}}, {"document": "x"}, {"citationsContent": {"citations": [None], "content": 1}}),
    message({"guardContent": {"text": "x"}}, {"unheardOf": {"text": "x"}}),
]


@pytest.mark.parametrize("odd", ODD, ids=range(len(ODD)))
def test_what_has_not_the_shape_of_the_sdk_says_nothing(odd: Any) -> None:
    """An odd block is no error."""
    assert pieces(odd) == []
    assert said(odd) == ""
    assert preview(odd) in ("", "[document] [document]")


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["role", "content", "text", "toolUse", "toolResult", "input", "json", "name", "citations"]),
            inner,
            max_size=3,
        )
    ),
    max_leaves=20,
)


@settings(deadline=None)
@given(_JSON)
def test_no_message_is_an_error(value: Any) -> None:
    """Whatever JSON stands where a message should be, it says something or nothing, as text that UTF-8 can hold."""
    for odd in (value, {"content": value}, message(value), message({"toolUse": {"name": "n", "input": value}})):
        assert all(piece.text for piece in pieces(odd))
        said(odd).encode()
        assert len(preview(odd)) <= PREVIEW_CHARACTERS
        assert len(preview(odd).splitlines()) <= 1


def test_values_at_the_limits_of_python_are_no_error() -> None:
    """Deep nesting, numbers of five thousand digits, and halves of characters are no error."""
    deep = loads("[" * 900 + '"word"' + "]" * 900)
    call = {"toolUse": {"name": "n", "toolUseId": "t", "input": [deep, 10**5000, float("inf"), "half \ud800"]}}

    assert said(message(call)).split("\n")[:2] == ["n", "word"]
    assert said(message(call)).endswith("half ?")
    assert pieces(message({"text": "\udc00"})) == [Piece("text", "?")]


def test_plain_text_as_content_is_said() -> None:
    """Content that is a text, as other programs write it, is said."""
    assert said({"role": "user", "content": "hello"}) == "hello"
    assert said(message({"toolResult": {"content": "done"}})) == "done"


PREVIEWS = [
    (message({"text": " two\n lines\t"}), "two lines"),
    (message({"toolUse": {"name": "look", "input": {"at": "it"}}}, {"text": "I look."}), "I look."),
    (message({"toolUse": {"name": "look", "input": {"at": "it"}}}), "look it"),
    (message({"image": {}}, {"audio": {}}), "[image] [audio]"),
    (message({"text": " "}, {"image": {}}), "[image]"),
    (message({"text": "word " * 100}), "word " * 15 + "word…"),
    (message({"text": "x" * 81}), "x" * 79 + "…"),
    (message({"text": "x" * 80}), "x" * 80),
]


@pytest.mark.parametrize(("shown", "line"), PREVIEWS)
def test_a_preview_is_one_short_line(shown: Any, line: str) -> None:
    """A preview is the beginning of the texts, else of the rest, else what is pictured."""
    assert preview(shown) == line

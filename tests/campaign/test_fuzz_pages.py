"""Hostile text in a page: whatever a message, title, id, role, tool or attachment says, it is text and nothing else."""

from __future__ import annotations

import re
from collections import Counter
from html.parser import HTMLParser
from typing import Any

from hypothesis import example, given
from hypothesis import strategies as st
from strands.types.session import SessionAgent, SessionMessage

from strands_sqlite_session_manager import SessionStore, SQLiteSessionManager

from .everything import pages
from .fuzzing import tries
from .hostile import MARKUP

PNG = b"\x89PNG<script>alert(1)</script>"
TEXTS = st.lists(st.sampled_from([*MARKUP, "```", "```html\n", "\n", " ", "x", "\x0b", "\u2028"]), max_size=5).map(
    "".join
) | st.text(st.characters(exclude_categories=["Cs"]), max_size=15)
LINES = TEXTS.map(lambda text: re.sub(r"[\0-\x1f\ud800-\udfff]", "", text).strip()[:90] or "x")
FORMATS = st.sampled_from(["png", "svg", 'png"><script>', "jpeg;base64,x", ""])
_UNWANTED = re.compile("[\0-\x08\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff]")


class Tree(HTMLParser):
    """The elements of a page with their attributes, without what these and the texts say."""

    VOID = frozenset({"meta", "img", "br", "link", "hr", "input"})

    def __init__(self, html: str) -> None:
        super().__init__()
        self.shape: list[Any] = []
        self.text = ""
        self._open: list[str] = []
        self.feed(html)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.shape.append((tag, [(name, _kind(name, value or "")) for name, value in attrs]))
        if tag not in self.VOID:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag
        self.shape.append(f"/{tag}")

    def handle_data(self, data: str) -> None:
        self.text += data

    def handle_comment(self, data: str) -> None:
        self.shape.append("a comment")

    def unknown_decl(self, data: str) -> None:
        self.shape.append("a declaration")


def _kind(name: str, value: str) -> str:
    """Return what an attribute says, but where it repeats what somebody has written."""
    return "" if name in ("alt", "aria-label", "datetime") else value


def harmless(text: str) -> str:
    """Return the twin of a text: as long, with the same lines, and of letters only."""
    return "".join(each if each.isspace() or each == "`" else "x" for each in text)


def blocks(texts: list[str], kind: str) -> list[dict[str, Any]]:
    """Return blocks of all kinds that say these texts."""
    one, two, three = texts
    image = {"image": {"format": kind, "source": {"bytes": PNG}}}
    return [
        {"text": one},
        {"reasoningContent": {"reasoningText": {"text": two}}},
        {"toolUse": {"toolUseId": three, "name": two, "input": {one: two}}},
        {
            "toolResult": {
                "toolUseId": three,
                "status": "error",
                "content": [{"text": one}, {"json": {two: one}}, image],
            }
        },
        {"document": {"format": one, "name": two, "source": {"bytes": b"x"}}},
        {"document": {"format": "md", "name": two, "source": {"text": three}}},
        {"video": {"format": three, "source": {"s3Location": {"uri": one}}}},
        {"citationsContent": {"content": [{"text": one}], "citations": [{"title": two}]}},
        image,
        {"unknown": {two: three}},
    ]


def page_of(texts: list[str], role: str, kind: str, notes: list[str]) -> str:
    """Return the page of a session that says these texts wherever somebody can say something."""
    title, tag, agent_id = notes
    with SQLiteSessionManager("s", ":memory:") as manager, SessionStore(manager) as store:
        for each in (agent_id, f"{agent_id}2"):
            manager.create_agent("s", SessionAgent(each, {}, {}))
            for number, message in enumerate(
                ({"role": role, "content": blocks(texts, kind)}, {"role": role, "content": texts[0]})
            ):
                manager.create_message("s", each, SessionMessage(message, number))  # type: ignore[arg-type]  # no role of the SDK
        store.set_title("s", title)
        store.add_tags("s", tag)
        return pages(store, "s")


@tries(40)
@given(
    texts=st.lists(TEXTS, min_size=3, max_size=3),
    role=st.sampled_from(["user", "assistant"]) | TEXTS,
    kind=FORMATS,
    notes=st.tuples(LINES, LINES, LINES.map(lambda text: text.replace("/", "")[:40])),
)
@example(texts=["</script>"] * 3, role="<script>", kind="png", notes=("</title>", "<b>", "<i>"))
@example(texts=["```\n</code></pre>"] * 3, role="user", kind='png"><script>', notes=("\u202ex", "x", "&lt;"))
def test_what_is_said_stays_text(
    tried: Counter[str], texts: list[str], role: str, kind: str, notes: tuple[str, str, str]
) -> None:
    """The page has the elements and attributes that it has where letters are said in place of markup.

    No control character and nothing that turns the direction of writing is left in it.
    """
    tried["pages"] += 1
    html = page_of(texts, role, kind, list(notes))
    known = role in ("user", "assistant")
    shown = kind if kind.isalpha() else harmless(kind)
    twin = page_of(
        [harmless(each) for each in texts], role if known else harmless(role), shown, [*map(harmless, notes)]
    )
    assert Tree(html).shape == Tree(twin).shape
    assert not _UNWANTED.search(html)
    for text in texts:
        words = [word for word in re.split(r"[^!-~]+", text.replace("```", " ")) if word]
        assert not words or max(words, key=len) in Tree(html).text


@tries(40)
@given(
    value=st.recursive(
        st.none() | st.booleans() | st.integers() | TEXTS,
        lambda inner: (
            st.lists(inner, max_size=3)
            | st.dictionaries(
                st.sampled_from(["role", "content", "text", "toolUse", "image", "source", "bytes", "name", "input"])
                | TEXTS,
                inner,
                max_size=4,
            )
        ),
        max_leaves=12,
    )
)
def test_messages_of_any_shape_have_a_page(tried: Counter[str], value: Any) -> None:
    """A message need not have the shape that the SDK gives it: what it holds is shown, as text."""
    tried["messages of any shape"] += 1
    with SQLiteSessionManager("s", ":memory:") as manager, SessionStore(manager) as store:
        manager.create_agent("s", SessionAgent("a", {}, {}))
        manager.create_message("s", "a", SessionMessage(value, 0))
        html = pages(store, "s")
    tree = Tree(html)
    assert "a comment" not in tree.shape
    assert {each[0] for each in tree.shape if isinstance(each, tuple)}.isdisjoint({"script", "iframe", "object", "svg"})
    assert not _UNWANTED.search(html)

"""`show --html`: one page that loads nothing, runs nothing, and shows text as text."""

import re
from base64 import b64encode
from hashlib import sha256
from html.parser import HTMLParser
from pathlib import Path
from types import SimpleNamespace as Value
from typing import Any

import pytest

from strands_sqlite_session_manager.cli import _html

from . import talks
from .conftest import Shell

VOID = {"meta", "img", "br", "link", "hr", "input"}


class Page(HTMLParser):
    """A page, taken apart: its elements with their attributes, and that they are nested as they should be."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.texts: list[str] = []
        self._open: list[str] = []
        self.feed(html)
        self.close()
        assert self._open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, {name: value or "" for name, value in attrs}))
        if tag not in VOID:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.texts.append(data)

    def of(self, tag: str) -> list[dict[str, str]]:
        return [attributes for name, attributes in self.elements if name == tag]

    @property
    def text(self) -> str:
        return "".join(self.texts)


@pytest.fixture
def page(db: Path, shell: Shell) -> Any:
    """Makes a page of messages."""

    def make(*messages: Any, title: str = "") -> Page:
        talks.store(db, "s", talks.agent("a", list(messages)))
        if title:
            shell.run("title", "s", title)
        return Page(shell.out("show", "s", "--html"))

    return make


def test_a_page_stands_alone(shell: Shell, order: str) -> None:
    """Nothing is loaded and nothing can run: the only addresses are anchors and data, and the browser is told so."""
    html = shell.out("show", order, "--html")
    page = Page(html)
    policy = next(meta["content"] for meta in page.of("meta") if meta.get("http-equiv") == "Content-Security-Policy")
    assert policy.startswith("default-src 'none'; style-src 'sha256-")
    addresses = [
        value for _, attributes in page.elements for name, value in attributes.items() if name in ("src", "href")
    ]
    assert addresses
    assert all(address.startswith(("#", "data:image/png;base64,")) for address in addresses)
    tags = {tag for tag, _ in page.elements}
    assert not tags & {"script", "link", "iframe", "object", "embed", "form", "base"}
    assert not any(name.startswith("on") or name == "style" for _, attributes in page.elements for name in attributes)
    assert "url(" not in html
    assert "@import" not in html


def test_a_page_is_for_everyone(shell: Shell, order: str) -> None:
    """Language, title, viewport, headings, labels and alternative texts are there, and each message has its anchor."""
    page = Page(shell.out("show", order, "--html"))
    assert page.of("html") == [{"lang": "en"}]
    assert len(page.of("title")) == len(page.of("h1")) == len(page.of("main")) == 1
    assert any(meta.get("name") == "viewport" for meta in page.of("meta"))
    articles = page.of("article")
    assert [each["id"] for each in articles] == [f"m{number}" for number in range(6)]
    identifiers = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    assert len(set(identifiers)) == len(identifiers)
    assert all(each["aria-labelledby"] in identifiers for each in articles)
    assert all(link["href"].removeprefix("#") in identifiers for link in page.of("a"))
    assert [image["alt"] for image in page.of("img")] == [f"image · png · {len(talks.PNG)} B"]
    assert [each["class"] for each in page.of("details")] == ["reasoning", "call", "result"]


HOSTILE = [
    "<script>alert(1)</script>",
    "</title><script>alert(1)</script>",
    "</pre></details></article></main><iframe src=//evil.example></iframe>",
    "<!-- <![CDATA[ ]]> --> &lt;b&gt; &amp;",
    '"\' onload=alert(1) x="',
    "\x00\x0b\x1b[31m\x7f\x85\u2028<img src=x onerror=alert(1)>",
    "```html\n<script>alert(1)</script>\n```\n```\n</code></pre><b>",
    "<style>body{display:none}</style>",
]


@pytest.mark.parametrize("text", HOSTILE)
def test_text_stays_text(text: str) -> None:
    """Markup in a message, a tool, its name, its result, a document's name, a tag or a title is shown, never obeyed."""
    messages = [
        talks.user(text, {"document": {"format": text, "name": text, "source": {"bytes": b"x"}}}),
        talks.assistant(
            {"reasoningContent": {"reasoningText": {"text": text}}}, talks.call(text, **{text: text}), {text: text}
        ),
        talks.user(talks.result({"text": text}, {"json": {text: text}})),
        {"role": text, "content": [{"image": {"format": text, "source": {"bytes": talks.PNG}}}]},
    ]
    page = Page("\n".join(_page_of(messages, text)))
    harmless = Page("\n".join(_page_of([{**each, "role": "x"} for each in messages], "x")))
    allowed = {"code", "details", "div", "p", "pre"}
    assert {tag for tag, _ in page.elements} <= {tag for tag, _ in harmless.elements} | allowed
    assert not {tag for tag, _ in page.elements} & {"script", "iframe", "img", "link"}
    last = text.rsplit("```", maxsplit=1)[-1].split()[-1:]
    shown = "".join(last).translate({0: "␀", 0x0B: "␋", 0x1B: "␛", 0x7F: "␡", 0x85: "\ufffd"})
    assert shown in page.text


def _page_of(messages: list[Any], text: str) -> list[str]:

    info = Value(session_id=text, title=text, tags=(text,), agents=(text, "b"), multi_agents=(text,), messages=1)
    info.created_at = info.last_activity = text
    summary = Value(info=info, agents=(), bytes=1)
    records = [
        Value(message_id=number, role=each["role"], message=each, redacted=False, created_at=text)
        for number, each in enumerate(messages)
    ]
    return list(_html.page(summary, iter([(text, iter(records)), ("b", iter(records))]), [text, "b"]))  # type: ignore[arg-type]


def test_images_up_to_a_limit(page: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """Images are in the page up to a size each and a size together; the others are named."""
    monkeypatch.setattr(_html, "IMAGE_BYTES", len(talks.PNG) + 5)
    monkeypatch.setattr(_html, "ALL_IMAGE_BYTES", 2 * len(talks.PNG) + 1)
    large = talks.image(talks.PNG + b"-" * 6)
    made = page(talks.user(large, talks.image(), talks.image(kind="svg"), talks.image(kind="jpg"), talks.image()))
    assert [image["src"][:16] for image in made.of("img")] == ["data:image/png;b", "data:image/jpeg;"]
    assert made.text.count("image · ") == 5


def test_code_is_set_as_code(page: Any) -> None:
    """What stands between three backticks is set as code; an open end too."""
    made = page(talks.assistant("Look:\n```python\nprint(1)\n```\nor\n```\nopen"))
    assert len(made.of("code")) == 2
    assert "print(1)" in made.texts
    assert "```" not in made.text


def test_several_agents_have_their_sections(db: Path, shell: Shell) -> None:
    """With several agents the page links to each."""
    talks.store(db, "s", talks.agent("a", [talks.user("to a")]), talks.agent("b", [talks.user("to b")]))
    page = Page(shell.out("show", "s", "--html"))
    assert [link["href"] for link in page.of("a")] == ["#conversation", "#agent-0", "#agent-1", "#m0", "#agent-1-0"]


def test_a_page_comes_piece_by_piece() -> None:
    """The page of a long session is written as it is read, not collected first."""
    read: list[int] = []

    def records() -> Any:
        for number in range(3000):
            read.append(number)
            yield Value(message_id=number, role="user", message=talks.user("x"), redacted=False, created_at=talks.at(0))

    info = Value(session_id="s", title=None, tags=(), agents=("a",), multi_agents=(), messages=3000)
    info.created_at = info.last_activity = talks.at(0)
    lines = _html.page(Value(info=info, agents=(), bytes=1), iter([("a", records())]), ["a"])  # type: ignore[arg-type]
    for line in lines:
        if 'id="m10"' in line:
            break
    assert read == list(range(11))


def test_titles_of_pages(page: Any) -> None:
    """The title of the session is the title of the page."""
    made = page(talks.user("x"), title="A <b>title</b>")
    assert made.texts.count("A <b>title</b>") == 2


def test_style_is_the_one_that_is_allowed(shell: Shell, order: str) -> None:
    """The policy names the hash of the style that is in the page."""
    html = shell.out("show", order, "--html")
    style = re.search("<style>(.*)</style>", html, re.DOTALL)
    assert style is not None
    assert f"'sha256-{b64encode(sha256(style[1].encode()).digest()).decode()}'" in html

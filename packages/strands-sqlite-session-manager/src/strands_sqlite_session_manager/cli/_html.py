"""A session as one page: nothing is loaded, nothing runs, and every text stays text."""

from __future__ import annotations

from base64 import b64encode
from collections.abc import Iterator
from hashlib import sha256
from html import escape
from typing import TYPE_CHECKING

from ._blocks import Media, Piece, answers_tools, cost_of, pieces_of
from ._conversation import cost_text, summary_parts
from ._page_style import STYLE
from ._text import one_line, visible
from ._values import count, utc

if TYPE_CHECKING:
    from strands_sqlite_session_manager.catalog import SessionSummary, StoredMessage

IMAGE_BYTES = 2_000_000
"""A larger image is named, and not shown."""

ALL_IMAGE_BYTES = 20_000_000
"""After so many bytes of images, the rest are named."""

_IMAGES = {"png", "jpeg", "jpg", "gif", "webp"}
_PREVIEW = 100

_HEAD = """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'sha256-{hash}'; img-src data:">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="referrer" content="no-referrer">
<meta name="robots" content="noindex">
<meta name="color-scheme" content="light dark">
<title>{title}</title>
<style>{style}</style>
</head>
<body>
<a class="skip" href="#conversation">Skip to the conversation</a>
<header>
<h1 dir="auto">{title}</h1>"""


def page(
    summary: SessionSummary, parts: Iterator[tuple[str, Iterator[StoredMessage]]], agents: list[str]
) -> Iterator[str]:
    """Yield the lines of a page.

    Args:
        summary: What the session is.
        parts: The agents, each with its messages.
        agents: The agents in `parts`.
    """
    info = summary.info
    digest = b64encode(sha256(STYLE.encode()).digest()).decode()
    yield _HEAD.format(hash=digest, style=STYLE, title=text(one_line(info.title or info.session_id)))
    if info.title:
        yield f'<p class="id">{text(info.session_id)}</p>'
    yield f'<p class="about">{text(" · ".join(summary_parts(summary)))}</p>'
    yield f'<p class="about">{_time(info.created_at)} to {_time(info.last_activity)} UTC</p>'
    if len(agents) > 1:
        links = (f'<li><a href="#agent-{place}">{text(agent)}</a></li>' for place, agent in enumerate(agents))
        yield f'<nav aria-label="Agents"><ul>{"".join(links)}</ul></nav>'
    yield '</header>\n<main id="conversation">'
    writer = _Writer()
    for place, (agent, messages) in enumerate(parts):
        yield f'<section aria-label="Messages of {text(agent)}">'
        if len(agents) > 1:
            yield f'<h2 id="agent-{place}" dir="auto">{text(agent)}</h2>'
        for message in messages:
            yield writer.message(message, f"agent-{place}-{message.message_id}" if place else f"m{message.message_id}")
        writer.tools.clear()
        yield "</section>"
    yield f"</main>\n<footer>{count(writer.written, 'message')}, written by strands-sqlite</footer>\n</body>\n</html>"


def text(value: str) -> str:
    """Return text that is nothing but text in HTML, in attributes too."""
    return escape(visible(value).replace("\r", "\n"), quote=True)


def _time(stored: str) -> str:
    moment = utc(stored)
    if moment is None:
        return text(stored)
    return f'<time datetime="{moment.isoformat(timespec="seconds")}">{moment:%Y-%m-%d %H:%M:%S}</time>'


class _Writer:
    """Messages in HTML, and what was used of the room for images.

    Attributes:
        tools: The names of tools by the id of their call.
        written: How many messages there were.
    """

    def __init__(self) -> None:
        self.tools: dict[str, str] = {}
        self.written = 0
        self._image_bytes = 0

    def message(self, record: StoredMessage, anchor: str) -> str:
        """Return a message."""
        self.written += 1
        role = "tools" if answers_tools(record.message) else record.role
        kind = role if role in ("user", "assistant", "tools") else "other"
        told = cost_text(cost_of(record.message))
        head = [
            f'<h3 id="{anchor}-h">{text(role)} <a href="#{anchor}">#{record.message_id}</a></h3>',
            _time(record.created_at),
            '<strong class="redacted">redacted</strong>' if record.redacted else "",
            f"<span>{text(told)}</span>" if told else "",
        ]
        pieces = "\n".join(map(self._piece, pieces_of(record.message, self.tools))) or '<p class="none">(nothing)</p>'
        return (
            f'<article id="{anchor}" class="{kind}" aria-labelledby="{anchor}-h">\n'
            f'<div class="head">{"".join(head)}</div>\n{pieces}\n</article>'
        )

    def _piece(self, piece: Piece) -> str:
        if piece.kind == "text":
            return _prose(piece.text)
        if piece.kind == "reasoning":
            return _folded("reasoning", "reasoning", piece.text, _pre(piece.text))
        if piece.kind == "call":
            shown = one_line(piece.text if piece.arguments not in (None, {}) else "")
            return _folded("call", f"→ {piece.name}", shown, _pre(piece.text))
        if piece.kind == "result":
            return self._result(piece)
        if piece.media is not None:
            return self._media(piece.media)
        return _folded("block", piece.name or "data", piece.text, _pre(piece.text))

    def _result(self, piece: Piece) -> str:
        inner = [self._media(each.media) if each.media is not None else _pre(each.text) for each in piece.pieces]
        media = [f"[{each.media.label}]" for each in piece.pieces if each.media is not None]
        name = f"← {piece.name} failed" if piece.failed else f"← {piece.name}"
        shown = " ".join((piece.text[: 2 * _PREVIEW], *media))
        return _folded("result failed" if piece.failed else "result", name, shown, "\n".join(inner))

    def _media(self, media: Media) -> str:
        label = text(one_line(media.label))
        if media.kind == "image" and media.data and self._shows(media.format.lower(), len(media.data)):
            kind = {"jpg": "jpeg"}.get(media.format.lower(), media.format.lower())
            source = f"data:image/{kind};base64,{b64encode(media.data).decode()}"
            return f'<figure><img src="{source}" alt="{label}" loading="lazy"><figcaption>{label}</figcaption></figure>'
        return f'<p class="media">{label}</p>'

    def _shows(self, kind: str, size: int) -> bool:
        """Tell whether there is room for an image, and take it."""
        if kind not in _IMAGES or size > IMAGE_BYTES or self._image_bytes + size > ALL_IMAGE_BYTES:
            return False
        self._image_bytes += size
        return True


def _folded(kind: str, name: str, preview: str, body: str) -> str:
    """Return something that opens when it is asked for, with its name and how it begins."""
    short = " ".join(one_line(preview[: 4 * _PREVIEW]).split())
    short = short[:_PREVIEW] + "…" if len(short) > _PREVIEW else short
    return (
        f'<details class="{kind}"><summary><b>{text(one_line(name))}</b> '
        f'<span dir="auto">{text(short)}</span></summary>\n{body}\n</details>'
    )


def _pre(value: str) -> str:
    return f'<pre dir="auto">{text(value)}</pre>' if value else ""


def _prose(value: str) -> str:
    """Return text as it stands, with what is between lines of three backticks set as code."""
    parts: list[str] = []
    lines: list[str] = []
    code = False
    for line in value.splitlines():
        if line.lstrip().startswith("```"):
            parts.append(_part(lines, code=code))
            lines, code = [], not code
        else:
            lines.append(line)
    parts.append(_part(lines, code=code))
    return "\n".join(filter(None, parts))


def _part(lines: list[str], *, code: bool) -> str:
    joined = "\n".join(lines).strip("\n")
    if not joined:
        return ""
    shown = text(joined)
    return f"<pre><code>{shown}</code></pre>" if code else f'<div class="text" dir="auto">{shown}</div>'

"""A conversation as lines of text."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Any

from ._blocks import Cost, Piece, answers_tools, as_json, cost_of, pieces_of
from ._output import BOLD, DIM, styled
from ._settings import Settings
from ._text import cut, one_line, wrap
from ._values import count, local, milliseconds, minute, size

if TYPE_CHECKING:
    from strands_sqlite_session_manager.catalog import SessionSummary, StoredMessage

_INDENT = "   "
_FOLDED_LINES = 2
_ROLES = {"user": {"fg": "cyan", "bold": True}, "assistant": {"fg": "green", "bold": True}}
_TOOLS = {"fg": "yellow"}
_FAILED = {"fg": "red"}


def header(settings: Settings, summary: SessionSummary, width: int) -> Iterator[str]:
    """Yield what a session is, in a few lines."""
    info = summary.info
    title = f"{info.session_id} · {info.title}" if info.title else info.session_id
    yield from (styled(line, settings, BOLD) for line in wrap(one_line(title), width))
    yield from (styled(line, settings, DIM) for line in wrap(one_line(" · ".join(summary_parts(summary))), width))
    yield styled(one_line(f"{minute(info.created_at)} to {minute(info.last_activity)}"), settings, DIM)


def summary_parts(summary: SessionSummary) -> list[str]:
    """Return what is told of a session: tags, agents, messages, tokens and bytes."""
    info = summary.info
    parts = []
    if info.tags:
        parts.append(f"tags {', '.join(info.tags)}")
    if info.agents:
        parts.append(f"{'agent' if len(info.agents) == 1 else 'agents'} {', '.join(info.agents)}")
    if info.multi_agents:
        parts.append(f"graphs and swarms {', '.join(info.multi_agents)}")
    parts.append(count(info.messages, "message"))
    tokens = [agent.total_tokens for agent in summary.agents if agent.total_tokens is not None]
    if tokens:
        parts.append(count(sum(tokens), "token"))
    return [*parts, size(summary.bytes)]


class Conversation:
    """Messages, one after the other, as lines of text."""

    def __init__(self, settings: Settings, width: int, *, full: bool) -> None:
        """Begin a conversation.

        Args:
            settings: Whether there are colours.
            width: Of the lines; 0 does not break them.
            full: Whether tools and reasoning are shown whole.
        """
        self._settings = settings
        self._width = width
        self._full = full
        self._tools: dict[str, str] = {}
        self._day = ""

    def lines(self, record: StoredMessage) -> Iterator[str]:
        """Yield the lines of a message."""
        yield self._head(record)
        pieces = pieces_of(record.message, self._tools)
        for piece in pieces:
            yield from (f"{_INDENT}{line}".rstrip() for line in self._piece(piece))
        if not pieces:
            yield _INDENT + self._style("(nothing)", DIM)

    def _head(self, record: StoredMessage) -> str:
        role = "tools" if answers_tools(record.message) else one_line(record.role)
        parts = [self._style(f"#{record.message_id} {role}", _ROLES.get(role, _TOOLS)), self._time(record.created_at)]
        if record.redacted:
            parts.append(self._style("redacted", _FAILED))
        told = cost_text(cost_of(record.message))
        return "  ".join(parts) + (self._style(f"  {told}", DIM) if told else "")

    def _time(self, stored: str) -> str:
        """Return the time of a message, with the day where it is another than that of the message before."""
        moment = local(stored)
        if moment is None:
            return one_line(stored)
        day = f"{moment:%Y-%m-%d}"
        text = f"{moment:%H:%M:%S}" if day == self._day else f"{day} {moment:%H:%M:%S}"
        self._day = day
        return self._style(text, DIM)

    def _piece(self, piece: Piece) -> Iterator[str]:
        if piece.kind == "text":
            yield from self._wrapped(piece.text)
        elif piece.kind == "reasoning":
            yield from self._folded("~ ", piece.text, DIM)
        elif piece.kind == "call":
            yield from self._call(piece)
        elif piece.kind == "result":
            yield from self._result(piece)
        elif piece.media is not None:
            yield from self._wrapped(f"[{one_line(piece.media.label)}]")
        else:
            yield from self._folded(f"[{piece.name}] " if piece.name else "", piece.text, DIM)

    def _call(self, piece: Piece) -> Iterator[str]:
        if self._full:
            yield from (self._style(line, _TOOLS) for line in self._wrapped(f"→ {one_line(piece.name)}"))
            yield from (f"  {line}" for line in self._wrapped(piece.text, 2))
        else:
            yield from self._folded("→ ", f"{piece.name}({_arguments(piece.arguments)})", _TOOLS)

    def _result(self, piece: Piece) -> Iterator[str]:
        mark = f"← {one_line(piece.name)}{' failed' if piece.failed else ''}: "
        style = _FAILED if piece.failed else _TOOLS
        media = [each.media.label for each in piece.pieces if each.media is not None]
        if not self._full:
            texts = [piece.text, *(f"[{label}]" for label in media)]
            yield from self._folded(mark, " ".join(filter(None, texts)), style)
            return
        yield self._style(mark.rstrip(), style)
        yield from (f"  {line}" for line in self._wrapped(piece.text, 2) if piece.text)
        yield from (f"  [{one_line(label)}]" for label in media)

    def _folded(self, mark: str, text: str, style: Mapping[str, Any]) -> Iterator[str]:
        """Yield a mark and the beginning of a text, in two lines at most; all of it where nothing is to be folded."""
        if self._full:
            lines = list(self._wrapped(mark + text))
        else:
            room = (self._inner or 200) - 2
            short = cut(" ".join(one_line(text[: 10 * room]).split()), max(1, _FOLDED_LINES * room - len(mark) - 8))
            lines = list(self._wrapped(mark + short, 2))
            if len(lines) > _FOLDED_LINES:
                lines = [*lines[: _FOLDED_LINES - 1], cut(lines[_FOLDED_LINES - 1] + "…" * room, room)]
        for position, line in enumerate(lines):
            yield self._style(line if position == 0 or self._full else f"  {line}", style)

    @property
    def _inner(self) -> int:
        return max(10, self._width - len(_INDENT)) if self._width else 0

    def _wrapped(self, text: str, indent: int = 0) -> Iterator[str]:
        return wrap(text, self._inner and self._inner - indent)

    def _style(self, text: str, style: Mapping[str, Any]) -> str:
        return styled(text, self._settings, style)


def _arguments(value: Any) -> str:
    """Return the arguments of a call in a line."""
    if isinstance(value, Mapping):
        return ", ".join(f"{key}={as_json(each)}" for key, each in value.items())
    return "" if value is None else as_json(value)


def cost_text(cost: Cost) -> str:
    """Return tokens and latency in a few words."""
    parts = []
    if cost.input_tokens is not None or cost.output_tokens is not None:
        parts.append(f"{cost.input_tokens or 0:,} → {cost.output_tokens or 0:,} tokens")
    if cost.latency_ms is not None:
        parts.append(milliseconds(cost.latency_ms))
    return " · ".join(parts)

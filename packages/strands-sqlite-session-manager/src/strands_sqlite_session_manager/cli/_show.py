"""`show`: a session as a conversation, in the terminal or as a page."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING, Any

import click

from ._conversation import Conversation, header
from ._output import (
    DIM,
    VERSION,
    WIDTH,
    Column,
    fields,
    is_for_people,
    print_rows,
    styled,
    to_json,
    width,
    write,
    written_file,
)
from ._settings import NOTHING, Settings, command, misuse, refusing
from ._text import one_line
from ._types import SESSION
from ._values import minute

if TYPE_CHECKING:
    from strands_sqlite_session_manager.catalog import SessionSummary, StoredMessage
    from strands_sqlite_session_manager.history import Checkpoint
    from strands_sqlite_session_manager.store import SessionStore

_CHECKPOINTS = (
    Column("AT", right=True),
    Column("AGENT"),
    Column("ROLE"),
    Column("TIME", style=DIM),
    Column("COMPLETE"),
    Column("BEGINS", flexible=True),
)


@command("show")
@click.argument("session", type=SESSION)
@click.option("--agent", help="Only this agent; without it all of them, one after the other.")
@click.option("--limit", type=click.IntRange(0), help="At most so many messages of an agent.")
@click.option("--offset", type=int, default=0, help="Leave out so many; a negative number counts from the end.")
@click.option("--full", is_flag=True, help="Show tools and reasoning whole.")
@click.option("--width", "columns", type=click.IntRange(0), help="Of the lines; 0 does not break them. At most 80.")
@click.option("--html", is_flag=True, help="One page for a browser, with everything in it.")
@click.option("--checkpoints", is_flag=True, help="Only the points to which `fork --at` and `rewind --at` can go.")
@click.option("-o", "--output", metavar="FILE", help="Write to this file instead of standard output.")
def show(settings: Settings, session: str, *, html: bool, checkpoints: bool, output: str | None, **asked: Any) -> None:
    """Show a session as a conversation."""
    if html and (settings.format != "text" or checkpoints):
        message = "--html excludes --json, --jsonl and --checkpoints"
        raise misuse(message)
    with settings.reading() as store, refusing():
        summary = store.summarize_session(session)
        agents = _agents(summary, asked["agent"])
        if checkpoints:
            _show_checkpoints(settings, store, session, agents, asked)
            return
        reader = _Reader(store, session, limit=asked["limit"], offset=asked["offset"])
        lines = _lines(settings, summary, agents, reader, asked, html=html)
        if output is None or output == "-":
            write(lines)
        else:
            settings.plain = settings.plain or settings.format == "text"  # a file has no colours
            with written_file(output, settings) as stream:
                stream.writelines(f"{line}\n".encode(errors="backslashreplace") for line in lines)
    if not reader.found:
        click.get_current_context().exit(NOTHING)


def _agents(summary: SessionSummary, agent: str | None) -> list[str]:
    known = [each.agent_id for each in summary.agents]
    if agent is not None and agent not in known:
        message = f"session {summary.info.session_id} has no agent {agent}: it has {', '.join(known) or 'none'}"
        raise misuse(message)
    return known if agent is None else [agent]


class _Reader:
    """The messages of a session, counted.

    Attributes:
        found: How many there were so far.
    """

    def __init__(self, store: SessionStore, session_id: str, *, limit: int | None, offset: int) -> None:
        self._store = store
        self._session_id = session_id
        self._limit = limit
        self._offset = offset
        self.found = 0

    def messages(self, agent_id: str) -> Iterator[StoredMessage]:
        """Yield the messages of an agent."""
        from strands_sqlite_session_manager.catalog._contents import iterate_messages  # noqa: PLC0415 - as the store does

        database = self._store._database  # noqa: SLF001 - only here a conversation is longer than memory
        for message in iterate_messages(database, self._session_id, agent_id, limit=self._limit, offset=self._offset):
            self.found += 1
            yield message


def _lines(  # noqa: PLR0913 - what to show, and how
    settings: Settings,
    summary: SessionSummary,
    agents: list[str],
    reader: _Reader,
    asked: dict[str, Any],
    *,
    html: bool,
) -> Iterator[str]:
    parts = ((agent, reader.messages(agent)) for agent in agents)
    if html:
        from ._html import page  # noqa: PLC0415 - a terminal has no use for it

        return page(summary, parts, agents)
    if settings.format == "json":
        return _document(summary, parts)
    if settings.format == "jsonl":
        return (to_json({"version": VERSION, **fields(each)}) for _, messages in parts for each in messages)
    columns = min(width(), WIDTH) if asked["columns"] is None else asked["columns"]
    return _text(settings, summary, parts, columns, full=asked["full"])


def _document(summary: SessionSummary, parts: Iterator[tuple[str, Iterator[StoredMessage]]]) -> Iterator[str]:
    """Yield a JSON document message by message: a long session need not fit into memory."""
    yield f'{{"version": {VERSION}, "session": {to_json(summary)}, "messages": ['
    before = ""
    for _, messages in parts:
        for message in messages:
            yield before + to_json(message)
            before = ","
    yield "]}"


def _text(
    settings: Settings,
    summary: SessionSummary,
    parts: Iterator[tuple[str, Iterator[StoredMessage]]],
    columns: int,
    *,
    full: bool,
) -> Iterator[str]:
    yield from header(settings, summary, columns)
    for agent, messages in parts:
        if len(summary.agents) > 1:
            yield ""
            yield styled(f"── {one_line(agent)} ──", settings, {"bold": True})
        conversation = Conversation(settings, columns, full=full)
        for message in messages:
            yield ""
            yield from conversation.lines(message)


def _show_checkpoints(
    settings: Settings, store: SessionStore, session: str, agents: list[str], asked: dict[str, Any]
) -> None:
    slices = {"limit": asked["limit"], "offset": asked["offset"]}
    found = [each for agent in agents for each in store.list_checkpoints(session, agent, **slices)]
    row = partial(_checkpoint_row, readable=is_for_people(settings))
    print_rows(settings, "checkpoints", found, _CHECKPOINTS, row)
    if not found:
        click.get_current_context().exit(NOTHING)


def _checkpoint_row(checkpoint: Checkpoint, *, readable: bool) -> tuple[str, ...]:
    return (
        str(checkpoint.message_id),
        checkpoint.agent_id,
        checkpoint.role,
        minute(checkpoint.created_at) if readable else checkpoint.created_at,
        "yes" if checkpoint.complete else "no",
        checkpoint.preview,
    )

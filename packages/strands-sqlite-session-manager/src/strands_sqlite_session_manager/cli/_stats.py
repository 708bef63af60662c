"""`stats`: what takes how much space, in the file or in one session."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

import click

from ._output import BOLD, Column, facts, fields, print_answer, styled, table
from ._settings import Settings, command
from ._types import SESSION
from ._values import milliseconds, minute, number, size

if TYPE_CHECKING:
    from strands_sqlite_session_manager.catalog import SessionSummary
    from strands_sqlite_session_manager.maintenance import Stats

_LARGEST = (Column("SESSION", flexible=True, style=BOLD), Column("MESSAGES", right=True), Column("SIZE", right=True))
_TABLES = (Column("TABLE"), Column("SIZE", right=True))
_AGENTS = (
    Column("AGENT", flexible=True, style=BOLD),
    Column("MESSAGES", right=True),
    Column("CALLS", right=True),
    Column("TOKENS IN", right=True),
    Column("OUT", right=True),
    Column("LATENCY", right=True),
    Column("SIZE", right=True),
)


@command("stats")
@click.argument("session", type=SESSION, required=False)
@click.option("--top", type=click.IntRange(0), default=10, show_default=True, help="So many of the largest.")
def stats(settings: Settings, session: str | None, *, top: int) -> None:
    """Tell what takes how much space, in all or in one session."""
    with settings.reading() as store:
        if session is None:
            found = store.stats(top=top)
            print_answer(settings, {"stats": fields(found)}, _file_lines(settings, found, top))
        else:
            summary = store.summarize_session(session)
            print_answer(settings, {"session": fields(summary)}, _session_lines(settings, summary))


def _file_lines(settings: Settings, found: Stats, top: int) -> Iterator[str]:
    yield from facts(
        settings,
        (
            ("file", found.path),
            ("size", size(found.bytes)),
            ("WAL", size(found.wal_bytes)),
            ("pages", f"{found.pages:,} of {found.page_size:,} bytes, {found.free_pages:,} free"),
            ("sessions", number(found.sessions)),
            ("agents", number(found.agents)),
            ("messages", f"{found.messages:,} ({found.unindexed_messages:,} not indexed yet)"),
            ("graphs and swarms", number(found.multi_agents)),
            ("attachments", f"{found.attachments:,} ({size(found.attachment_bytes)})"),
            ("objects", f"{found.objects:,} ({size(found.object_bytes)})"),
        ),
    )
    largest = [(each.session_id, number(each.messages), size(each.bytes)) for each in found.largest]
    yield from _part(settings, "Largest sessions", _LARGEST, largest)
    yield from _part(settings, "Tables", _TABLES, [(each.name, size(each.bytes)) for each in found.tables[:top]])


def _part(settings: Settings, title: str, columns: tuple[Column, ...], rows: Sequence[Sequence[str]]) -> Iterator[str]:
    if rows:
        yield ""
        yield styled(title, settings, BOLD)
        yield from table(settings, columns, rows)


def _session_lines(settings: Settings, summary: SessionSummary) -> Iterator[str]:
    info = summary.info
    yield from facts(
        settings,
        (
            ("session", info.session_id),
            ("title", info.title or ""),
            ("tags", ", ".join(info.tags)),
            *((f"metadata {key}", str(value)) for key, value in info.metadata.items()),
            ("created", minute(info.created_at)),
            ("last activity", minute(info.last_activity)),
            ("messages", number(info.messages)),
            ("graphs and swarms", ", ".join(info.multi_agents)),
            ("size", size(summary.bytes)),
        ),
    )
    rows = [
        (
            agent.agent_id,
            number(agent.messages),
            number(agent.tool_calls),
            number(agent.input_tokens),
            number(agent.output_tokens),
            milliseconds(agent.latency_ms),
            size(agent.bytes),
        )
        for agent in summary.agents
    ]
    yield from _part(settings, "Agents", _AGENTS, rows)

"""`list` and `search`: which sessions there are, and what was said in them."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING, Any

import click

from ._output import BOLD, DIM, WIDTH, Column, is_for_people, is_terminal, print_rows, styled, width, write
from ._progress import progress
from ._settings import NOTHING, Settings, command, refusing
from ._text import one_line, wrap
from ._types import MOMENT, PAIR, SESSION
from ._values import minute, number

if TYPE_CHECKING:
    from strands_sqlite_session_manager.catalog import SessionFilter, SessionInfo
    from strands_sqlite_session_manager.message_search import SearchHit
    from strands_sqlite_session_manager.store import SessionStore

_PAGE = 500

_MANY = 10_000
"""From so many messages that are not indexed a search tells how to index them."""

_SESSIONS = (
    Column("SESSION", style=BOLD),
    Column("LAST ACTIVITY", style=DIM),
    Column("MESSAGES", right=True),
    Column("AGENTS", flexible=True, gives=9),
    Column("TAGS", flexible=True, gives=9, style={"fg": "cyan"}),
    Column("TITLE", flexible=True),
)


@command("list")
@click.option("--since", type=MOMENT, help="Active at or after this time: 2026-11-22, 2026-11-22T14:00, or 2d ago.")
@click.option("--until", type=MOMENT, help="Active at or before this time.")
@click.option("--title", help="Part of the title, without regard to case.")
@click.option("--tag", "tags", multiple=True, help="With this tag; several: with all of them.")
@click.option("--metadata", type=PAIR, multiple=True, metavar="KEY=VALUE", help="With this noted about the session.")
@click.option("--agent", help="With an agent of this id.")
@click.option("--sort", type=click.Choice(["activity", "created", "id"]), default="activity", show_default=True)
@click.option("--descending/--ascending", default=None, help="Newest first and ids from a to z, unless told.")
@click.option("--limit", type=click.IntRange(1), default=50, show_default=True, help="At most so many.")
@click.option("--after", metavar="CURSOR", help="Go on behind a page: the `after` that it ended with.")
@click.option("--all", "everything", is_flag=True, help="All of them, whatever --limit says.")
def list_sessions(settings: Settings, *, everything: bool, limit: int, after: str | None, **asked: Any) -> None:
    """List sessions, the latest activity first."""
    where = _where(asked)
    order = {"sort": asked["sort"], "descending": asked["descending"]}
    with settings.reading() as store, refusing():
        if everything:
            sessions: Any = _all(store, where, order, after)
            following = None
            first = next(sessions, None)
            sessions = () if first is None else _chain(first, sessions)
        else:
            page = store.list_sessions(where, limit=limit, after=after, **order)
            sessions, following = page.sessions, page.after
            first = sessions[0] if sessions else None
        row = partial(_session_row, readable=is_for_people(settings))
        print_rows(settings, "sessions", sessions, _SESSIONS, row, more={"after": following})
    if first is None:
        _say_nothing(settings, "no sessions")
    if following is not None and settings.format == "text" and is_terminal():
        click.echo(f"more: --after {following}, or --all", err=True)


def _where(asked: dict[str, Any]) -> SessionFilter:
    from strands_sqlite_session_manager.catalog import SessionFilter  # noqa: PLC0415 - --help has no use for it

    return SessionFilter(
        active_since=asked["since"],
        active_until=asked["until"],
        title=asked["title"],
        tags=asked["tags"],
        metadata=dict(asked["metadata"]),
        agent_id=asked["agent"],
    )


def _all(store: SessionStore, where: SessionFilter, order: dict[str, Any], after: str | None) -> Iterator[SessionInfo]:
    """Yield sessions page by page."""
    while True:
        page = store.list_sessions(where, limit=_PAGE, after=after, **order)
        yield from page.sessions
        after = page.after
        if after is None:
            return


def _chain(first: SessionInfo, others: Iterator[SessionInfo]) -> Iterator[SessionInfo]:
    yield first
    yield from others


def _session_row(session: SessionInfo, *, readable: bool) -> tuple[str, ...]:
    return (
        session.session_id,
        minute(session.last_activity) if readable else session.last_activity,
        number(session.messages) if readable else str(session.messages),
        ", ".join((*session.agents, *session.multi_agents)),
        ", ".join(session.tags),
        session.title or session.preview,
    )


def _say_nothing(settings: Settings, what: str) -> None:
    """Say that nothing was found, where people read it, and end the command."""
    if settings.format == "text":
        click.echo(what, err=True)
    click.get_current_context().exit(NOTHING)


@command("search")
@click.argument("words", nargs=-1, required=True)
@click.option("--session", type=SESSION, help="In this session.")
@click.option("--agent", help="By or to the agent of this id.")
@click.option("--role", type=click.Choice(["user", "assistant"]), help="Said in this role.")
@click.option("--since", type=MOMENT, help="Said at or after this time: 2026-11-22, 2026-11-22T14:00, or 2d ago.")
@click.option("--until", type=MOMENT, help="Said at or before this time.")
@click.option("--order", type=click.Choice(["relevance", "newest"]), default="relevance", show_default=True)
@click.option("--limit", type=click.IntRange(1), default=20, show_default=True, help="At most so many.")
@click.option("--offset", type=click.IntRange(0), default=0, help="Leave out so many.")
@click.option("--index", is_flag=True, help="Keep in the file what has to be indexed first, for the next search.")
def search(settings: Settings, words: tuple[str, ...], **asked: Any) -> None:
    """Find what was said.

    All words must occur in a message, each from its beginning. Nothing in them is syntax.

    What was written since the last search with --index is indexed in memory, each time anew.
    """
    hits = _hits(settings, " ".join(words), asked)
    if settings.format == "text" and is_for_people(settings):
        write(_excerpts(settings, hits))
    else:
        columns = tuple(map(Column, ("SESSION", "AGENT", "MESSAGE", "ROLE", "TIME", "TEXT")))
        print_rows(settings, "hits", hits, columns, _hit_row)
    if not hits:
        _say_nothing(settings, "nothing found")


def _hits(settings: Settings, query: str, asked: dict[str, Any]) -> list[SearchHit]:
    from strands_sqlite_session_manager.message_search import MessageFilter  # noqa: PLC0415 - --help has no use for it

    where = MessageFilter(
        session_id=asked["session"],
        agent_id=asked["agent"],
        role=asked["role"],
        since=asked["since"],
        until=asked["until"],
    )
    found = {"order": asked["order"], "limit": asked["limit"], "offset": asked["offset"]}
    behind = 0
    opened = settings.writing() if asked["index"] else settings.reading()
    with opened as store, progress(settings, "indexing") as update, refusing():

        def look(done: int, total: int) -> None:
            nonlocal behind
            behind = max(behind, total)
            if update is not None:
                update(done, total)

        hits = store.search_messages(query, where, progress=look, **found)
    if behind > _MANY and not asked["index"]:
        click.echo(f"{behind:,} messages are not indexed: with --index the next search need not read them", err=True)
    return hits


def _hit_row(hit: SearchHit) -> tuple[str, ...]:
    return hit.session_id, hit.agent_id, str(hit.message_id), hit.role, hit.created_at, hit.snippet


def _excerpts(settings: Settings, hits: list[SearchHit]) -> Iterator[str]:
    """Yield two or more lines for each hit: where it stands, and what it says."""
    for position, hit in enumerate(hits):
        if position:
            yield ""
        place = one_line(f"{hit.session_id}  {hit.agent_id} #{hit.message_id}")
        time = one_line(minute(hit.created_at))
        yield f"{styled(place, settings, BOLD)}  {one_line(hit.role)}  {styled(time, settings, DIM)}"
        yield from (f"  {line}" for line in _marked(settings, hit))


def _marked(settings: Settings, hit: SearchHit) -> Iterator[str]:
    """Yield the snippet in lines, with the words that were found in bold."""
    marks = {place for start, stop in hit.highlights for place in range(start, stop)}
    place = 0
    text = "".join(" " if character in "\n\t\r" else character for character in hit.snippet)
    for line in wrap(text, min(width(), WIDTH) - 2):
        place = max(text.find(line[:1], place), place) if line else place
        yield "".join(_runs(settings, line, place, marks))
        place += len(line)


def _runs(settings: Settings, line: str, place: int, marks: set[int]) -> Iterator[str]:
    start = 0
    for position in range(1, len(line) + 1):
        marked = place + start in marks
        if position == len(line) or (place + position in marks) != marked:
            yield styled(line[start:position], settings, {"bold": True, "fg": "yellow"} if marked else None)
            start = position

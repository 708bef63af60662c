"""`title` and `tag`: what people note about a session."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import click

from ._output import facts, fields, print_answer
from ._settings import NOTHING, Settings, command, misuse, refusing
from ._text import one_line
from ._types import PAIR, SESSION

if TYPE_CHECKING:
    from strands_sqlite_session_manager.catalog import SessionInfo
    from strands_sqlite_session_manager.store import SessionStore


@command("title")
@click.argument("session", type=SESSION)
@click.argument("title", required=False)
@click.option("--clear", is_flag=True, help="Take the title away.")
def title(settings: Settings, session: str, title: str | None, *, clear: bool) -> None:
    """Give a session a title, or print the one that it has."""
    if clear and title is not None:
        message = "--clear excludes a title"
        raise misuse(message)
    changes = clear or title is not None
    with settings.writing() if changes else settings.reading() as store, refusing():
        if changes:
            store.set_title(session, title)
        info = store.summarize_session(session).info
    print_answer(settings, _labels(info), () if info.title is None else (one_line(info.title),))
    if info.title is None and not changes:
        click.get_current_context().exit(NOTHING)


@command("tag")
@click.argument("session", type=SESSION)
@click.argument("tags", nargs=-1)
@click.option("--remove", "-r", is_flag=True, help="Take these tags away instead.")
@click.option("--set", "noted", type=PAIR, multiple=True, metavar="KEY=VALUE", help="Note a value, JSON or text.")
@click.option("--unset", multiple=True, metavar="KEY", help="Take a noted value away.")
def tag(settings: Settings, session: str, **asked: Any) -> None:
    """Tag a session, note values, and print them."""
    changes = any(asked[name] for name in ("tags", "noted", "unset"))
    with settings.writing() if changes else settings.reading() as store, refusing():
        if changes:
            _change(store, session, asked)
        info = store.summarize_session(session).info
    pairs = [("tag", each) for each in info.tags] + [(f"{key} =", str(value)) for key, value in info.metadata.items()]
    print_answer(settings, _labels(info), facts(settings, pairs))
    if not pairs and not changes:
        click.get_current_context().exit(NOTHING)


def _change(store: SessionStore, session: str, asked: dict[str, Any]) -> None:
    """Change all that was asked for, or nothing."""
    from strands_sqlite_session_manager.catalog._notes import change_labels  # noqa: PLC0415 - --help has no use for it

    values = {**dict(asked["noted"]), **dict.fromkeys(asked["unset"])}
    tags = {"remove" if asked["remove"] else "add": asked["tags"]}
    change_labels(store._database, session, values=values, **tags)  # noqa: SLF001 - the store has them one by one


def _labels(info: SessionInfo) -> dict[str, Any]:
    return {"session": fields(info)}

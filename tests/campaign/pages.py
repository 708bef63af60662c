"""A database with pages of every kind, and what one flipped bit in one of them does."""

from __future__ import annotations

import asyncio
import random
from collections import defaultdict
from contextlib import closing
from pathlib import Path
from typing import Any, NamedTuple

import apsw

from strands_sqlite_session_manager import SessionStore, SQLiteSessionError, SQLiteSessionManager, SQLiteStorage
from tests.campaign.workloads import Log, Nobody, objects, some_message

_TREES = "SELECT name, pageno, pagetype FROM dbstat"
_TABLES = "SELECT name FROM sqlite_schema WHERE type = 'table' AND rootpage > 0"
_KINDS = {2: "interior of an index", 5: "interior of a table", 10: "leaf of an index", 13: "leaf of a table"}
_DERIVED = ("message_index", "search_index")


class Page(NamedTuple):
    """A page, and where in the file it begins and ends."""

    kind: str
    start: int
    end: int


def fill(db: Path) -> None:
    """Make a database with long conversations, attachments, objects, searches, and free pages."""
    nobody = Nobody()
    objects(nobody, db, "normal", random.Random(1))
    with SQLiteSessionManager("many", db, durability="normal") as manager, SessionStore(manager) as store:
        chance, deleted = random.Random(2), []
        long = Log(nobody, manager, "long")
        for number in range(40):
            long.append(some_message(chance))
            long.change_state({"turn": number})
        long.append({"role": "user", "content": [{"text": "word " * 20_000}]})
        for number in range(60):
            log = Log(nobody, manager, f"session number {number}, whose name takes {'much ' * 100}space")
            log.append(some_message(chance))
            if number % 3 == 0:
                log.append({"role": "user", "content": [{"text": "gone " * 3000}]})
                deleted.append(log)
        store.set_title("many", "a title")
        store.add_tags("many", "a tag")
        store.search_messages("word")
        for log in deleted:
            log.delete()
        store.list_sessions()
        store.search_messages("word")


def pages_of(db: Path) -> dict[str, list[Page]]:
    """Return the pages of a file that nobody has open, by kind."""
    content = db.read_bytes()
    found: dict[str, list[Page]] = defaultdict(list)
    with closing(apsw.Connection(str(db))) as connection:
        size = connection.pragma("page_size")
        trees = {number: (name, kind) for name, number, kind in connection.execute(_TREES)}
    found["header of the file"].append(Page("header of the file", 0, 100))
    for number in range(1, len(content) // size + 1):
        start = (number - 1) * size
        name, kind = trees.get(number, ("", "free"))
        first = start + 100 if number == 1 else start
        kind = {"free": "free page", "overflow": "overflow"}.get(kind) or _KINDS[content[first]]
        if name.startswith(_DERIVED):
            kind = f"search index, {kind}"
        found[kind].append(Page(kind, first, start + size))
    return dict(found)


def dump(db: Path) -> dict[tuple[str, Any], tuple[Any, ...]]:
    """Return every row of a file as text in SQL, by table and place."""
    found: dict[tuple[str, Any], tuple[Any, ...]] = {}
    with closing(apsw.Connection(str(db))) as connection:
        for (table,) in connection.execute(_TABLES).fetchall():
            columns = [row[1] for row in connection.execute(f'PRAGMA table_info("{table}")')]
            quoted = ", ".join(f'CAST(quote("{column}") AS BLOB)' for column in columns)
            for place, row in enumerate(connection.execute(f'SELECT {quoted} FROM "{table}"')):
                found[str(table), place] = tuple(zip(columns, row, strict=True))
    return found


def changed_columns(before: dict[Any, Any], after: dict[Any, Any]) -> set[str]:
    """Return the columns in which two dumps differ."""
    names = set()
    for table, place in before.keys() | after.keys():
        rows = [rows.get((table, place), ()) for rows in (before, after)]
        if rows[0] != rows[1]:
            columns = {name for name, value in set(rows[0]) ^ set(rows[1])}
            names |= {f"{table}.{name}" for name in columns}
    return names


async def _read_all(storage: SQLiteStorage) -> None:
    for key in await storage.list(""):
        await storage.read(key)


def outcome(db: Path, original: dict[Any, Any]) -> tuple[str, set[str]]:
    """Return what is said of a damaged file, and which columns read otherwise without anything being said."""
    try:
        with SessionStore(db, durability="normal") as store, SQLiteStorage(store) as storage:
            findings = store.verify()
            if findings:
                return f"verify: {findings[0].kind}", set()
            for session in store.list_sessions(limit=1000).sessions:
                for agent in store.summarize_session(session.session_id).agents:
                    store.read_messages(session.session_id, agent.agent_id)
            asyncio.run(_read_all(storage))
        changed = changed_columns(original, dump(db))
    except (SQLiteSessionError, apsw.Error) as error:
        return f"error: {type(error).__name__}", set()
    return ("silent" if changed else "harmless"), changed

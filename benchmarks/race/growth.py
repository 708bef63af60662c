"""The rows about size: attachments, snapshots after each turn, and a file of very many sessions."""

from __future__ import annotations

import uuid
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from dataclasses import replace
from functools import partial
from pathlib import Path
from random import Random
from shutil import copytree, rmtree

import apsw

from benchmarks import material, stores
from benchmarks.goals import MIB
from benchmarks.measure import Series, Subject, interleave, timed
from benchmarks.race.contest import Contestant, Store, place_name
from benchmarks.race.rows import Race, Row, batch, check, rounds
from benchmarks.snapshots import begin

STORAGE = "ours, SQLiteStorage"
LOCAL = stores.LOCAL
MESSAGES = 100
IMAGE = 1 * MIB

_STORAGES = {STORAGE: stores.OURS, LOCAL: stores.LOCAL}
_KEYS = ("thread_id", "session_id", "id")
_TABLES = (
    "SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite_%' AND sql NOT LIKE '%VIRTUAL%'"
)
_COLUMNS = "SELECT name, pk, type FROM pragma_table_info(?)"


def images(race: Race) -> Iterator[Row]:
    """Measure a message with an image of 1 MiB, each in a new conversation, and the bytes that files grow by."""
    growth, before, folder = [], [], race.folder / "image"
    for contestant in race.entered("image-bytes"):
        with contestant.open(folder) as store:
            store.log("first")
        before.append((contestant, _bytes_in(contestant.place(folder))))
    with ExitStack() as stack:
        subjects = []
        for contestant, store in race.stores(stack, "image"):
            subjects.append(Subject(contestant.name, partial(_paint, store), rounds=rounds(contestant)))
        series = interleave(subjects, race.sizes.image_rounds, race.sizes.between)
    counts = {each.name: len(each.rounds) for each in series}
    for contestant, size in before:
        grown = (_bytes_in(contestant.place(folder)) - size) / counts[contestant.name]
        growth.append(Series(contestant.name, ((grown,),)))
    yield race.row("image", "store a message with an image of 1 MiB", "seconds", series)
    title = "bytes of file for one such message, the store closed"
    yield race.row("image-bytes", title, "bytes", growth)


def _paint(store: Store) -> float:
    log = store.log(str(uuid.uuid4()))
    seconds = timed(log.storing(material.image_message(IMAGE)))
    check(log, 1)
    return seconds


def _bytes_in(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def snapshots(race: Race) -> Iterator[Row]:
    """Measure the bytes that many turns leave behind, and what a turn costs after them."""
    turns = race.sizes.snapshot_turns
    cycles = turns // len(material.TURN_SIZES)
    folder = race.folder / "snapshot-bytes"
    with ExitStack() as stack:
        players: dict[str, Callable[[], float]] = {
            name: begin(stores.opened(stack, known, folder / place_name(name), "full"), 0).cycle
            for name, known in _STORAGES.items()
        }
        logs = [(contestant.name, store.log("session")) for contestant, store in race.stores(stack, "snapshot-bytes")]
        players |= {name: log.cycle for name, log in logs}
        for play in players.values():
            for _ in range(cycles):
                play()
        subjects = [Subject(name, play) for name, play in players.items()]
        series = interleave(subjects, race.sizes.turn_rounds, race.sizes.between)
        for _, log in logs:
            check(log, (cycles + race.sizes.turn_rounds) * sum(material.TURN_SIZES))
    weights = [Series(name, ((_bytes_in(folder / place_name(name)),),)) for name in players]
    weighed = turns + race.sizes.turn_rounds * len(material.TURN_SIZES)
    note = (
        f"{STORAGE}, at full, and {LOCAL} are driven by the SDK's SnapshotSessionManager, with NullConversationManager"
        " and a snapshot that stays after each turn, beside the latest: each holds the whole conversation (by default"
        " there is the latest alone, with 40 messages)"
    )
    bytes_title = f"bytes of file after {_turns(weighed)}, the store closed"
    time_title = f"what one turn asks of the store after {_turns(turns)}"
    yield _with_storages(race.row("snapshot-bytes", bytes_title, "bytes", weights, note))
    yield _with_storages(race.row("snapshot-turn", time_title, "seconds", series, note))


def _turns(number: int) -> str:
    return f"{number} turns ({number // len(material.TURN_SIZES) * sum(material.TURN_SIZES)} messages)"


def _with_storages(row: Row) -> Row:
    row.differs[STORAGE] = "a checkpoint after each turn, in parts that are stored once"
    row.differs[LOCAL] = "a checkpoint after each turn, in a file of its own; no fsync"
    return row


def scale(race: Race) -> Iterator[Row]:
    """Measure appends to, and reads of, one of very many sessions."""
    kept, sessions = replace(race, folder=race.run.kept), race.sizes.sessions
    weights = [_built(each, kept.folder / "scale-append", sessions) for each in race.entered("scale-append")]
    shuffled = Random(0).sample(range(1, sessions), sessions - 1)  # noqa: S311 - not a secret
    checked, *untouched = shuffled[race.run.number :: race.run.of]
    number = min(10, len(untouched) // (2 * race.sizes.scale_rounds))
    with ExitStack() as stack:
        appends, reads = [], []
        for contestant, store in kept.stores(stack, "scale-append"):
            check(store.log(_session(checked), MESSAGES), MESSAGES)
            ids = map(_session, untouched)
            length = batch(contestant, number)
            appends.append(Subject(contestant.name, partial(_append, store, ids), length, rounds(contestant)))
            reads.append(Subject(contestant.name, partial(_read, store, ids), length, rounds(contestant)))
        appended = interleave(appends, race.sizes.scale_rounds, race.sizes.between)
        read = interleave(reads, race.sizes.scale_rounds, race.sizes.between)
    many = f"{sessions:,} sessions of {MESSAGES} messages"
    note = "every operation goes to a session that no other has touched; what opening it costs is not counted"
    yield race.row("scale-append", f"append to one of {many}", "seconds", appended, note)
    yield race.row("scale-restore", f"read one of {many}", "seconds", read, note)
    yield race.row("scale-bytes", f"bytes of file for {many}", "bytes", weights)


def _append(store: Store, ids: Iterator[str]) -> float:
    return timed(store.log(next(ids), MESSAGES).storing(material.text_message(0)))


def _read(store: Store, ids: Iterator[str]) -> float:
    log = store.log(next(ids), MESSAGES)
    return timed(log.read)


def _session(number: int) -> str:
    return str(uuid.uuid5(uuid.NAMESPACE_URL, str(number)))


def _built(contestant: Contestant, folder: Path, sessions: int) -> Series:
    """Return the bytes of a contestant's files with so many sessions, and make them if no run before has."""
    place = contestant.place(folder)
    if not place.exists():
        unfinished = folder / "unfinished"
        rmtree(unfinished, ignore_errors=True)
        _build(contestant, unfinished, sessions)
        contestant.place(unfinished).rename(place)
    return Series(contestant.name, ((_bytes_in(place),),))


def _build(contestant: Contestant, folder: Path, sessions: int) -> None:
    """Let the contestant write one session, and copy it under other ids."""
    template, place = _session(0), contestant.place(folder)
    with contestant.open(folder) as store:
        store.log(template).fill([material.text_message(number) for number in range(MESSAGES)])
    copies = [_session(number) for number in range(1, sessions)]
    path = place / "race.db"
    if path.exists():
        _copy_rows(path, template, copies)
    else:
        for copy in copies:
            copytree(place / f"session_{template}", place / f"session_{copy}")


def _copy_rows(path: Path, template: str, copies: list[str]) -> None:
    """Copy every row of the session `template`, whatever the tables are; the file has no journal meanwhile."""
    with closing(apsw.Connection(str(path))) as connection:
        journal = connection.pragma("journal_mode")
        connection.pragma("journal_mode", "off")
        connection.pragma("synchronous", "off")
        with connection:
            for (table,) in list(connection.execute(_TABLES)):
                _copy_table(connection, str(table), template, copies)
        connection.pragma("journal_mode", journal)


def _copy_table(connection: apsw.Connection, table: str, template: str, copies: list[str]) -> None:
    columns = {
        str(name)
        for name, pk, kind in connection.execute(_COLUMNS, (table,))
        if not (pk == 1 and kind == "INTEGER")  # SQLite gives it out itself
    }
    for key in _KEYS:
        if key in columns and _holds(connection, table, key, template):
            _copy_of_one(connection, table, key, sorted(columns - {key}), template, copies)
            return


def _copy_of_one(  # noqa: PLR0913, PLR0917 - a table, and what is to become of it
    connection: apsw.Connection, table: str, key: str, others: list[str], template: str, copies: list[str]
) -> None:
    """Copy rows out of a table of their own: not every contestant has an index to find them by."""
    names = ", ".join(f'"{name}"' for name in others)
    rows = f'SELECT {names} FROM "{table}" WHERE "{key}" = ?'  # noqa: S608 - names from the schema itself
    connection.execute(f"CREATE TEMP TABLE template AS {rows}", (template,))
    connection.executemany(
        f'INSERT INTO main."{table}" ("{key}", {names}) SELECT ?, {names} FROM temp.template',  # noqa: S608 - as above
        ((copy,) for copy in copies),
    )
    connection.execute("DROP TABLE temp.template")


def _holds(connection: apsw.Connection, table: str, key: str, template: str) -> bool:
    rows = connection.execute(f'SELECT 1 FROM "{table}" WHERE "{key}" = ? LIMIT 1', (template,))  # noqa: S608 - as above
    return bool(list(rows))

"""Files made by somebody who wants code to run: none does, and nothing outside of the file is read or written."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import apsw
from hypothesis import example, given
from hypothesis import strategies as st

from strands_sqlite_session_manager import SessionStore

from .folders import new_folder
from .fuzzing import tries
from .hostile import refusal
from .test_fuzz_edited_database import good, with_reader, with_writer

TABLES = [
    "sessions",
    "agents",
    "messages",
    "agent_state_history",
    "blobs",
    "session_tags",
    "objects",
    "deletions",
    "watermarks",
]
CALLS = [
    "writefile('{outside}', 'x')",
    "readfile('{outside}')",
    "edit('x')",
    "load_extension('{outside}')",
    "fts3_tokenizer('simple', x'4141414141414141')",
    "system('touch {outside}')",
]
"""What an attacker would like to have called; some shells and programs have such functions."""

_REPLACED_BY_VIEW = (
    "ALTER TABLE {table} RENAME TO own_{table}; CREATE VIEW {table} AS SELECT * FROM own_{table} WHERE {call} IS NOT 7;"
)
_FTS = "CREATE VIRTUAL TABLE evil USING fts5(a, content='{table}');"
ATTACKS = [
    "CREATE TRIGGER evil BEFORE INSERT ON {table} BEGIN SELECT {call}; END",
    "CREATE TRIGGER evil AFTER INSERT ON {table} WHEN {call} IS NOT 7 BEGIN SELECT 1; END",
    "CREATE TRIGGER evil AFTER UPDATE ON {table} BEGIN UPDATE {table} SET rowid = rowid WHERE {call}; END",
    "CREATE TRIGGER evil BEFORE DELETE ON {table} BEGIN SELECT {call}; END",
    _REPLACED_BY_VIEW,
    f"{_REPLACED_BY_VIEW} CREATE TRIGGER evil INSTEAD OF INSERT ON {{table}} BEGIN SELECT {{call}}; END",
    f"{_REPLACED_BY_VIEW} CREATE TRIGGER evil INSTEAD OF DELETE ON {{table}} BEGIN SELECT {{call}}; END",
    "ALTER TABLE {table} ADD COLUMN evil GENERATED ALWAYS AS ({call}) VIRTUAL",
    "ALTER TABLE {table} ADD COLUMN evil CHECK ({call} IS NOT 7)",
    "CREATE INDEX evil ON {table} ({call})",
    "CREATE INDEX evil ON {table} (1) WHERE {call}",
    "CREATE VIEW evil AS SELECT {call}; CREATE TRIGGER e2 AFTER INSERT ON {table} BEGIN SELECT * FROM evil; END",
    *(
        f"CREATE TRIGGER evil AFTER INSERT ON {{table}} BEGIN {statement}; END"
        for statement in (
            "INSERT INTO message_index (message_index) VALUES ('rebuild')",
            "INSERT INTO search_index (search_index) VALUES ('delete-all')",
            "DELETE FROM message_index_data",
            "UPDATE sqlite_schema SET sql = ''",
            "UPDATE sqlite_dbpage SET data = x''",
            "INSERT INTO {table} SELECT * FROM {table} WHERE rowid = new.rowid",
        )
    ),
    f"{_FTS} CREATE TRIGGER e2 AFTER INSERT ON {{table}} BEGIN INSERT INTO evil (evil) VALUES ('rebuild'); END",
]


@contextmanager
def canaries(calls: list[str]) -> Iterator[None]:
    """Give every connection that is opened in the block the functions that an attacker would like to call."""

    def add(connection: apsw.Connection) -> None:
        for name in ("writefile", "readfile", "edit", "system"):
            connection.create_scalar_function(name, _noting(calls, name), -1, deterministic=True)

    apsw.connection_hooks.append(add)
    try:
        yield
    finally:
        apsw.connection_hooks.remove(add)


def _noting(calls: list[str], name: str) -> Callable[..., None]:
    return lambda *_arguments: calls.append(name)


def attack(path: Path, statements: list[str]) -> int:
    """Put statements into the file, as somebody does whose own program has all functions; return how many it took."""
    taken = 0
    with canaries([]):
        connection = apsw.Connection(str(path))
    connection.execute("PRAGMA trusted_schema = ON; PRAGMA foreign_keys = OFF; PRAGMA legacy_alter_table = ON")
    connection.enable_load_extension(True)
    for statement in statements:
        try:
            connection.execute(statement)
            taken += 1
        except apsw.Error:  # such an index cannot be made of this table, or the name is taken
            continue
    connection.close()
    return taken


STATEMENTS = st.builds(
    lambda attack, table, call: attack.format(table=table, call=call, outside="{outside}"),
    st.sampled_from(ATTACKS),
    st.sampled_from(TABLES),
    st.sampled_from(CALLS),
)


@tries(25)
@given(statements=st.lists(STATEMENTS, min_size=1, max_size=3))
@example(statements=["CREATE TRIGGER evil BEFORE INSERT ON messages BEGIN SELECT load_extension('x'); END"])
@example(statements=["ALTER TABLE sessions ADD COLUMN evil CHECK (readfile('x') IS NOT 7)"])  # a backup checks its copy
def test_no_code_of_a_file_runs(tried: Counter[str], statements: list[str]) -> None:
    """Triggers, views, generated columns, checks and indexes that call functions: answered without, or refused by name.

    None of the functions is called, and nothing is there afterwards that was not there before but SQLite's own files.
    """
    tried["attackers' schemas"] += 1
    calls: list[str] = []
    with new_folder() as folder:
        path, outside = Path(folder, "good.db"), Path(folder, "outside")
        shutil.copy(good(), path)
        attack(path, [statement.replace("{outside}", str(outside)) for statement in statements])
        with canaries(calls):
            with_reader(path, spares=False)
            if refusal(lambda: SessionStore(path).close()) is None:
                with_writer(path, spares=False)
        left = {each.name for each in Path(folder).iterdir() if not each.name.startswith("good.db")}
    assert calls == []
    assert left == set()


def test_the_canaries_sing() -> None:
    """Where a schema is trusted, what the files above hold is called: the test is not blind."""
    calls: list[str] = []
    with new_folder() as folder:
        path = Path(shutil.copy(good(), folder))
        statement = "CREATE TRIGGER evil BEFORE INSERT ON session_tags BEGIN SELECT writefile('x', 'y'); END"
        assert attack(path, [statement]) == 1
        with canaries(calls):
            connection = apsw.Connection(str(path))
            connection.execute("PRAGMA trusted_schema = ON")
            connection.execute("INSERT INTO session_tags VALUES ('victim', 'new')")
            connection.close()
    assert calls == ["writefile"]


@tries(25)
@given(
    flips=st.lists(st.tuples(st.floats(0, 1), st.integers(1, 255)), min_size=1, max_size=6),
    in_header=st.booleans(),
    keeps=st.sampled_from([1.0, 1.0, 0.9, 0.5, 0.01]),
)
def test_a_file_with_any_bytes_is_answered_or_refused_by_name(
    tried: Counter[str], flips: list[tuple[float, int]], *, in_header: bool, keeps: float
) -> None:
    """Flipped bytes in the header or anywhere, and files that end early: no call breaks, and none hangs."""
    tried["files with flipped bytes"] += 1
    data = bytearray(good().read_bytes())
    for place, mask in flips:
        data[int(place * ((100 if in_header else len(data)) - 1))] ^= mask
    with new_folder() as folder:
        path = Path(folder, "good.db")
        path.write_bytes(data[: int(len(data) * keeps)])
        with_reader(path, spares=False)
        if refusal(lambda: SessionStore(path).close()) is None:
            with_writer(path, spares=False)

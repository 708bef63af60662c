"""A database that is open for reading only, in a folder where its reader may not write, and after forks."""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from strands_sqlite_session_manager import SQLiteSessionManager

ENV = {name: value for name, value in os.environ.items() if not name.startswith("COVERAGE_")}

BEGIN = """
import ctypes, os, signal, sys, threading
from strands_sqlite_session_manager._standalone import stand_alone
stand_alone()
from strands_sqlite_session_manager._schema import open_for_reading
from strands_sqlite_session_manager.errors import SQLiteSessionError
signal.alarm(60)

def session_ids(connection):
    return [session_id for (session_id,) in connection.rows("SELECT session_id FROM sessions ORDER BY session_id")]
"""

READ_WHEN_ASKED = """
import tempfile
from strands_sqlite_session_manager.maintenance import back_up, verify
if os.getuid() == 0:
    os.setuid(65534)

def slow(connection):
    before = session_ids(connection)
    print("inside", flush=True)
    sys.stdin.readline()
    return before, session_ids(connection)

def copied(database):
    def wait(*_):
        print("inside", flush=True)
        sys.stdin.readline()
    with tempfile.TemporaryDirectory() as folder:
        back_up(database, os.path.join(folder, "copy.db"), progress=wait)
        return os.listdir(folder)

DO = {"ids": session_ids, "slow": slow}
OTHER = {"verify": verify, "copy": copied}
try:
    database = open_for_reading(sys.argv[1])
    for line in sys.stdin:
        try:
            other = OTHER.get(line.strip())
            found = other(database) if other else database.read(DO[line.strip()])
            print(found, flush=True)
        except SQLiteSessionError as error:
            print(type(error).__name__, error, flush=True)
    database.close()
except SQLiteSessionError as error:
    print(type(error).__name__, error, flush=True)
"""


class Reader:
    """A process of a user who may not write in the folder; it has the database open for reading only."""

    def __init__(self, path: Path) -> None:
        self._process = subprocess.Popen(
            [sys.executable, "-c", BEGIN + READ_WHEN_ASKED, str(path)],
            stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=ENV,
        )  # fmt: skip

    def ask(self, what: str) -> str:
        """Send a line; return the next line of the answer."""
        assert self._process.stdin is not None
        self._process.stdin.write(f"{what}\n")
        self._process.stdin.flush()
        return self.heard()

    def heard(self) -> str:
        """Return the next line."""
        assert self._process.stdout is not None
        return self._process.stdout.readline().rstrip("\n")

    def end(self) -> None:
        """Let it close the database and end."""
        assert self._process.communicate(timeout=60)[0] == ""
        assert self._process.returncode == 0


def write(path: Path, *session_ids: str, delete: str | None = None) -> None:
    """Add sessions, and close the file, in a folder where others may not write."""
    path.parent.chmod(0o755)
    for session_id in session_ids:
        with SQLiteSessionManager(session_id, path) as manager:
            if delete is not None:
                manager.delete_session(delete)
                delete = None
    path.parent.chmod(0o555)


@pytest.fixture
def path() -> Iterator[Path]:
    """A file with a session, closed, in a folder where nobody but root may write; the folders of pytest are closed."""
    with tempfile.TemporaryDirectory() as name:
        path = Path(name) / "sessions.db"
        SQLiteSessionManager("first", path).close()
        path.chmod(0o644)
        path.parent.chmod(0o555)
        yield path
        path.parent.chmod(0o755)


@pytest.fixture
def reader(path: Path) -> Iterator[Reader]:
    """A reader that has read once."""
    reader = Reader(path)
    assert reader.ask("ids") == "['first']"
    yield reader
    reader.end()


def test_a_copy_of_a_file_that_changed_meanwhile_is_refused(path: Path, reader: Reader) -> None:
    """Without locks the pages of a backup may be of two moments: it is not made, and the next one is."""
    assert reader.ask("copy") == "inside"
    write(path, "second", delete="first")
    assert reader.ask("go on").startswith("DatabaseBusyError")
    assert reader.ask("copy") == "inside"
    assert reader.ask("go on") == "['copy.db']"


def test_what_a_writer_left_when_it_closed_is_read(path: Path, reader: Reader) -> None:
    """A reader that opened the file while nobody wrote sees what was written since, and what was deleted."""
    write(path, "second", "third", delete="first")
    assert reader.ask("ids") == "['second', 'third']"
    assert reader.ask("verify") == "[]"
    write(path, "fourth")
    assert reader.ask("ids") == "['fourth', 'second', 'third']"


def test_what_a_writer_has_in_its_wal_is_read(path: Path, reader: Reader) -> None:
    """A reader that opened the file while nobody wrote sees what a writer commits while it has the file open."""
    path.parent.chmod(0o755)
    with SQLiteSessionManager("second", path):
        path.parent.chmod(0o555)
        assert reader.ask("ids") == "['first', 'second']"
        with SQLiteSessionManager("third", path):
            assert reader.ask("ids") == "['first', 'second', 'third']"
        path.parent.chmod(0o755)
    path.parent.chmod(0o555)
    write(path, "fourth")
    assert reader.ask("ids") == "['first', 'fourth', 'second', 'third']"


def test_a_read_during_which_the_file_changed_is_read_again(path: Path, reader: Reader) -> None:
    """Nothing of what it read before counts: everything it returns is from one instant."""
    assert reader.ask("slow") == "inside"
    write(path, "second", delete="first")
    assert reader.ask("") == "inside"
    assert reader.ask("") == "(['second'], ['second'])"


def test_a_file_that_changes_during_every_read_is_an_error_that_says_so(path: Path, reader: Reader) -> None:
    """After some attempts the reader is told, and what it can do; the next call begins anew."""
    heard = reader.ask("slow")
    for second in range(1, 20):
        if heard != "inside":
            break
        os.utime(path, (second, second))
        heard = reader.ask("")
    assert heard.startswith("DatabaseBusyError")
    assert "was changed by others during each of 5 attempts to read it | try again" in heard
    assert reader.ask("ids") == "['first']"


def test_a_file_that_is_gone_is_an_error(path: Path, reader: Reader) -> None:
    """What it held is not what the path leads to, and is not shown."""
    path.parent.chmod(0o755)
    kept = path.rename(path.with_name("kept.db"))
    path.parent.chmod(0o555)
    assert "does not exist" in reader.ask("ids")
    path.parent.chmod(0o755)
    kept.rename(path)
    path.parent.chmod(0o555)
    assert reader.ask("ids") == "['first']"


def test_files_of_a_wal_that_may_not_be_read_are_an_error(path: Path) -> None:
    """Who cannot read what a writer has written is told so, and gets nothing older in its place."""
    path.parent.chmod(0o755)
    with SQLiteSessionManager("second", path):
        path.parent.chmod(0o555)
        path.with_name("sessions.db-shm").chmod(0)
        refused = Reader(path)
        assert refused.heard().startswith("CannotOpenError")
        refused.end()
        path.with_name("sessions.db-shm").chmod(0o644)
        reader = Reader(path)
        assert reader.ask("ids") == "['first', 'second']"
        reader.end()
        path.parent.chmod(0o755)


FLIP = """
import sys
with open(sys.argv[1], "r+b") as file:
    file.seek(16)
    byte = file.read(1)
    file.seek(16)
    file.write(bytes([byte[0] ^ 255]))
"""


def test_a_writer_that_is_half_way_through_its_notes_is_waited_for(path: Path, reader: Reader) -> None:
    """What others share of a WAL may be between two states; that is no reason to be told that one cannot write."""
    path.parent.chmod(0o755)
    with SQLiteSessionManager("second", path):
        path.parent.chmod(0o555)
        assert reader.ask("ids") == "['first', 'second']"
        flip = [sys.executable, "-c", FLIP, str(path.with_name("sessions.db-shm"))]
        subprocess.run(flip, check=True)  # in another process: to close the file here would drop the writer's locks
        assert reader.ask("ids").startswith("DatabaseBusyError")
        subprocess.run(flip, check=True)
        assert reader.ask("ids") == "['first', 'second']"
        path.parent.chmod(0o755)


def test_writers_that_come_and_go_are_followed(path: Path, reader: Reader) -> None:
    """However often they open and close the file, the reader sees what was acknowledged, and no error."""
    for number in range(25):
        path.parent.chmod(0o755)
        with SQLiteSessionManager(f"second {number}", path):
            pass
        path.parent.chmod(0o555)
        assert reader.ask("ids").count("second") == number + 1


def test_a_wal_beside_the_file_that_a_link_leads_to_is_read(path: Path) -> None:
    """The WAL is beside the file, not beside the link to it."""
    with tempfile.TemporaryDirectory() as name:
        link = Path(name) / "link.db"
        link.symlink_to(path)
        link.parent.chmod(0o555)
        path.parent.chmod(0o755)
        with SQLiteSessionManager("second", path):
            path.parent.chmod(0o555)
            reader = Reader(link)
            assert reader.ask("ids") == "['first', 'second']"
            reader.end()
            path.parent.chmod(0o755)
        link.parent.chmod(0o755)


FORK_WHILE_IT_READS = """
inside = threading.Event()

def say(*words):  # whole lines, whoever else writes one
    os.write(1, (" ".join(map(str, words)) + "\\n").encode())

def slow(connection):
    inside.set()
    numbers = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n LIMIT 1000000) "
    return connection.row(numbers + "SELECT max(i) FROM n")

database = open_for_reading(sys.argv[1])
thread = threading.Thread(target=lambda: say(database.read(slow)))
thread.start()
inside.wait()
if (child := os.fork()) == 0:
    signal.alarm(30)
    say("child", database.read(session_ids))
    database.close()
    os._exit(0)
say(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
thread.join()
say("parent", database.read(session_ids))
database.close()
"""

FORK_UNTOLD = """
inside, go = threading.Event(), threading.Event()

def slow(connection):
    inside.set()
    go.wait()

database = open_for_reading(sys.argv[1])
thread = threading.Thread(target=lambda: database.read(slow))
thread.start()
inside.wait()
if (child := ctypes.PyDLL(None).fork()) == 0:
    signal.alarm(30)
    for use in (lambda: database.read(session_ids), database.require_open, database.close):
        try:
            use()
        except SQLiteSessionError as error:
            os.write(1, f"child {type(error).__name__}\\n".encode())
    os._exit(0)
print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
go.set()
thread.join()
print("parent", database.read(session_ids), flush=True)
database.close()
"""


def ran(code: str, path: Path) -> list[str]:
    """Run code on the file; return the lines it printed."""
    command = [sys.executable, "-c", BEGIN + code, str(path)]
    return subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, env=ENV).stdout.splitlines()


def test_a_fork_while_it_reads_waits_and_both_read_on(tmp_path: Path) -> None:
    """Neither hangs: the child has a lock and a connection of its own; files made to read are gone at the end."""
    path = tmp_path / "sessions.db"
    SQLiteSessionManager("s", path).close()
    found = ran(FORK_WHILE_IT_READS, path)
    assert sorted(found) == ["(1000000,)", "0", "child ['s']", "parent ['s']"]
    assert list(tmp_path.iterdir()) == [path]


def test_a_fork_that_python_is_not_told_of_is_refused(tmp_path: Path) -> None:
    """Its child could neither use the connection nor wait for the lock; the parent reads on."""
    path = tmp_path / "sessions.db"
    SQLiteSessionManager("s", path).close()
    found = ran(FORK_UNTOLD, path)
    assert found == ["child DatabaseClosedError", "child DatabaseClosedError", "0", "parent ['s']"]

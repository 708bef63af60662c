"""Sessions from JSON Lines, each checked whole before anything of it is written."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, BinaryIO

from strands_sqlite_session_manager._database import Database
from strands_sqlite_session_manager.errors import CodecError

from ._records import (
    COUNTED,
    FORMAT,
    HEADER,
    VERSION,
    Record,
    RecordError,
    parse,
    read_members,
    require_fields,
    transfer_error,
)
from ._spool import Spool
from ._storing import require_bytes, store_session
from ._streams import ReadLine, Source, open_source
from ._values import Conflict, Imported, ImportProgress, require_conflict

_LONGEST_HEADER = 64 * 1024
_DAMAGED = "what was imported until here stays; get the file anew and run the import again"
_FOREIGN = "name a file that export_jsonl wrote, or a folder for import_files"
_OF_AGENT = {"message": 1, "state_change": 2}
_NUMBER = {"message": "message_id", "state_change": "change_number"}


def import_jsonl(
    database: Database,
    source: Source,
    *,
    on_conflict: Conflict = "fail",
    progress: Callable[[ImportProgress], None] | None = None,
) -> Imported:
    """Read sessions that `export_jsonl` wrote; each becomes visible whole or not at all.

    A session that is there already with the same content is passed over, whatever `on_conflict` says: an import that
    was interrupted can simply be run again. Managers that are open on a session that is replaced go on with what they
    have in memory, and meet a `ConflictError` when they append: close them before.

    Args:
        database: Where to put the sessions.
        source: A path, or a file that is open for text or bytes, such as `sys.stdin`.
        on_conflict: What to do with a session that is there with other content: `"fail"`, `"skip"` it, or `"replace"`
            the one that is there.
        progress: Called after each session.

    Returns:
        What was done.

    Raises:
        AlreadyExistsError: A session is there with other content, and `on_conflict` is `"fail"`.
        TransferError: The source is no export, is damaged or cut short, or a newer version wrote it; the message names
            the line. What was imported until then stays, whole sessions only.
        OSError: The source cannot be read.
    """
    require_conflict(on_conflict)
    with open_source(database, source) as (read, name), Spool() as spool:
        lines = _Lines(read, name)
        with lines.naming():
            total = _read_header(lines)
        tally: Counter[str] = Counter()
        while (session_id := _next_session(lines, spool, tally["done"])) is not None:
            outcome = store_session(database, session_id, spool, on_conflict)
            tally["done"] += 1
            tally[outcome] += 1
            if outcome == "imported":
                tally.update(spool.counts)
            if progress is not None:
                progress(ImportProgress(session_id, tally["done"], total))
    return Imported(tally["imported"], tally["message"], tally["multi_agent"], tally["skipped"], tally["unchanged"])


class Begun:
    """A source of which the header was read, and is given once more: what is no export is refused before all else.

    Attributes:
        name: By which errors call it.
    """

    def __init__(self, source: BinaryIO) -> None:
        """Read the header.

        Raises:
            TransferError: There is none, or a newer version wrote it.
        """
        self.name = str(getattr(source, "name", "the source"))
        self._source = source
        self._header = source.readline(_LONGEST_HEADER)
        lines = _Lines(lambda _: self._header, self.name)
        with lines.naming():
            _read_header(lines)

    def readline(self, limit: int = -1) -> bytes:
        """Return the next line with its end, or so many bytes of it; nothing at the end."""
        header, self._header = self._header, b""
        return header or self._source.readline(limit)


class _Lines:
    """The lines of a source, counted."""

    def __init__(self, read: ReadLine, name: str) -> None:
        self._read = read
        self._name = name
        self.number = 0
        self.line = ""

    def next(self, limit: int = -1) -> bytes:
        """Return the next line with its end, or so many bytes of it; nothing at the end of the source."""
        self.number += 1
        return self._read(limit)

    def record(self) -> Record:
        """Return the record on the next line.

        Raises:
            RecordError: There is none.
        """
        self.line = self.next().decode().rstrip("\r\n")
        if not self.line:
            message = "is empty or missing: the file was cut short or damaged"
            raise RecordError(message)
        return parse(self.line)

    @contextmanager
    def naming(self) -> Iterator[None]:
        """Let errors of the block say that they are about the line that was read last.

        Raises:
            TransferError: In place of what is wrong with it.
        """
        try:
            yield
        except (RecordError, CodecError, UnicodeError) as error:
            where = f"file=<{self._name}>, line {self.number}"
            raise transfer_error(where, error, _DAMAGED) from error


def _read_header(lines: _Lines) -> int | None:
    """Return how many sessions the header speaks of."""
    try:
        line = lines.next(_LONGEST_HEADER).decode()
        values = {name: value for name, (value, _) in read_members(line).items()}
    except (RecordError, UnicodeError):
        values = {}
    version = values.get("version")
    if values.get("format") != FORMAT or type(version) is not int or version < 1:
        message = "is not the header of an export"
        raise RecordError(message, hint=_FOREIGN)
    if version > VERSION:
        message = f"says version {version} of the format, this package knows {VERSION}"
        raise RecordError(message, hint="upgrade strands-sqlite-session-manager")
    require_fields(values, HEADER, "a header")
    sessions = values.get("sessions")
    return sessions if isinstance(sessions, int) else None


def _next_session(lines: _Lines, spool: Spool, done: int) -> str | None:
    """Put the lines of the next session into `spool`, checked; return its id, or None where all are done."""
    with lines.naming():
        record = lines.record()
        if record.kind != "end":
            return _read_session(lines, record, spool)
        _require_end(lines, record, done)
        return None


def _read_session(lines: _Lines, record: Record, spool: Spool) -> str:
    """Put the lines of the session that begins with `record` into `spool`, checked; return its id."""
    if record.kind != "session":
        message = f"holds a {record.kind} record where a session must begin"
        raise RecordError(message)
    session_id = str(record.values["session_id"])
    spool.clear()
    order = _Order()
    while record.kind not in ("session_end", "end"):
        order.require_next(record)
        require_bytes(record)
        spool.add_record(record, lines.line)
        record = lines.record()
    _require_whole(record, session_id, spool)
    return session_id


class _Order:
    """Where the next record of a session may stand: everything comes once, in the order of ids."""

    def __init__(self) -> None:
        self._last: tuple[Any, ...] = ()
        self._agent: tuple[Any, ...] = ()

    def require_next(self, record: Record) -> None:
        """Refuse a record that does not belong here.

        Raises:
            RecordError: It stands twice, in another order, or without its agent.
        """
        place = self._place(record)
        if place <= self._last or (record.kind in _OF_AGENT and not self._agent):
            message = f"holds a {record.kind} record in the wrong place, or twice"
            raise RecordError(message)
        self._last = place

    def _place(self, record: Record) -> tuple[Any, ...]:
        if record.kind == "agent":
            self._agent = (1, record.values["agent_id"])
            return self._agent
        if record.kind in _OF_AGENT:
            return (*self._agent, _OF_AGENT[record.kind], record.values[_NUMBER[record.kind]])
        if record.kind == "multi_agent":
            return (2, record.values["multi_agent_id"])
        return (0,)


def _require_whole(record: Record, session_id: str, spool: Spool) -> None:
    """Refuse a session that is not what its last record says."""
    if record.kind == "end" or record.values["session_id"] != session_id:
        message = f"ends another session than <{session_id}>"
        raise RecordError(message)
    for name, kind in COUNTED.items():
        if spool.counts[kind] != record.values[name]:
            message = f"counts {record.values[name]} {name}, but {spool.counts[kind]} were found"
            raise RecordError(message)
    if record.values["sha256"] != spool.sha256:
        message = f"ends session <{session_id}> with a hash that its lines do not have: they were changed"
        raise RecordError(message)


def _require_end(lines: _Lines, record: Record, done: int) -> None:
    """Refuse an end that comes too early, or that is none."""
    if record.values["sessions"] != done:
        message = f"counts {record.values['sessions']} sessions, but {done} were found"
        raise RecordError(message)
    while line := lines.next():
        if line.strip():
            message = "stands after the end"
            raise RecordError(message)

"""The records of an export: a JSON object on a line each, what may stand in it, and nothing else.

A value that a column holds as JSON text stands in the line as that very text, and is taken from it as it stands:
numbers keep their digits and objects the order of their keys. A field that is absent is NULL.
"""

from __future__ import annotations

import json
import os
import re
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from strands_sqlite_session_manager._state_history import changes_problem
from strands_sqlite_session_manager.errors import InvalidIdError, TransferError

FORMAT = "strands-sqlite-sessions"
VERSION = 1
"""What the header of an export says; another version means that this one cannot read it."""

LONGEST_ID = 1024
"""The most bytes of UTF-8 in an id."""

_LARGEST = 2**63
_SURROGATES = re.compile("[\ud800-\udfff]")
_MARK = re.compile(r"[ \t\n\r]*([{}:,])[ \t\n\r]*")
_scan: Callable[[str, int], tuple[Any, int]] = json.JSONDecoder().scan_once  # type: ignore[attr-defined]  # what raw_decode calls


class RecordError(ValueError):
    """A line or file does not hold what it must; the message says why, to be told with its number or name.

    Attributes:
        hint: What to do, where that is not the same for every line.
    """

    def __init__(self, message: str, hint: str = "") -> None:
        """Build the error."""
        super().__init__(message)
        self.hint = hint


def transfer_error(where: str, error: Exception, hint: str) -> TransferError:
    """Return the error that tells where `error` was met; `hint` is for those that bring none of their own."""
    own = getattr(error, "hint", "")
    return TransferError(f"{where} {str(error).removesuffix(f' | {own}')}", hint=own or hint)


class Record(NamedTuple):
    """A line, read.

    Attributes:
        kind: What it is a record of.
        values: Its fields, those left out that are absent.
        texts: The same fields as they stand in the line.
    """

    kind: str
    values: dict[str, Any]
    texts: dict[str, str]


class Field(NamedTuple):
    """What may stand in a field.

    Attributes:
        what: In words.
        holds: Tells whether a value may stand there.
        needed: Whether the field must be there.
    """

    what: str
    holds: Callable[[Any], bool]
    needed: bool = True


Kinds = Mapping[str, Mapping[str, Field]]
"""The kinds of records, each with its fields in the order in which they are written."""


def _is_text(value: object) -> bool:
    return isinstance(value, str) and (value.isascii() or not _SURROGATES.search(value))


def _is_integer(value: object) -> bool:
    return type(value) is int and -_LARGEST <= value < _LARGEST


def _is_count(value: object) -> bool:
    return type(value) is int and 0 <= value < _LARGEST


def _is_object(value: object) -> bool:
    return isinstance(value, dict) and value.get("__bytes_encoded__") is not True  # which stands for bytes


def _are_changes(value: object) -> bool:
    return not changes_problem(value)


def _are_tags(value: object) -> bool:
    return isinstance(value, list) and all(map(_is_text, value)) and value == sorted(set(value))


def _is_id(value: object) -> bool:
    return isinstance(value, str) and _why_no_id(value) is None


def _why_no_id(id_: str) -> str | None:
    if os.path.basename(id_) != id_:
        return "contains a path separator"
    if "\0" in id_ or not _is_text(id_):
        return "holds NUL or a lone surrogate"
    if len(id_.encode()) > LONGEST_ID:
        return f"is longer than {LONGEST_ID} bytes of UTF-8"
    return None


def require_id(id_: str) -> str:
    """Return `id_` if a session, agent or multi-agent can have it.

    Raises:
        InvalidIdError: It cannot be stored.
    """
    if why := _why_no_id(id_):
        message = f"id=<{id_[:40]!a}> {why}"
        raise InvalidIdError(message)
    return id_


ID = Field("an id", _is_id)
TEXT = Field("text", _is_text)
INTEGER = Field("an integer of 64 bits", _is_integer)
COUNT = Field("a count", _is_count)
JSON = Field("JSON", lambda _: True)
OBJECT = Field("a JSON object", _is_object)
CHANGES = Field("changes of an agent's state", _are_changes)
TAGS = Field("a list of different texts in order", _are_tags)


def optional(field: Field) -> Field:
    """Return the field as one that may be absent."""
    return field._replace(needed=False)


_TIMES = {"created_at": TEXT, "updated_at": TEXT}
KINDS: Kinds = {
    "session": {
        "session_id": ID,
        "session_type": TEXT,
        **_TIMES,
        "title": optional(TEXT),
        "tags": optional(TAGS),
        "metadata": optional(OBJECT),
        "extra": optional(OBJECT),
    },
    "agent": {
        "agent_id": ID,
        "state": JSON,
        "conversation_manager_state": JSON,
        "internal_state": JSON,
        **_TIMES,
        "extra": optional(OBJECT),
    },
    "message": {
        "message_id": INTEGER,
        "message": OBJECT,
        "redact_message": optional(OBJECT),
        **_TIMES,
        "extra": optional(OBJECT),
    },
    "state_change": {
        "change_number": INTEGER,
        "message_id": optional(INTEGER),
        "changes": CHANGES,
        "created_at": TEXT,
    },
    "multi_agent": {"multi_agent_id": ID, "state": JSON, **_TIMES},
    "session_end": {
        "session_id": ID,
        "agents": COUNT,
        "messages": COUNT,
        "state_changes": COUNT,
        "multi_agents": COUNT,
        "sha256": TEXT,
    },
    "end": {"sessions": COUNT},
}
"""The records of an export."""

PLAIN = frozenset(
    name
    for fields in KINDS.values()
    for name, field in fields.items()
    if field._replace(needed=True) not in (JSON, OBJECT, CHANGES)
)
"""The fields that are no JSON in their columns."""

HEADER = {"format": TEXT, "version": COUNT, "schema": COUNT, "exported_at": TEXT, "sessions": optional(COUNT)}
"""The fields of its first line."""

COUNTED = {"agents": "agent", "messages": "message", "state_changes": "state_change", "multi_agents": "multi_agent"}
"""What the record at the end of a session counts, and the kinds of records that are counted."""


def json_text(value: object) -> str:
    """Return `value` as JSON text, for a field that is no JSON in its column."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def render(kind: str, texts: Mapping[str, str | None], kinds: Kinds = KINDS) -> str:
    """Return the line of a record; fields whose text is None are left out."""
    members = [f'"{name}":{texts[name]}' for name in kinds[kind] if texts.get(name) is not None]
    return ",".join((f'{{"record":"{kind}"', *members)) + "}"


def parse(line: str, kinds: Kinds = KINDS) -> Record:
    """Return the record that stands in `line`.

    Raises:
        RecordError: It is no record of these kinds: unreadable, of an unknown kind, or with a field too many, missing
            or of the wrong type.
    """
    members = read_members(line)
    kind, _ = members.pop("record", (None, ""))
    fields = kinds.get(kind) if isinstance(kind, str) else None
    if fields is None:
        message = f"holds no record of a known kind: {kind!r}"
        raise RecordError(message)
    record = Record(
        str(kind),
        {name: value for name, (value, _) in members.items()},
        {name: text for name, (_, text) in members.items()},
    )
    require_fields(record.values, fields, f"a {kind} record")
    return record


def require_fields(values: Mapping[str, Any], fields: Mapping[str, Field], what: str) -> None:
    """Refuse values that are not as `fields` says.

    Raises:
        RecordError: One is unknown, missing, or of another type.
    """
    for name in values:
        if name not in fields:
            message = f"holds {what} with the unknown field {name!r}"
            raise RecordError(message)
    for name, field in fields.items():
        if name not in values:
            if field.needed:
                message = f"holds {what} without {name!r}"
                raise RecordError(message)
        elif not field.holds(values[name]):
            message = f"holds {what} whose {name!r} is not {field.what}"
            raise RecordError(message)


def read_members(line: str) -> dict[str, tuple[Any, str]]:
    """Return the members of the JSON object in `line`, each as its value and as it stands there.

    Raises:
        RecordError: There is no JSON object, or something else beside it.
    """
    try:
        return _read_members(line)
    except RecordError:
        raise
    except (ValueError, RecursionError) as error:
        message = f"is not readable JSON: {error}"
        raise RecordError(message) from error


def _read_members(line: str) -> dict[str, tuple[Any, str]]:
    members: dict[str, tuple[Any, str]] = {}
    at, mark = _mark_at(line, 0)
    if mark != "{":
        message = "is no JSON object"
        raise RecordError(message)
    while mark != "}":
        name, end = _value_at(line, at)
        start, mark = _mark_at(line, end)
        if not isinstance(name, str) or name in members or mark != ":":
            message = f"is not readable JSON: a new name must stand at character {at + 1}"
            raise RecordError(message)
        value, end = _value_at(line, start)
        members[name] = (value, line[start:end])
        at, mark = _mark_at(line, end)
        if mark not in (",", "}"):
            message = f"is not readable JSON: ',' is missing at character {end + 1}"
            raise RecordError(message)
    if at != len(line):
        message = "holds something after its record"
        raise RecordError(message)
    return members


def _mark_at(line: str, at: int) -> tuple[int, str]:
    """Return the mark that stands next, and where what follows it stands."""
    found = _MARK.match(line, at)
    return (at, "") if found is None else (found.end(), found[1])


def _value_at(line: str, at: int) -> tuple[Any, int]:
    """Return the value that stands next, and where it ends."""
    try:
        return _scan(line, at)
    except StopIteration:
        message = f"is not readable JSON: a value is missing at character {at + 1}"
        raise RecordError(message) from None

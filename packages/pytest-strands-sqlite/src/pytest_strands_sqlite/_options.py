"""What a test says about its sessions on the command line, in the ini file and by its marker, as one checked object."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from typing import TYPE_CHECKING, Any, Literal

import pytest

from . import _failures

if TYPE_CHECKING:
    from strands.types.content import Message

MARKER = "strands_session"
DURABILITIES = ("full", "normal")


@dataclass(frozen=True)
class SessionOptions:
    """What the fixtures make a test's sessions of.

    Attributes:
        session_id: The session of `sqlite_session_manager`, and of every factory that is given no other.
        agent_id: The agent whose messages and state these are, and that `agent_factory` makes where it is given no
            other.
        messages: What was said before the test: texts, by the user and the agent in turns, or messages of the SDK.
        state: The agent's state before the test.
        in_memory: Whether the database is in memory, or a file below `tmp_path`.
        durability: As for `SQLiteSessionManager`.
        keep: Whether a failed test leaves its database as a file, and names it.
    """

    session_id: str = "session"
    agent_id: str = "default"
    messages: Sequence[str | Message] = ()
    state: Mapping[str, Any] = field(default_factory=dict)
    in_memory: bool = True
    durability: Literal["full", "normal"] = "normal"
    keep: bool = False

    def __post_init__(self) -> None:
        """Refuse what makes no sense.

        Raises:
            TypeError: A value has the wrong type.
            ValueError: A value is none of those that are known.
        """
        for name, kind in _KINDS.items():
            value = getattr(self, name)
            if not isinstance(value, kind) or (kind is Sequence and isinstance(value, str | bytes)):
                raise TypeError(_failures.wrong_type(name, value, _WORDS[kind]))
        for name in ("session_id", "agent_id"):
            if "/" in getattr(self, name):
                raise ValueError(_failures.wrong_type(name, getattr(self, name), "text without slashes"))
        for number, message in enumerate(self.messages):
            if not _is_message(message):
                raise TypeError(_failures.wrong_message(number, message))
        try:
            json.dumps(dict(self.state))
        except (TypeError, ValueError) as error:
            raise TypeError(_failures.no_json("state", error)) from error
        if self.durability not in DURABILITIES:
            raise ValueError(_failures.unknown_value("durability", self.durability, DURABILITIES))

    def marked(self, marks: Sequence[pytest.Mark]) -> SessionOptions:
        """Return these options with what the markers of a test say; a later one has the last word.

        Raises:
            TypeError: A marker has arguments that are none.
            ValueError: As the constructor.
        """
        options = self
        for mark in marks:
            unknown = sorted(set(mark.kwargs) - _MARKED)
            if mark.args or unknown:
                raise TypeError(_failures.wrong_marker(MARKER, mark.args, unknown, sorted(_MARKED)))
            options = replace(options, **mark.kwargs)
        return options


_KINDS: dict[str, type] = {
    "session_id": str,
    "agent_id": str,
    "messages": Sequence,
    "state": Mapping,
    "in_memory": bool,
    "durability": str,
    "keep": bool,
}
_WORDS: dict[type, str] = {str: "text", Sequence: "a list", Mapping: "a dict", bool: "True or False"}
_MARKED = {each.name for each in fields(SessionOptions)} - {"keep"}


def _is_message(value: object) -> bool:
    if not isinstance(value, Mapping):
        return isinstance(value, str)
    return value.get("role") in {"user", "assistant"} and isinstance(value.get("content"), list)


def add_options(parser: pytest.Parser) -> None:
    """Add the options, and the ini values that they override."""
    group = parser.getgroup("strands-sqlite", "sessions of Strands agents in SQLite")
    group.addoption(
        "--strands-sqlite-in-memory",
        action="store_const",
        const="true",
        dest="strands_sqlite_in_memory",
        default=None,
        help="keep the databases of tests in memory (the default)",
    )
    group.addoption(
        "--strands-sqlite-on-disk",
        action="store_const",
        const="false",
        dest="strands_sqlite_in_memory",
        help="keep the database of each test in a file below its tmp_path",
    )
    group.addoption(
        "--strands-sqlite-durability",
        choices=DURABILITIES,
        dest="strands_sqlite_durability",
        default=None,
        help="how the session managers of fixtures wait for the disk (default: normal)",
    )
    group.addoption(
        "--strands-sqlite-keep",
        action="store_const",
        const="true",
        dest="strands_sqlite_keep",
        default=None,
        help="keep the databases of tests as files, and name those of failed tests",
    )
    group.addoption(
        "--strands-sqlite-no-guard",
        action="store_const",
        const="false",
        dest="strands_sqlite_guard",
        default=None,
        help="let tests open the database of the user",
    )
    parser.addini("strands_sqlite_in_memory", "keep the databases of tests in memory", type="bool", default=True)
    parser.addini(
        "strands_sqlite_durability", "full or normal: how session managers wait for the disk", default="normal"
    )
    parser.addini("strands_sqlite_keep", "keep the databases of tests as files", type="bool", default=False)
    parser.addini("strands_sqlite_guard", "fail tests that open the database of the user", type="bool", default=True)


def read_options(config: pytest.Config) -> SessionOptions:
    """Return what the command line and the ini file say.

    Raises:
        pytest.UsageError: A value is none of those that are known.
    """
    durability = config.getoption("strands_sqlite_durability") or config.getini("strands_sqlite_durability")
    in_memory, keep = (_flag(config, name) for name in ("strands_sqlite_in_memory", "strands_sqlite_keep"))
    try:
        return SessionOptions(in_memory=in_memory, durability=durability, keep=keep)
    except ValueError as error:
        raise pytest.UsageError(str(error)) from error


def wants_guard(config: pytest.Config) -> bool:
    """Return whether tests must not open the database of the user.

    Raises:
        pytest.UsageError: The ini file says neither yes nor no.
    """
    return _flag(config, "strands_sqlite_guard")


def _flag(config: pytest.Config, name: str) -> bool:
    given = config.getoption(name)
    if given is not None:
        return bool(given == "true")
    try:
        return bool(config.getini(name))
    except (ValueError, pytest.UsageError) as error:  # which of them depends on the version of pytest
        raise pytest.UsageError(_failures.no_flag(name, error)) from error

"""What a session repository, a session manager or a storage may promise beyond what all of them must."""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from typing import Any, TypeVar

_Test = TypeVar("_Test", bound=Callable[..., Any])


class Capability(Enum):
    """A promise that is not made by everyone: its value says what is promised."""


class RepositoryCapability(Capability):
    """What a `SessionRepository` may promise."""

    ANY_JSON = "whatever Python's JSON reads and writes comes back: NaN, NUL, integers of any length, deep nesting"
    APPEND_ONLY = "other content under the id of a stored message is refused, the same content once more is accepted"
    ATOMIC_CREATE = "of several who create one session at the same moment exactly one succeeds"
    BYTES = "bytes come back, at any depth of a message and of an agent's state"
    DELETION = "`delete_session(session_id)` removes a session with everything in it"
    MULTI_AGENT = "the states of multi-agents are stored"
    OTHER_PROCESSES = "another process that opens the same place sees what is stored, also after a kill"
    PARENTS_REQUIRED = "a message without its agent, and an agent or multi-agent without its session, are refused"
    UNKNOWN_FIELDS = "fields that only a newer SDK knows are stored with their record; needs `stored_fields`"
    UPGRADES = "a place that an older version wrote opens; needs `lay_old_place`"


class ManagerCapability(Capability):
    """What a `SessionManager` may promise."""

    BYTES = "bytes come back, at any depth of a message"
    DELETION = "a session can be deleted with everything in it; needs `delete`"
    MULTI_AGENT = "the states of multi-agents are stored and restored"
    OTHER_PROCESSES = "another process that opens the same place resumes the conversation, also after a kill"
    STEADY_COST = "a turn costs no more when the conversation is long"
    UPGRADES = "a place that an older version wrote resumes; needs `lay_old_place`"


class StorageCapability(Capability):
    """What a `Storage` may promise."""

    ANY_KEY = "a key may be any text without slashes: blanks, dots, quotes, wildcards, any script"
    EPHEMERAL = "values go with the process, and the storage says so by the SDK's mark"
    KEYS_BELOW_KEYS = "`a` and `a/b` may hold a value each"
    NAMESPACES = "`namespace(prefix)` gives a view of the keys below a prefix"
    OTHER_PROCESSES = "another process that opens the same place sees what is stored, also after a kill"
    PATH_KEYS = "runs of slashes are one, those at the ends go; an empty key and `..` are a `StorageError`"
    SEARCH = "`search(query)` finds values by the words in them, best first"
    UPGRADES = "a place that an older version wrote opens; needs `lay_old_place`"


def needs(*capabilities: Capability) -> Callable[[_Test], _Test]:
    """Let a test run only where all of these are claimed."""

    def mark(test: _Test) -> _Test:
        vars(test)["strands_capabilities"] = capabilities
        return test

    return mark


def needed_by(test: object) -> tuple[Capability, ...]:
    """Return the capabilities that a test needs; none for a test that everyone must pass."""
    found: tuple[Capability, ...] = getattr(test, "strands_capabilities", ())
    return found

"""Everything this package uses of the SDK that the SDK does not call public."""

from __future__ import annotations

import asyncio
import copy
import sys
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from strands import _async, _identifier
from strands.hooks import AfterInvocationEvent
from strands.storage import storage as _storage
from strands.storage.search import keyword as _keyword
from strands.types.exceptions import EventLoopException

from .errors import InvalidIdError, SQLiteSessionError

if TYPE_CHECKING:
    from collections.abc import Callable

    from strands.session.repository_session_manager import RepositorySessionManager

__all__ = [
    "EPHEMERAL",
    "LONGEST_ID",
    "NAMESPACED",
    "STOP_WORDS",
    "agent_key",
    "error_of_turn",
    "loop_is_shared",
    "loop_may_wait",
    "remember",
    "repaired",
    "session_key",
]

LONGEST_ID = 1024
"""The most bytes of UTF-8 in an id: S3 allows no longer key, so a longer id could never leave this file."""

NAMESPACED: object = _storage._NAMESPACED  # noqa: SLF001 - the SDK tells scoped storages by it
"""Marks a storage as scoped already: the SDK then puts no `session/` in front of its keys."""

EPHEMERAL: object = getattr(_storage, "_EPHEMERAL", None)
"""Marks a storage as gone with the process: the SDK then keeps the context stash in the snapshots. None before 1.56."""

_COMMON_WORDS = """
a about all an and any are as at be been but by can did do does for from had has have he her his how i if in is it its
me my no not of on or our she so than that the their them then there these they this to up us was we were what when
where which who why will with would you your
"""
STOP_WORDS: frozenset[str] = getattr(_keyword, "STOP_WORDS", frozenset(_COMMON_WORDS.split()))
"""Words that do not count in a search; SDKs that have no list of them yet get the most common English ones."""

_BOOKS = ("_latest_agent_message", "_last_synced_internal_state", "_held_records")
_MISSING = object()

_in_bridge: Callable[[], bool] | None = getattr(_async, "is_run_async_bridge", None)


@lru_cache(maxsize=4096)
def session_key(session_id: str) -> str:
    """Return `session_id` if it can be stored.

    Raises:
        TypeError: It is no text.
        ValueError: It contains a path separator; the SDK's own words.
        InvalidIdError: It holds NUL or a lone surrogate, or is too long.
    """
    return _validated(session_id, _identifier.Identifier.SESSION)


@lru_cache(maxsize=4096)
def agent_key(agent_id: str) -> str:
    """Return `agent_id`, of an agent or a multi-agent, if it can be stored.

    Raises:
        TypeError: It is no text.
        ValueError: It contains a path separator; the SDK's own words.
        InvalidIdError: It holds NUL or a lone surrogate, or is too long.
    """
    return _validated(agent_id, _identifier.Identifier.AGENT)


def _validated(id_: str, kind: _identifier.Identifier) -> str:
    _identifier.validate(id_, kind)
    _require_text(id_, kind)
    size = len(id_.encode(errors="surrogatepass"))
    if size > LONGEST_ID:
        message = f"{kind.value}_id=<{id_[:40]}…> has {size} bytes of UTF-8"
        raise InvalidIdError(message)
    if "\0" in id_ or any("\ud800" <= character <= "\udfff" for character in id_):
        message = f"{kind.value}_id=<{id_!a}> holds NUL or a lone surrogate"
        raise InvalidIdError(message)
    return id_


def _require_text(id_: object, kind: _identifier.Identifier) -> None:
    if not isinstance(id_, str):
        message = f"{kind.value}_id must be str, not {type(id_).__name__}"
        raise TypeError(message)


def loop_is_shared() -> bool:
    """Tell whether anything else than the current task runs on the running loop.

    A synchronous `agent()` runs on a loop of its own. Newer SDKs mark it; there, or where the mark does not exist,
    the tasks of the loop are counted.
    """
    if _in_bridge is not None and not _in_bridge():
        return True
    return len(asyncio.all_tasks()) > 1


def loop_may_wait() -> bool:
    """Tell whether the running loop was made by the SDK for one synchronous call, with nothing else on it.

    Unlike `loop_is_shared` it does not guess: without the mark of newer SDKs it says no.
    """
    return _in_bridge is not None and _in_bridge() and len(asyncio.all_tasks()) == 1


def error_of_turn(event: object) -> BaseException | None:
    """Return the error that ends an agent's turn, if `event` comes at the end of one that an error ends.

    The SDK sends it in a `finally`, where an error of the hook takes the place of the turn's own. That is as well where
    the SDK has put a stored message's error into one of its own: then there is none to keep.
    """
    if not isinstance(event, AfterInvocationEvent) or event.result is not None:
        return None
    error = sys.exc_info()[1]
    original = error.original_exception if isinstance(error, EventLoopException) else None
    return None if isinstance(original, SQLiteSessionError) else error


def remember(manager: RepositorySessionManager, agent_id: str) -> Callable[[BaseException], None]:
    """Note what `manager` holds in memory of the agent's stored state; return a function that puts it back.

    The SDK moves on before a write is known to have succeeded. After an error the manager must not believe that a
    message was stored, nor that the agent's state was. After an interrupt nobody knows: then the state is stored once
    more, and the place of the message is not used again.
    """
    books: list[dict[str, Any]] = [getattr(manager, name) for name in _BOOKS if hasattr(manager, name)]
    before = [book.get(agent_id, _MISSING) for book in books]
    lengths = [len(value) if isinstance(value, list) else 0 for value in before]

    def put_back(error: BaseException) -> None:
        for book, value, length in zip(books, before, lengths, strict=True):
            if not isinstance(error, Exception) and book is not getattr(manager, "_last_synced_internal_state", None):
                continue
            if value is _MISSING:
                book.pop(agent_id, None)
                continue
            if isinstance(value, list):
                del value[length:]
            book[agent_id] = value

    return put_back


def repaired(messages: list[Any]) -> list[Any]:
    """Return `messages` as the SDK hands a restored conversation to its agent: no tool use without its result.

    Messages that are not shaped as the SDK's are returned as they are.
    """
    from strands.session.repository_session_manager import RepositorySessionManager  # noqa: PLC0415 - on demand

    manager: Any = None  # the method makes no use of it
    try:
        return RepositorySessionManager._fix_broken_tool_use(manager, copy.deepcopy(messages))  # noqa: SLF001
    except (KeyError, TypeError):
        return messages

"""Copies from one of the SDK's storages to another."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from .errors import TransferError

if TYPE_CHECKING:
    from strands.storage import Storage


@dataclass(frozen=True)
class CopyProgress:
    """How far a copy has come.

    Attributes:
        key: The key that was looked at last; empty before the first.
        done: How many keys were looked at, those before `start_after` among them.
        total: How many keys there are to look at.
        copied: How many keys were written; the others were the same in both places.
    """

    key: str
    done: int
    total: int
    copied: int


async def copy_storage(
    source: Storage,
    target: Storage,
    *,
    prefix: str = "",
    start_after: str | None = None,
    progress: Callable[[CopyProgress], None] | None = None,
) -> CopyProgress:
    """Copy every key below `prefix` from one storage to another, in the order of the keys.

    What the target has already is read and left alone where it is the same, so a copy that stopped can simply be run
    again; with `start_after` it does not look at what was done. Nothing is deleted in the target.

    ```python
    import asyncio

    from strands.storage import LocalFileStorage
    from strands_sqlite_session_manager import SQLiteStorage, copy_storage

    with SQLiteStorage() as storage:
        asyncio.run(copy_storage(LocalFileStorage("./.strands/"), storage))
    ```

    Args:
        source: Where to read: `SQLiteStorage`, or any storage of the SDK.
        target: Where to write.
        prefix: Which keys; all of them without one.
        start_after: The last key that need not be looked at.
        progress: Called after each key.

    Returns:
        How far it came: to the end.

    Raises:
        TransferError: A key could not be read or written; what was copied until then stays.
    """
    keys = await _keys(source, prefix)
    done = 0 if start_after is None else sum(key <= start_after for key in keys)
    state = CopyProgress(start_after or "", done, len(keys), 0)
    for key in keys[done:]:
        try:
            copied = await _copy(source, target, key)
        except Exception as error:
            message = f"key=<{key}> could not be copied after {state.done} of {state.total}: {error}"
            raise TransferError(
                message, hint=f"{_hint(state.key)}; to leave this key out, start_after={key!r}"
            ) from error
        state = CopyProgress(key, state.done + 1, state.total, state.copied + copied)
        if progress is not None:
            progress(state)
    return state


async def _keys(source: Storage, prefix: str) -> list[str]:
    try:
        return sorted(await source.list(prefix))
    except Exception as error:
        message = f"the keys below <{prefix}> could not be listed: {error}"
        raise TransferError(message, hint=_hint("")) from error


async def _copy(source: Storage, target: Storage, key: str) -> bool:
    """Copy one key; return False where there was nothing to write."""
    data = await source.read(key)
    if data is None or await target.read(key) == data:  # None: deleted since the keys were listed
        return False
    await target.write(key, data)
    return True


def _hint(last: str) -> str:
    return (
        f"mend the cause, then run it again with start_after={last!r}" if last else "mend the cause, then run it again"
    )

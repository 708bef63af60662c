"""What the records of the SDK have in common on their way to rows and back."""

from __future__ import annotations

from dataclasses import fields
from functools import lru_cache
from typing import TYPE_CHECKING, Any, TypeVar

from strands_sqlite_session_manager._codec import dumps, loads_bytes
from strands_sqlite_session_manager.errors import CodecError

if TYPE_CHECKING:
    import strands.types.session as sdk

T = TypeVar("T")


def next_change(table: str) -> str:
    """Return SQL for the next change counter of `table`: above its rows, and above those that were deleted."""
    return (
        f"(SELECT 1 + max(ifnull((SELECT max(change_id) FROM {table}), 0), "
        "ifnull((SELECT max(change_id) FROM deletions), 0)))"
    )


def times(record: sdk.Session | sdk.SessionAgent | sdk.SessionMessage) -> tuple[str, str]:
    """Return `created_at` and `updated_at`, which must be text."""
    created_at: object = record.created_at
    updated_at: object = record.updated_at
    if isinstance(created_at, str) and isinstance(updated_at, str):
        return created_at, updated_at
    message = f"created_at=<{created_at!r}>, updated_at=<{updated_at!r}> | must be text"
    raise CodecError(message, hint="leave them out: the SDK fills them in")


def extra_fields(record: object, columns: frozenset[str]) -> str | None:
    """Return the fields of `record` that have no column, as a newer SDK may have them; None where there are none."""
    kind: Any = type(record)
    names = _names_without_column(kind, columns)
    return dumps({name: getattr(record, name) for name in names}) if names else None


@lru_cache
def _names_without_column(kind: type[Any], columns: frozenset[str]) -> tuple[str, ...]:
    return tuple(field.name for field in fields(kind) if field.name not in columns)


def build(cls: type[T], extra: str | None, **values: Any) -> T:
    """Build a record of the SDK; what a newer SDK stored is given to an SDK that knows it, and ignored by others."""
    if extra is not None:
        known = cls.__dataclass_fields__  # type: ignore[attr-defined]  # the records are dataclasses
        values |= {key: value for key, value in loads_bytes(extra).items() if key in known}
    return cls(**values)

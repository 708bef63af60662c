"""Everything the contracts use of the SDK that the SDK does not call public."""

from __future__ import annotations

from strands.storage import storage as _storage

_EPHEMERAL: object = getattr(_storage, "_EPHEMERAL", None)
"""The mark of storages that go with the process; older releases have none."""


def is_marked_ephemeral(storage: object) -> bool | None:
    """Tell whether a storage says that its values go with the process; None where the SDK has no mark for it."""
    return None if _EPHEMERAL is None else getattr(storage, "_ephemeral", None) is _EPHEMERAL

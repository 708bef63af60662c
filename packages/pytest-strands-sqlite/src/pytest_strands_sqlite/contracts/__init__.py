"""Contracts for anyone's session repository, session manager or storage: subclass one in a test module.

Give one factory that can reopen the same place, and say what is promised beyond what everyone must:

```python
from pathlib import Path

from strands.session.file_session_manager import FileSessionManager

from pytest_strands_sqlite.contracts import ManagerCapability, SessionManagerContract


class TestFileSessionManager(SessionManagerContract):
    capabilities = frozenset({ManagerCapability.BYTES, ManagerCapability.OTHER_PROCESSES})

    def open(self, place: Path, session_id: str) -> FileSessionManager:
        return FileSessionManager(session_id, str(place))
```

Importing this imports nothing of the SDK: a name brings its room when it is first used.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ._capabilities import Capability, ManagerCapability, RepositoryCapability, StorageCapability
    from ._contract import BrokenPromiseError, Contract
    from ._manager import SessionManagerContract
    from ._repository import SessionRepositoryContract
    from ._storage import StorageContract

_ROOMS = {
    "BrokenPromiseError": "_contract",
    "Capability": "_capabilities",
    "Contract": "_contract",
    "ManagerCapability": "_capabilities",
    "RepositoryCapability": "_capabilities",
    "SessionManagerContract": "_manager",
    "SessionRepositoryContract": "_repository",
    "StorageCapability": "_capabilities",
    "StorageContract": "_storage",
}

__all__ = [
    "BrokenPromiseError",
    "Capability",
    "Contract",
    "ManagerCapability",
    "RepositoryCapability",
    "SessionManagerContract",
    "SessionRepositoryContract",
    "StorageCapability",
    "StorageContract",
]

if not TYPE_CHECKING:  # a type checker knows the names, and reports those that are none

    def __getattr__(name: str) -> object:
        """Import the room that has `name`."""
        if name not in _ROOMS:
            message = f"module {__name__!r} has no attribute {name!r}"
            raise AttributeError(message)
        value = getattr(import_module(f".{_ROOMS[name]}", __name__), name)
        globals()[name] = value
        return value


def __dir__() -> list[str]:
    """Return what the package offers, imported or not."""
    return sorted({*globals(), *__all__})

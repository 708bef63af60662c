"""What a contestant of the race must be able to do, and who takes part."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass, field
from importlib import import_module
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Literal, Protocol, cast

from strands.types.content import Message

Action = Callable[[], object]
Pace = Literal["quick", "slow", "remote"]


class Log(Protocol):
    """One conversation, as one contestant keeps it."""

    def fill(self, messages: Sequence[Message]) -> None:
        """Store many messages as fast as it can be done; nobody looks at the time."""

    def storing(self, message: Message) -> Action:
        """Prepare to store one more message; the action returns once the store says that it has it."""

    def read(self) -> Sequence[object]:
        """Return the whole conversation, decoded."""

    def cycle(self) -> float:
        """Play five turns, 2.4 messages each, and return the seconds that the store took per turn."""


class PagedLog(Log, Protocol):
    """A conversation of which a part can be read."""

    def newest(self, count: int) -> Sequence[object]:
        """Return the newest messages only."""


class Store(Protocol):
    """A place where one contestant keeps conversations.

    Attributes:
        settings: How it treats the disk, as it ships.
    """

    settings: str

    def log(self, session_id: str, stored: int = 0) -> Log:
        """Open a conversation that has so many messages already."""


Opener = Callable[[Path], AbstractContextManager[Store]]


@dataclass(frozen=True)
class Contestant:
    """One of those that are compared.

    Attributes:
        name: Its name in the tables.
        opener: Where to find the function that opens it, as `module:function`; imported only when it takes part.
        needs: The packages without which it cannot take part.
        work: What it does when it stores a message, as far as that differs from the others.
        pace: How many of its operations fit into a round.
        left_out: Rows of the race in which it takes no part, each with the reason.
        differs: Rows in which its work is another one than that of the others, each with what differs.
    """

    name: str
    opener: str
    needs: tuple[str, ...]
    work: str
    pace: Pace = "quick"
    left_out: Mapping[str, str] = field(default_factory=dict)
    differs: Mapping[str, str] = field(default_factory=dict)

    def missing(self) -> str | None:
        """Return which packages must be installed before it can take part, or `None`."""
        names = [name for name in self.needs if _version(name) is None]
        return f"{' and '.join(names)}: not installed" if names else None

    def place(self, folder: Path) -> Path:
        """Return its folder inside `folder`."""
        return folder / place_name(self.name)

    def open(self, folder: Path) -> AbstractContextManager[Store]:
        """Open its store in a new folder inside `folder`."""
        module, _, function = self.opener.partition(":")
        place = self.place(folder)
        place.mkdir(parents=True, exist_ok=True)
        return cast("Opener", getattr(import_module(module), function))(place)

    def versions(self) -> str:
        """Return its packages with their versions."""
        return ", ".join(f"{name} {_version(name)}" for name in self.needs) or "standard library"


def place_name(name: str) -> str:
    """Return a name for a folder that no program takes for a list of folders."""
    return re.sub(r"[^A-Za-z0-9.]+", "-", name)


def _version(distribution: str) -> str | None:
    try:
        return version(distribution)
    except PackageNotFoundError:
        return None

"""`list_messages`: cut as a Python slice cuts, whatever it is given."""

from __future__ import annotations

import itertools
from typing import Any, TypeAlias

import pytest

from .backends import Manager, SQLiteBackend
from .samples import agent, said

IDS = (-1, 0, 1, 5, 9, 10, 100)
"""Not contiguous; sorted as text they would come in another order."""

WRITTEN = (10, 0, 100, 9, -1, 5, 1)
"""The order in which they are written."""

CUTS = (None, -7, -1, 0, 1, 3, 5, 100)
ODD_CUTS = (*CUTS, True, 2, 7, 8, -8, 2**31, 2**63, -(2**63), 2**70, -(2**70), 1.5, "1")

Outcome: TypeAlias = list[int] | str


def fill(manager: Manager) -> Manager:
    """Store the messages under an agent."""
    manager.create_agent("s", agent("a"))
    for message_id in WRITTEN:
        manager.create_message("s", "a", said(message_id, f"number {message_id}"))
    return manager


def listed(manager: Manager, offset: Any, limit: Any) -> Outcome:
    """Return the ids that a manager lists, or the type of the error."""
    try:
        return [message.message_id for message in manager.list_messages("s", "a", offset=offset, limit=limit)]
    except Exception as error:  # noqa: BLE001 - its type is compared
        return type(error).__name__


def sliced(offset: Any, limit: Any) -> Outcome:
    """Return what Python's own slice makes of the ids, or the type of the error."""
    try:
        return list(IDS[offset:] if limit is None else IDS[offset : offset + limit])
    except TypeError as error:
        return type(error).__name__


@pytest.mark.parametrize("name", ["sqlite", "file"])
def test_list_messages_is_a_python_slice_for_odd_cuts(name: str, request: pytest.FixtureRequest) -> None:
    """Integers beyond 64 bits, floats, text and booleans cut, or fail, as in a Python slice too."""
    manager = fill(request.getfixturevalue(name).open("s"))
    grid = list(itertools.product(ODD_CUTS, ODD_CUTS))

    assert {cut: listed(manager, *cut) for cut in grid} == {cut: sliced(*cut) for cut in grid}


def test_sqlite_lists_while_it_writes(sqlite: SQLiteBackend) -> None:
    """**Ours.** A caller may write while it goes through a list: the list is complete, no lock is held on it."""
    manager = fill(sqlite.open("s"))

    for message in manager.list_messages("s", "a"):
        manager.create_message("s", "a", said(message.message_id + 1000))

    assert len(manager.list_messages("s", "a")) == 2 * len(IDS)

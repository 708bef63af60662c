"""The connections that an owner knows, closed with it and before a fork."""

from __future__ import annotations

from typing import Any
from weakref import finalize, ref

from ._connection import Connection
from .errors import RAISED_BY_APSW

_KNOWN: dict[int, tuple[ref[Any], set[Connection]]] = {}


def known_to(owner: object) -> set[Connection]:
    """Return a set for connections of `owner`, which are closed when that is collected as garbage."""
    known: set[Connection] = set()
    _KNOWN[id(known)] = ref(owner), known
    finalize(owner, _forget, known).atexit = False
    return known


def _forget(known: set[Connection]) -> None:
    close_all(known)
    _KNOWN.pop(id(known), None)


def close_orphans() -> None:
    """Close what owners had who are gone, where the garbage collector has not come to it yet."""
    for owner, known in list(_KNOWN.values()):
        if owner() is None:
            close_all(known)


def close_all(connections: set[Connection]) -> None:
    """Close what an owner knows, where nobody uses it; raise the first error when all were tried. Again is fine."""
    errors: list[Exception] = []
    for connection in list(connections):
        try:
            connection.close()
        except RAISED_BY_APSW as error:
            errors.append(error)
    if errors:
        raise errors[0]

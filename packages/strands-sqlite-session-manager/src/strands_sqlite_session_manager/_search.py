"""Full-text search over objects: an index that follows the writes in batches, and only where somebody searches."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import partial
from operator import index as whole_number
from typing import NamedTuple

from strands.storage.storage import StorageSearchResult

from . import _index, _objects
from ._connection import Connection
from ._database import Database
from ._keys import end_of
from ._sdk import STOP_WORDS
from ._words import index_text, query_terms

MOST_RESULTS = 1000
"""How many results a search returns at most."""

MOST_TERMS = 200
"""Of a query with more words that occur, only so many count, the rarest."""

BATCH_OBJECTS = 256
"""How many objects are indexed in one transaction at most, so that other writers wait but for a moment."""

BATCH_BYTES = 1024 * 1024
"""How many bytes are indexed in one transaction, but for the last object."""

_FEW = 4096
"""So many changes, in scope or not, are looked through one by one, and not noted while none is in scope."""

_EXTENSION = re.compile(r"(?<=[^/])\.[^./]*$")

_SCOPE = "SELECT scope_id, indexed_to FROM search_scopes WHERE prefix = ?"
_ADD_SCOPE = "INSERT INTO search_scopes (prefix) VALUES (?) ON CONFLICT (prefix) DO NOTHING"
_NEWEST = "SELECT ifnull(max(change_id), 0) FROM objects"
_CHANGED = "SELECT change_id, size FROM objects WHERE change_id > ?1 AND +key >= ?2 AND (?3 IS NULL OR +key < ?3)"
_CHANGED_IN_SCOPE = "SELECT change_id, size FROM objects WHERE +change_id > ?1 AND key >= ?2 AND key < ifnull(?3, x'')"
_LAST_ENTRY = "SELECT ifnull(max(entry_id), 0) FROM search_entries"
_KEY = "SELECT key FROM objects WHERE change_id = ?"
_INDEXED_TO = "UPDATE search_scopes SET indexed_to = max(indexed_to, ?) WHERE scope_id = ?"
_COUNT = "SELECT count(*) FROM search_index WHERE search_index MATCH ?"
_MATCHES = """
SELECT key, rank FROM (
    SELECT rowid AS entry_id, rank FROM search_index WHERE search_index MATCH ? ORDER BY rank LIMIT ?
) JOIN search_entries USING (entry_id) WHERE change_id IS NOT NULL ORDER BY rank, key
"""

_Found = list[tuple[str, float]]


def search(database: Database, prefix: str, query: str) -> list[StorageSearchResult]:
    """Return the objects below `prefix` that have words of `query`, the best first, their keys without `prefix`."""
    database.require_open()
    if not query_terms(query, 0, STOP_WORDS):
        return []
    scope = _Scope(prefix, _register(database, prefix))
    terms = query_terms(query, scope.scope_id, STOP_WORDS)
    _catch_up(database, scope)
    found = database.read(lambda connection: None if _is_behind(connection, scope) else _best(connection, terms))
    if found is None:  # others write all the time: catch up with them and search in one transaction
        found = _catch_up_and_search(database, scope, terms)
    return [StorageSearchResult(key=key, score=rank / (rank - 1)) for key, rank in found]


class _Scope(NamedTuple):
    """What is searched: the keys below a prefix, by an id that marks their words."""

    prefix: str
    scope_id: int


def _register(database: Database, prefix: str) -> int:
    """Return the id of a scope; it gets one when it is searched for the first time."""
    row = database.read(lambda connection: connection.row(_SCOPE, (prefix,)))
    if row is None:
        database.write(lambda connection: connection.run(_ADD_SCOPE, (prefix,)))
        row = database.read(lambda connection: connection.row(_SCOPE, (prefix,)))
    return int(row[0])


def _best(connection: Connection, terms: list[str]) -> _Found:
    """Return key and rank of the best matches: of what has any of the words; of very many, the rarest that occur."""
    if len(terms) > MOST_TERMS:
        counts = {term: connection.row(_COUNT, (term,))[0] for term in terms}
        terms = sorted((term for term in terms if counts[term]), key=counts.__getitem__)[:MOST_TERMS]
    return connection.rows(_MATCHES, (" OR ".join(terms), MOST_RESULTS)) if terms else []


def _catch_up_and_search(database: Database, scope: _Scope, terms: list[str]) -> _Found:
    found: list[_Found] = []

    def run(connection: Connection) -> None:
        while _index.is_stale(connection):
            _index.drop_stale(connection)
        newest, changed = _changed(connection, scope)
        _add(connection, scope, [change_id for change_id, _ in changed], newest)
        found.append(_best(connection, terms))

    database.write(run)
    return found[-1]  # where the operation was run again, the last run is the one that counts


def _catch_up(database: Database, scope: _Scope) -> None:
    """Index what was committed and is not yet, in batches, between which other writers get their turn."""
    while database.read(_index.is_stale):
        database.write(_index.drop_stale)
    newest, changed = database.read(partial(_changed, scope=scope))
    batches = list(_batches(changed))
    for batch in batches:
        to = newest if batch is batches[-1] else batch[-1]
        database.write(partial(_add, scope=scope, change_ids=batch, indexed_to=to))
    if not batches and newest - database.read(partial(_indexed_to, scope=scope)) > _FEW:
        database.write(partial(_add, scope=scope, change_ids=[], indexed_to=newest))


def _is_behind(connection: Connection, scope: _Scope) -> bool:
    """Tell whether something was committed that the index does not know."""
    return _index.is_stale(connection) or bool(_changed(connection, scope)[1])


def _indexed_to(connection: Connection, scope: _Scope) -> int:
    return whole_number(connection.row(_SCOPE, (scope.prefix,))[1])  # where it is none, another program has written it


def _changed(connection: Connection, scope: _Scope) -> tuple[int, list[tuple[int, int]]]:
    """Return the newest change of all, and id and size of the objects in scope that are not indexed, oldest first."""
    newest, indexed_to = int(connection.row(_NEWEST)[0]), _indexed_to(connection, scope)
    if newest <= indexed_to:
        return indexed_to, []
    sql = _CHANGED if newest - indexed_to <= _FEW else _CHANGED_IN_SCOPE
    return newest, sorted(connection.rows(sql, (indexed_to, scope.prefix, end_of(scope.prefix))))


def _batches(changed: list[tuple[int, int]]) -> Iterator[list[int]]:
    batch: list[int] = []
    total = 0
    for change_id, size in changed:
        batch.append(change_id)
        total += size
        if len(batch) == BATCH_OBJECTS or total >= BATCH_BYTES:
            yield batch
            batch, total = [], 0
    if batch:
        yield batch


def _add(connection: Connection, scope: _Scope, change_ids: list[int], indexed_to: int) -> None:
    """Index some objects, those excepted that another search has indexed meanwhile, and note how far the index goes."""
    already = _indexed_to(connection, scope)
    entry_id = int(connection.row(_LAST_ENTRY)[0])
    for change_id in change_ids:
        found = connection.row(_KEY, (change_id,)) if change_id > already else None
        if found is not None:
            entry_id += 1
            key = found[0][len(scope.prefix) :]
            content = _objects.read_object(found[0])(connection) or b""
            text = f"{_EXTENSION.sub('', key)}\n{content.decode(errors='replace')}"
            _index.add(connection, entry_id, change_id, key, index_text(text, scope.scope_id))
    connection.run(_INDEXED_TO, (indexed_to, scope.scope_id))

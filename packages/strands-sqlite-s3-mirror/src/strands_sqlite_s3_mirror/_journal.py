"""`pruning.json`, beside `latest.json`: the releases that are being deleted, while they are."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

from .errors import MirrorConflictError

if TYPE_CHECKING:
    from ._bucket import Bucket
    from ._places import Places


def read_journal(bucket: Bucket, places: Places) -> tuple[set[str], str | None]:
    """Return which releases are being deleted, and the entity tag of what says so; None where there is nothing.

    Raises:
        MirrorConflictError: Something else is there.
    """
    found = bucket.get(places.pruning)
    if found is None:
        return set(), None
    try:
        return {str(label) for label in json.loads(found.data)["releases"]}, found.etag
    except (ValueError, TypeError, KeyError) as error:
        message = f"key=<{places.pruning}> is not what a prune wrote"
        raise MirrorConflictError(message, hint="find out who wrote it, then delete it") from error


def begin_journal(bucket: Bucket, places: Places, labels: set[str]) -> str:
    """Say that these releases are being deleted, beside those that were; return the entity tag.

    Raises:
        MirrorConflictError: Another prune said the same just now.
    """
    begun, etag = read_journal(bucket, places)
    body = json.dumps({"releases": sorted(begun | labels)}, ensure_ascii=False).encode()
    return bucket.put(places.pruning, body, if_absent=etag is None, if_match=etag)


def end_journal(bucket: Bucket, places: Places, etag: str) -> None:
    """Forget what was begun, unless another prune has taken over."""
    _, found = read_journal(bucket, places)
    if found == etag:
        bucket.delete([places.pruning])

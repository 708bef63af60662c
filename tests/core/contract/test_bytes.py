"""Bytes in messages and agents: they come back as bytes, and what only looks like them stays what it is."""

from __future__ import annotations

from typing import Any

import pytest

from .backends import Manager, SQLiteBackend
from .places import Place, changed, in_each_record
from .samples import said

pytestmark = pytest.mark.usefixtures("agent_a")

BYTES = {
    "empty": b"",
    "one": b"\0",
    "all": bytes(range(256)),
    "small": b"\xff" * 511,
    "middle": b"\x00\xfe" * 256,
    "large": bytes(range(256)) * 256,
    "like-text": b'{"__bytes_encoded__": true, "data": "eA=="}',
}

LOOK_ALIKES: dict[str, tuple[object, object]] = {
    "marker": ({"__bytes_encoded__": True, "data": "aGVsbG8="}, b"hello"),
    "marker-with-more-keys": ({"__bytes_encoded__": True, "data": "aGVsbG8=", "more": 1}, b"hello"),
    "marker-of-nothing": ({"__bytes_encoded__": True, "data": ""}, b""),
} | {
    name: (value, value)
    for name, value in {
        "no-data": {"__bytes_encoded__": True},
        "false": {"__bytes_encoded__": False, "data": "aGVsbG8="},
        "one": {"__bytes_encoded__": 1, "data": "aGVsbG8="},
        "text": '{"__bytes_encoded__":true,"data":"aGVsbG8="}',
        "text-in-a-key": {'"__bytes_encoded__":': 1},
        "reference": {"__bytes_encoded__": True, "sha256": "e3b0c442", "size": 600},
    }.items()
}
"""Dicts that resemble the SDK's form for bytes, or this package's own, and what is read."""


@in_each_record
def test_bytes_come_back_from_an_update(manager: Manager, place: Place) -> None:
    """Bytes may take the place of other bytes, and text the place of bytes."""
    place.create(manager, [BYTES["large"], BYTES["small"]])
    for value in ([BYTES["middle"]], [BYTES["large"]], ["none left"]):
        place.update(manager, value)

        assert place.read(manager) == value


@in_each_record
@pytest.mark.parametrize("beside", [None, b"small", b"large" * 200], ids=["alone", "beside-small", "beside-large"])
def test_what_looks_like_encoded_bytes_is_read_as_the_sdk_reads_it(
    manager: Manager, place: Place, beside: bytes | None
) -> None:
    """A caller's own dict in the SDK's form for bytes is decoded; one that only resembles it stays as it is."""
    written = {name: value for name, (value, _) in LOOK_ALIKES.items()} | {"beside": beside}
    expected = {name: stored for name, (_, stored) in LOOK_ALIKES.items()} | {"beside": beside}

    place.create(manager, written)

    assert changed(place, manager, expected) == {}


def test_sqlite_reference_to_another_messages_bytes_stays_a_dict(sqlite: SQLiteBackend) -> None:
    """**Ours.** A dict that names the digest of bytes stored elsewhere is not replaced by those bytes."""
    manager = sqlite.open("s")
    data = b"somebody else's" * 100
    manager.create_message("s", "a", said(0, data=data))
    ((digest,),) = sqlite.rows("SELECT sha256 FROM blobs")
    name = digest.hex() if isinstance(digest, bytes) else digest
    reference = {"__bytes_encoded__": True, "sha256": name, "size": len(data)}

    manager.create_message("s", "a", said(1, data=reference))
    manager.create_message("s", "a", said(2, data=[reference, data]))

    contents: list[Any] = [found.message for found in manager.list_messages("s", "a")]
    assert [content["data"] for content in contents] == [data, reference, [reference, data]]

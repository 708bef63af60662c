"""Where a mirror keeps what, and which labels, prefixes and keys it takes."""

from __future__ import annotations

import pytest

from strands_sqlite_s3_mirror._places import (
    LONGEST_KEY,
    MANIFEST,
    OBJECTS,
    SIDECARS,
    Places,
    require_key,
    require_label,
)
from strands_sqlite_s3_mirror.errors import InvalidPrefixError, InvalidReleaseError, KeyTooLongError, ReservedKeyError


@pytest.mark.parametrize("prefix", ["team/agent", "/team/agent/", "team/agent/"])
def test_everything_lies_below_the_prefix(prefix: str) -> None:
    """Slashes at the ends of a prefix mean nothing, as for `S3SessionManager`."""
    places = Places(prefix)

    assert places.live == "team/agent/live/"
    assert places.releases == "team/agent/releases/"
    assert places.release("1.2") == "team/agent/releases/1.2/"
    assert places.latest == "team/agent/latest.json"


@pytest.mark.parametrize("prefix", ["", "/"])
def test_without_a_prefix_the_bucket_is_the_mirrors(prefix: str) -> None:
    """No key begins with a slash."""
    places = Places(prefix)

    assert (places.live, places.release("1"), places.latest) == ("live/", "releases/1/", "latest.json")


@pytest.mark.parametrize("prefix", ["a//b", "a/../b", "a/./b", "..", "a\\b", "a\0b", "a\nb", "\ud800"])
def test_a_prefix_that_some_reader_would_take_for_another_is_refused(prefix: str) -> None:
    """`S3Storage` joins runs of slashes and refuses `..` and backslashes, `S3SessionManager` does neither."""
    with pytest.raises(InvalidPrefixError) as caught:
        Places(prefix)

    assert isinstance(caught.value, ValueError)


@pytest.mark.parametrize("label", ["1.2.0", "v1", "2026-05-01 nightly", "ü", "...", "a" * 200, "-", "latest"])
def test_labels_of_releases(label: str) -> None:
    """What names a release anywhere else names it here."""
    assert require_label(label) == label


@pytest.mark.parametrize(
    "label",
    ["", ".", "..", "a/b", "/", "a\\b", "a\nb", "\x7f", "\x85", "a\0", "a" * 201, "ü" * 101, "\ud800"],
    ids=ascii,
)
def test_labels_that_are_refused(label: str) -> None:
    """A label that is no single folder, or cannot be read on a terminal, names no release."""
    with pytest.raises(InvalidReleaseError) as caught:
        Places("base").release(label)

    assert isinstance(caught.value, ValueError)
    assert "200 bytes" in caught.value.hint


def test_a_key_may_have_1024_bytes() -> None:
    """The limit of S3 counts bytes of UTF-8 of the whole key, root included."""
    root = "base/live/"
    path = "ü" * ((LONGEST_KEY - len(root)) // 2)

    assert len(require_key(root, path, "message").encode()) == LONGEST_KEY
    with pytest.raises(KeyTooLongError, match="has 1025 bytes of UTF-8") as caught:
        require_key(root, f"{path}x", "message")
    assert isinstance(caught.value, ValueError)


@pytest.mark.parametrize(
    "path",
    [MANIFEST, OBJECTS, f"{SIDECARS}session_1.json", f"{SIDECARS}x", "session_1/x", "session_/x", "session_1/a/b"],
)
def test_a_storage_object_cannot_take_the_place_of_the_mirrors_own(path: str) -> None:
    """An object under such a key would be taken for a manifest, a sidecar or a session: it is refused."""
    with pytest.raises(ReservedKeyError) as caught:
        require_key("base/live/", path, "object")

    assert isinstance(caught.value, ValueError)


@pytest.mark.parametrize(
    "path",
    [
        "session/1/scopes/agent/a/snapshots/x.json",
        "context/1/x",
        "memory/x",
        "session_1",
        "x/manifest.json",
        "strands_sqlite",
    ],
)
def test_other_storage_objects_keep_their_keys(path: str) -> None:
    """What the SDK writes, and what only resembles a reserved key, lies where `S3Storage` reads it."""
    assert require_key("base/live/", path, "object") == f"base/live/{path}"


def test_sessions_and_sidecars_lie_where_objects_may_not() -> None:
    """What is reserved is reserved for these."""
    assert require_key("r/", "session_1/session.json", "session") == "r/session_1/session.json"
    assert require_key("r/", f"{SIDECARS}session_1.json", "sidecar") == "r/strands_sqlite/session_1.json"

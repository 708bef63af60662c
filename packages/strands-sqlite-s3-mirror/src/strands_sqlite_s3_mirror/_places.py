"""Where a mirror keeps what: the keys below its prefix, and which labels and keys are allowed."""

from __future__ import annotations

import unicodedata

from .errors import InvalidPrefixError, InvalidReleaseError, KeyTooLongError, ReservedKeyError

MANIFEST = "manifest.json"
OBJECTS = "manifest.objects.jsonl"
SIDECARS = "strands_sqlite/"

LONGEST_KEY = 1024
"""The most bytes of UTF-8 in a key of S3."""

LONGEST_LABEL = 200
"""The most bytes of UTF-8 in a release label."""

_SESSIONS = "session_"


class Places:
    """The keys of one mirror: everything of it lies below one prefix.

    Example:
        ```python
        from strands_sqlite_s3_mirror._places import Places

        places = Places("backups/my-agent")
        assert places.live == "backups/my-agent/live/"
        assert places.release("1.4.0") == "backups/my-agent/releases/1.4.0/"
        ```

    Attributes:
        live: Root of the copy that moves with the database.
        releases: What the roots of all releases begin with.
        latest: Key of the object that names the newest release.
        pruning: Key of the object that names the releases that are being deleted.
    """

    def __init__(self, prefix: str = "") -> None:
        """Take the prefix, with or without slashes at its ends; empty means the whole bucket.

        Raises:
            InvalidPrefixError: It has empty or dotted segments, backslashes or control characters.
        """
        base = prefix.strip("/")
        if base and any(_is_unfit(segment) for segment in base.split("/")):
            message = f"prefix=<{prefix!a}> is not made of names and single slashes"
            raise InvalidPrefixError(message)
        self._base = f"{base}/" if base else ""
        self.live = f"{self._base}live/"
        self.releases = f"{self._base}releases/"
        self.latest = f"{self._base}latest.json"
        self.pruning = f"{self._base}pruning.json"

    def release(self, label: str) -> str:
        """Return the root of the release `label`.

        Raises:
            InvalidReleaseError: The label is not allowed.
        """
        return f"{self.releases}{require_label(label)}/"


def require_label(label: str) -> str:
    """Return `label` if it can name a release.

    Raises:
        InvalidReleaseError: It is empty, longer than 200 bytes of UTF-8, `.` or `..`, or holds slashes, backslashes
            or control characters.
    """
    if "/" in label or _is_unfit(label) or len(label.encode()) > LONGEST_LABEL:
        shown = label if len(label) <= LONGEST_LABEL else f"{label[:40]}…"
        message = f"release=<{shown!a}> cannot name a release"
        raise InvalidReleaseError(message)
    return label


def require_key(root: str, path: str, kind: str) -> str:
    """Return the whole key of what lies at `path` below `root`.

    Args:
        root: Root of a release or of the live copy, with its slash.
        path: Where the object lies below it.
        kind: What it is; an `"object"` of a storage has a key that somebody chose, so that is checked.

    Raises:
        KeyTooLongError: The whole key has more than 1,024 bytes of UTF-8.
        ReservedKeyError: It is an `"object"` and would lie where the mirror or a session has its own.
    """
    if kind == "object" and _is_reserved(path):
        message = f"key=<{path!a}> is reserved below root=<{root!a}>"
        raise ReservedKeyError(message)
    key = root + path
    size = len(key.encode())
    if size > LONGEST_KEY:
        message = f"key=<{key[:80]!a}…> has {size} bytes of UTF-8, S3 takes {LONGEST_KEY}"
        raise KeyTooLongError(message)
    return key


def _is_reserved(path: str) -> bool:
    folder, slash, _ = path.partition("/")
    if not slash:
        return path in {MANIFEST, OBJECTS}
    return path.startswith(SIDECARS) or folder.startswith(_SESSIONS)


def _is_unfit(name: str) -> bool:
    return (
        name in {"", ".", ".."}
        or "\\" in name
        or any(unicodedata.category(character) in {"Cc", "Cs"} for character in name)
    )

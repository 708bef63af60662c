"""Keys of storage objects, and the prefixes by which they are listed."""

from __future__ import annotations

import re

from .errors import InvalidKeyError

LONGEST_KEY = 1024
"""The most bytes of UTF-8 in a key: S3 allows no longer one."""

_SLASHES = re.compile("/+")
_UNSTORABLE = re.compile("[\0\ud800-\udfff]")
_HIGHEST = 0x10FFFF


def normalized_key(key: str, namespace: str = "") -> str:
    """Return the whole key of `key` in `namespace`: runs of `/` are one, those at the ends go.

    Raises:
        TypeError: It is no text.
        InvalidKeyError: It is empty, has a `..` segment, or holds what a key may not.
    """
    return _checked(_collapsed(key).strip("/"), key, namespace, empty=False)


def normalized_prefix(prefix: str, namespace: str = "") -> str:
    """Return the whole prefix of `prefix` in `namespace`: as a key, but it may be empty, and a `/` at its end stays.

    Raises:
        TypeError: It is no text.
        InvalidKeyError: It has a `..` segment, or holds what a key may not.
    """
    return _checked(_collapsed(prefix).lstrip("/"), prefix, namespace, empty=True)


def end_of(prefix: str) -> str | None:
    """Return the first text behind everything that begins with `prefix`; None where there is no end."""
    for index in range(len(prefix) - 1, -1, -1):
        code = ord(prefix[index])
        if code < _HIGHEST:
            following = 0xE000 if code == 0xD7FF else code + 1  # noqa: PLR2004 - what lies between is no text
            return prefix[:index] + chr(following)
    return None


def _collapsed(text: object) -> str:
    if not isinstance(text, str):
        message = f"a storage key must be str, not {type(text).__name__}"
        raise TypeError(message)
    return _SLASHES.sub("/", text)


def _checked(text: str, given: str, namespace: str, *, empty: bool) -> str:
    whole = namespace + text
    if not text and not empty:
        message = f"key=<{given!a}> | a storage key must not be empty"
        raise InvalidKeyError(message)
    if "\\" in text or ".." in text.split("/"):
        message = f"key=<{given!a}> | backslashes and '..' segments are not allowed"
        raise InvalidKeyError(message)
    if _UNSTORABLE.search(text):
        message = f"key=<{given!a}> holds NUL or a lone surrogate"
        raise InvalidKeyError(message)
    size = len(whole.encode())
    if size > LONGEST_KEY:
        message = f"key=<{whole[:40]!a}…> has {size} bytes of UTF-8"
        raise InvalidKeyError(message)
    return whole

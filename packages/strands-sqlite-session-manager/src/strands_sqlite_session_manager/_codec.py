"""Values to JSON text and back, large binary parts apart from the text."""

from __future__ import annotations

import json
from base64 import b64decode, b64encode
from collections.abc import Mapping
from dataclasses import asdict, is_dataclass
from hashlib import sha256
from math import inf
from typing import TYPE_CHECKING, Any

from ._standalone import stands_alone
from .errors import CodecError

if TYPE_CHECKING or not stands_alone():
    from pydantic_core import from_json, to_json
else:  # a command has listed its sessions before pydantic_core is imported
    from_json = json.loads

    def to_json(value: object) -> bytes:
        """Return `value`, made of exact JSON types, as JSON text in UTF-8."""
        return _STRICT.encode(value).encode()


BLOB_BYTES = 512
"""Binary values of at least this many bytes are stored once, as bytes; smaller ones stay as base64 in the JSON."""

_MARK = '"__bytes_encoded__":'
_MENDED = "the row was changed by another program; restore it from a backup"
_SCALARS = frozenset({str, float, bool, type(None)})
_LARGEST_INTEGER = 2**64
"""Larger integers are left to the careful encoder, which knows the limit of Python's parser."""


def encode_bytes_values(value: Any) -> Any:
    """Return `value` with binary values in dicts and lists as the SDK writes them to JSON."""
    if isinstance(value, bytes):
        return {"__bytes_encoded__": True, "data": b64encode(value).decode()}
    if isinstance(value, dict):
        return {key: encode_bytes_values(item) for key, item in value.items()}
    if isinstance(value, list):
        return [encode_bytes_values(item) for item in value]
    return value


def decode_bytes_values(value: Any) -> Any:
    """Return `value` with what the SDK writes for binary values as bytes again.

    Raises:
        TypeError: What stands for bytes holds no text.
        ValueError: It holds no base64.
    """
    if isinstance(value, dict):
        if value.get("__bytes_encoded__") is True and "data" in value:
            return b64decode(value["data"])
        return {key: decode_bytes_values(item) for key, item in value.items()}
    if isinstance(value, list):
        return [decode_bytes_values(item) for item in value]
    return value


def _default(value: object) -> object:
    if is_dataclass(value) and not isinstance(value, type):
        return asdict(value)
    message = f"Object of type {type(value).__name__} is not JSON serializable"
    raise TypeError(message)


_CAREFUL = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"), default=_default)
_STRICT = json.JSONEncoder(ensure_ascii=False, separators=(",", ":"))


def _is_plain(value: object) -> bool:
    """Tell whether `value` is made of exact JSON types only: then the fast encoder and `json.dumps` agree."""
    kind = type(value)
    if kind is dict:
        for key, item in value.items():  # type: ignore[attr-defined]  # `kind is dict` does not narrow
            if type(key) is not str or (type(item) not in _SCALARS and not _is_plain(item)):
                return False
        return True
    if kind is list:
        for item in value:  # type: ignore[attr-defined]  # noqa: SIM110  # as above; twice as fast as all()
            if type(item) not in _SCALARS and not _is_plain(item):
                return False
        return True
    if kind is int:
        return -_LARGEST_INTEGER < value < _LARGEST_INTEGER  # type: ignore[operator]  # as above
    return kind in _SCALARS


def _fast(value: object) -> str | None:
    """Return `value` as JSON text, or None where the careful encoder must decide."""
    try:
        text = to_json(value).decode() if _is_plain(value) else None
    except (ValueError, RecursionError):
        return None
    return None if text is not None and _MARK in text else text


def _require_readable(text: str) -> str:
    """Refuse a value of the caller's that looks like encoded bytes and is none: nobody could read it back.

    Raises:
        CodecError: It does.
    """
    if _MARK in text:
        try:
            decode_bytes_values(loads(text))
        except (ValueError, TypeError, RecursionError) as error:
            message = f"the value holds a dict with __bytes_encoded__ that cannot be decoded: {error}"
            raise CodecError(message, hint="give such a dict base64 text as data, or another key") from error
    return text


def _careful(encoder: json.JSONEncoder, value: object, marks: _Marks | None = None) -> str:
    try:
        text = encoder.encode(value if marks is None else marks.put_in(value))
        if not text.isascii():
            text.encode()
    except UnicodeEncodeError as error:
        message = f"text at position {error.start} holds a lone surrogate, which UTF-8 cannot hold"
        raise CodecError(message) from error
    except RecursionError as error:
        message = "the value is nested too deeply, or contains itself"
        raise CodecError(message) from error
    except ValueError as error:
        raise CodecError(str(error)) from error
    return text


def dumps(value: object) -> str:
    """Return `value` as JSON text; bytes in dicts and lists at any depth become base64, as the SDK writes them.

    Raises:
        TypeError: A value that JSON cannot hold, as `json.dumps` says it.
        CodecError: A lone surrogate, a circular reference, or nesting beyond what can be read back.
    """
    return _fast(value) or _require_readable(_careful(_CAREFUL, value, _Marks()))


def dumps_strict(value: object) -> str:
    """Return `value` as JSON text, as `json.dumps` would: bytes are refused too.

    Raises:
        TypeError: A value that JSON cannot hold, bytes included.
        CodecError: As `dumps`.
    """
    return _fast(value) or _careful(_STRICT, value)


def dumps_apart(*values: object) -> tuple[list[str], dict[str, bytes]]:
    """Return each of `values` as JSON text, and the large binary values in them by their SHA-256 in hexadecimal.

    The texts refer to the large values. Where the values hold something that looks like such a reference already,
    nothing is taken apart: what is read back is then unambiguous.

    Raises:
        TypeError: As `dumps`.
        CodecError: As `dumps`.
    """
    texts = []
    for value in values:
        text = _fast(value)
        if text is None:
            return _take_apart(values)
        texts.append(text)
    return texts, {}


def _take_apart(values: tuple[object, ...]) -> tuple[list[str], dict[str, bytes]]:
    marks = _Marks(smallest_apart=BLOB_BYTES)
    texts = [_careful(_CAREFUL, value, marks) for value in values]
    if sum(text.count(_MARK) for text in texts) != marks.count:
        return [dumps(value) for value in values], {}
    return texts, marks.blobs


class _Marks:
    """Stand in JSON for binary values: with the bytes as base64, or with a reference to what is kept apart."""

    def __init__(self, smallest_apart: float = inf) -> None:
        self.blobs: dict[str, bytes] = {}
        self.count = 0
        self._smallest_apart = smallest_apart

    def put_in(self, value: Any) -> Any:
        """Return `value` with a mark for each binary value that the SDK would find: in dicts and lists."""
        if isinstance(value, bytes):
            return self._mark(value)
        if isinstance(value, dict):
            return {key: self.put_in(item) for key, item in value.items()}
        if isinstance(value, list):
            return [self.put_in(item) for item in value]
        if is_dataclass(value) and not isinstance(value, type):
            return self.put_in(asdict(value))
        return value

    def _mark(self, content: bytes) -> Any:
        self.count += 1
        if len(content) < self._smallest_apart:
            return encode_bytes_values(content)
        digest = sha256(content).hexdigest()
        self.blobs[digest] = content
        return {"__bytes_encoded__": True, "sha256": digest, "size": len(content)}


def loads(text: str) -> Any:
    """Return the value that `text` holds, markers of binary values as they are.

    Raises:
        CodecError: `text` is not JSON, which no version of this package writes.
    """
    try:
        return from_json(text)
    except (ValueError, TypeError):
        return _loads_slowly(text)


def _loads_slowly(text: str) -> Any:
    """Read what the fast parser refuses: nesting beyond 200 levels; what is no text was put there by others."""
    try:
        return json.loads(text)
    except (ValueError, TypeError, RecursionError) as error:
        message = f"a stored value is not readable JSON: {error}"
        raise CodecError(message, hint=_MENDED) from error


def require_texts(*values: object) -> None:
    """Refuse what is no text: the columns of text hold nothing else, unless another program has put it there.

    Raises:
        CodecError: One is not.
    """
    for value in values:
        if not isinstance(value, str):
            message = f"a stored value is {type(value).__name__} where text belongs"
            raise CodecError(message, hint=_MENDED)


def has_bytes(text: str) -> bool:
    """Tell whether `text` may hold binary values, or references to them."""
    return _MARK in text


def loads_bytes(text: str, blobs: Mapping[str, bytes] | None = None) -> Any:
    """Return the value that `text` holds, binary values decoded; references are looked up in `blobs`.

    Raises:
        CodecError: `text` is not JSON.
    """
    value = loads(text)
    if _MARK not in text:
        return value
    try:
        return decode_bytes_values(_resolve(value, blobs) if blobs else value)
    except (ValueError, TypeError, RecursionError) as error:
        message = f"a stored value holds binary values that cannot be read: {error}"
        raise CodecError(message, hint=_MENDED) from error


def _resolve(value: Any, blobs: Mapping[str, bytes]) -> Any:
    if isinstance(value, dict):
        if value.get("__bytes_encoded__") is True and value.get("sha256") in blobs and "data" not in value:
            return blobs[value["sha256"]]
        return {key: _resolve(item, blobs) for key, item in value.items()}
    if isinstance(value, list):
        return [_resolve(item, blobs) for item in value]
    return value

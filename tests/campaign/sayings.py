"""What the writers of the campaign write: everything follows from a name and a number, so that any reader knows it."""

from __future__ import annotations

import json
import random
from functools import lru_cache
from typing import Any

LONGEST = 40
"""So many messages has a conversation before its writer deletes it and begins another."""

_PIXELS = tuple(random.Random(seed).randbytes(700 + seed) for seed in range(3))
_KEPT = 30
_DELETED_EVERY = 7
_REDACTED = 6


def conversation(name: str, step: int) -> tuple[str, int]:
    """Return the session in which a writer is after `step` steps, and how many messages it has then."""
    number, messages = divmod(step - 1, LONGEST + 1)
    return f"{name}-{number}", messages


def said(session: str, number: int) -> dict[str, Any]:
    """Return a message of a conversation; some share their pictures with those of other writers."""
    filler = "what one says " * (number * 37 % 40)
    content: list[Any] = [{"text": f"{word_of(session, number)} {filler}"}]
    if number % 5 == 3:
        content.append({"image": {"format": "png", "source": {"bytes": _PIXELS[number % len(_PIXELS)]}}})
    return {"role": "user", "content": content}


def word_of(session: str, number: int) -> str:
    """Return the word that only this message has."""
    return f"{session.replace('-', 'x')}n{number}n"


def may_be_redacted(number: int) -> bool:
    """Tell whether the writer may redact a message, some time after it was stored."""
    return number % _DELETED_EVERY == _REDACTED


def replacement(session: str, number: int) -> dict[str, Any]:
    """Return what is put in place of a redacted message."""
    return {"role": "user", "content": [{"text": f"[gone] {session} {number}"}]}


@lru_cache(maxsize=64)
def kept(key: str, version: int) -> bytes | None:
    """Return what a storage has under `key` at a version, None for those at which it is deleted.

    It is a snapshot as the SDK writes it. Each version has most messages of the one before, and keys share theirs.
    """
    if version % _DELETED_EVERY == 0:
        return None
    first = max(0, version - _KEPT)
    texts = [_sentence(number) for number in range(first, version)]
    messages = [{"role": "user", "content": [{"text": text}]} for text in texts]
    data = {"messages": messages, "state": {"key": key, "version": version, "word": word_at(key, version)}}
    return json.dumps({"scope": "agent", "schema_version": "1.0", "data": data, "app_data": {}}).encode()


def word_at(key: str, version: int) -> str:
    """Return the word that only this version of this key has."""
    return f"{key.replace('/', 'x').replace('-', 'x')}v{version}v"


@lru_cache(maxsize=4096)
def _sentence(number: int) -> str:
    chance = random.Random(number)
    return f"{number} " + " ".join(f"word{chance.randrange(5000)}" for _ in range(chance.randrange(1, 60)))

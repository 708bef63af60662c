"""What workers of the crew do with the objects of a storage."""

from __future__ import annotations

import asyncio
import hashlib
import json
import os
import random
import signal
from itertools import count
from typing import Any

import apsw
from reporting import report

from strands_sqlite_session_manager import SQLiteStorage

AGENTS = 3
MOST_CHECKPOINTS = 12


def digest(data: bytes | None) -> str | None:
    """Return what stands for an object in a report; None for one that is not there."""
    return None if data is None else hashlib.sha256(data).hexdigest()


def snapshot(messages: list[Any], writer: str) -> bytes:
    """Return a snapshot as the SDK writes it, which says itself how long it is."""
    data = {"messages": messages, "state": {"writer": writer, "length": len(messages)}, "model_state": {}}
    whole = {"scope": "agent", "schema_version": "1.0", "created_at": f"{len(messages)}", "data": data, "app_data": {}}
    return json.dumps(whole, ensure_ascii=False).encode()


def turn(chance: random.Random, writer: str) -> list[dict[str, Any]]:
    """Return two messages that nobody else says."""
    texts = [f"{writer} {chance.random()} " * chance.randrange(1, 60) for _ in range(2)]
    return [
        {"role": role, "content": [{"text": text}]} for role, text in zip(("user", "assistant"), texts, strict=True)
    ]


def read_messages(storage: SQLiteStorage, key: str) -> list[Any]:
    data = asyncio.run(storage.read(key))
    found: list[Any] = [] if data is None else json.loads(data)["data"]["messages"]
    return found


def change(storage: SQLiteStorage, key: str, data: bytes | None) -> None:
    """Write or delete an object; report what is about to be done, and that it was acknowledged."""
    report(begins=key, digest=digest(data))
    asyncio.run(storage.delete(key) if data is None else storage.write(key, data))
    report(done=key)


def keep(db: str, seed: str, durability: Any) -> None:
    """Write, overwrite and delete snapshots of some agents until killed; start from what is stored."""
    chance = random.Random(seed)
    storage = SQLiteStorage(db, durability=durability)
    folders = [f"session/s/scopes/agent/a{number}/snapshots" for number in range(AGENTS)]
    conversations = {folder: read_messages(storage, f"{folder}/snapshot_latest.json") for folder in folders}
    checkpoints = [key for key in asyncio.run(storage.list("")) if "/immutable_history/" in key]
    report(ready=len(checkpoints))
    for number in count():
        folder = chance.choice(folders)
        messages = conversations[folder]
        messages += turn(chance, folder)
        if chance.random() < 0.2:
            del messages[: chance.randrange(len(messages))]
        data = snapshot(messages, folder)
        checkpoints.append(f"{folder}/immutable_history/snapshot_{seed}-{number:06d}.json")
        change(storage, checkpoints[-1], data)
        change(storage, f"{folder}/snapshot_latest.json", data)
        if len(checkpoints) > MOST_CHECKPOINTS:
            change(storage, checkpoints.pop(chance.randrange(MOST_CHECKPOINTS)), None)


def overwrite(db: str, key: str, times: int, *, keeps_checkpoints: bool) -> None:
    """Overwrite an object that others overwrite too; report what was written last, and the checkpoints."""
    writer = f"writer {os.getpid()}"
    chance, messages, kept, data = random.Random(writer), [], {}, b""
    with SQLiteStorage(db, durability="normal") as storage:
        for number in range(times):
            messages += turn(chance, writer)
            data = snapshot(messages, writer)
            asyncio.run(storage.write(key, data))
            found = json.loads(asyncio.run(storage.read(key)) or b"")["data"]
            assert len(found["messages"]) == found["state"]["length"], "half of a version was read"
            if keeps_checkpoints and number % 10 == 0:
                name = f"session/s/checkpoints/{writer}/{number}"
                asyncio.run(storage.write(name, data))
                kept[name] = digest(data)
    report(last=digest(data), kept=kept)


def die_at_write(db: str, call: int, key: str, *, deletes: bool) -> None:
    """Change an object, and be killed just before that write or sync; the first is 0."""
    vfs = MortalVFS(call)
    storage = SQLiteStorage(f"file:{db}?vfs={vfs.name}")
    messages = read_messages(storage, key)
    data = None if deletes else snapshot(messages + turn(random.Random(call), "mortal"), "mortal")
    vfs.armed = True
    change(storage, key, data)
    vfs.armed = False
    storage.close()


class MortalVFS(apsw.VFS):
    """Kills its process in the middle of writing.

    Attributes:
        armed: Whether writes count.
    """

    def __init__(self, calls: int) -> None:
        self.name = "mortal"
        self.armed = False
        self._left = calls
        super().__init__(self.name, "")

    def xOpen(self, name: apsw.URIFilename | str | None, flags: list[int]) -> apsw.VFSFile:  # noqa: N802
        return _MortalFile(self, name, flags)

    def count_down(self) -> None:
        if self.armed:
            if self._left == 0:
                os.kill(os.getpid(), signal.SIGKILL)
            self._left -= 1


class _MortalFile(apsw.VFSFile):
    def __init__(self, vfs: MortalVFS, name: apsw.URIFilename | str | None, flags: list[int]) -> None:
        super().__init__("", name, flags)
        self._vfs = vfs

    def xWrite(self, data: bytes, offset: int) -> None:  # noqa: N802
        self._vfs.count_down()
        super().xWrite(data, offset)

    def xSync(self, flags: int) -> None:  # noqa: N802
        self._vfs.count_down()
        super().xSync(flags)

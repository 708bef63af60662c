"""Copying between storages: every key, exact bytes, both ways, and on from where a copy broke off."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto import mock_aws
from strands.storage import InMemoryStorage, LocalFileStorage, S3Storage, Storage

from strands_sqlite_session_manager import (
    CopyProgress,
    SQLiteStorage,
    copy_storage,
)

from .file import File
from .partners import Counted, contents_of, objects, put

BUCKET = "copies"
MANY = {"memory": 2000, "files": 1000, "s3": 60, "sqlite": 1000}
"""How many keys go to each kind of storage and back; S3 in a process is slow."""

_PREFIXES = itertools.count()


@pytest.fixture(scope="module")
def s3_session() -> Iterator[Any]:
    """A boto3 session on moto's S3, with one bucket, and credentials that open nothing."""
    with pytest.MonkeyPatch.context() as patch, mock_aws():
        for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
            patch.setenv(name, "testing")
        session: Any = boto3.Session(region_name="us-east-1")
        session.client("s3").create_bucket(Bucket=BUCKET)
        yield session


@pytest.fixture(params=sorted(MANY))
def kind(request: pytest.FixtureRequest) -> str:
    """Each kind of storage in turn."""
    return str(request.param)


@pytest.fixture
def other(kind: str, request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Storage]:
    """An empty storage to copy to or from."""
    if kind == "memory":
        yield InMemoryStorage()
    elif kind == "files":
        yield LocalFileStorage(str(tmp_path / "files"))
    elif kind == "s3":
        prefix = f"test-{next(_PREFIXES)}"
        yield S3Storage(BUCKET, prefix=prefix, boto_session=request.getfixturevalue("s3_session"))
    else:
        with SQLiteStorage(tmp_path / "other.db", durability="normal") as storage:
            yield storage


def test_every_object_goes_there_and_back(file: File, kind: str, other: Storage) -> None:
    """Thousands of objects of all sizes arrive with their exact bytes, and come back the same."""
    contents = objects(MANY[kind])

    async def there_and_back() -> None:
        source, target = file.storage(), SQLiteStorage(file.path.with_name("back.db"), durability="normal")
        await put(source, contents)
        there = await copy_storage(source, other)
        back = await copy_storage(other, target)
        assert (there.done, there.total, there.copied) == (len(contents),) * 3
        assert back == there
        assert await contents_of(other) == contents
        assert await contents_of(target) == contents
        target.close()

    asyncio.run(there_and_back())


def test_a_second_run_copies_nothing(file: File, other: Storage) -> None:
    """What is the same on both sides is looked at and not written; what changed since is written alone."""
    contents = objects(60)

    async def again() -> None:
        source = file.storage()
        await put(source, contents)
        await put(other, {"only here": b"kept"})
        assert (await copy_storage(source, other)).copied == 60
        assert (await copy_storage(source, other)).copied == 0
        await put(source, {"2": b"changed", "new": b""})
        last = await copy_storage(source, other)
        assert (last.done, last.total, last.copied) == (61, 61, 2)
        assert await contents_of(other) == {**contents, "2": b"changed", "new": b"", "only here": b"kept"}

    asyncio.run(again())


def test_an_object_that_is_equal_is_not_written() -> None:
    """The target is read first, and a write happens only where it lacks the object or has other bytes."""
    source, target = InMemoryStorage(), Counted()

    async def copy() -> None:
        await put(source, {"a": b"1", "b": b"2", "c": b"", "d": b"4"})
        await put(target, {"a": b"1", "b": b"two"})
        target.written.clear()
        await copy_storage(source, target)

    asyncio.run(copy())
    assert target.written == ["b", "c", "d"]


def test_a_prefix_selects_what_is_copied(file: File) -> None:
    """Only keys that begin with the prefix, as `list` understands it, are copied."""
    keys = ("a/b", "a/bc", "a/B", "a/c", "a%", "a", "A/b")
    expected = {"a/b": ["a/b", "a/bc"], "a/": ["a/B", "a/b", "a/bc", "a/c"], "a%": ["a%"], "none": []}

    async def copy() -> None:
        source = file.storage()
        await put(source, {key: key.encode() for key in keys})
        for prefix, selected in expected.items():
            target = InMemoryStorage()
            last = await copy_storage(source, target, prefix=prefix)
            assert await target.list("") == selected
            assert (last.done, last.total, last.copied) == (len(selected),) * 3

    asyncio.run(copy())


def test_progress_is_told_key_by_key(file: File) -> None:
    """Each key is reported once, in order, with how many were looked at, how many there are, and how many written."""
    told: list[CopyProgress] = []

    async def copy() -> CopyProgress:
        source, target = file.storage(), InMemoryStorage()
        await put(source, {"c": b"3", "a": b"1", "\u00fc": b"4", "b": b"2"})
        await put(target, {"b": b"2"})
        return await copy_storage(source, target, progress=told.append)

    last = asyncio.run(copy())
    assert told == [
        CopyProgress("a", done=1, total=4, copied=1),
        CopyProgress("b", done=2, total=4, copied=1),
        CopyProgress("c", done=3, total=4, copied=2),
        CopyProgress("\u00fc", done=4, total=4, copied=3),
    ]
    assert last == told[-1]


def test_nothing_to_copy(file: File) -> None:
    """An empty storage is copied at once, without progress."""
    told: list[CopyProgress] = []
    last = asyncio.run(copy_storage(file.storage(), InMemoryStorage(), progress=told.append))
    assert (last.done, last.total, last.copied) == (0, 0, 0)
    assert told == []


@pytest.mark.parametrize("start_after", ["b", "bb", "b/", "\u00fc", "", None])
def test_start_after_need_not_be_a_key(file: File, start_after: str | None) -> None:
    """Keys up to and including it are passed over, by code point, whether it is one of them or not."""
    keys = ["a", "b", "b/c", "c", "\u00e4", "\u6f22"]

    async def copy() -> list[str]:
        source, target = file.storage(), InMemoryStorage()
        await put(source, dict.fromkeys(keys, b"x"))
        await copy_storage(source, target, start_after=start_after)
        return await target.list("")

    assert asyncio.run(copy()) == [key for key in keys if key > (start_after or "")]


def test_namespaces_are_copied_into_one_another(file: File) -> None:
    """Keys are relative to the namespace on either side; what lies beside it is not touched."""

    async def copy() -> None:
        ours, theirs = file.storage(), InMemoryStorage()
        await put(ours, {"a/x": b"1", "a/b/y": b"2", "ab": b"no", "c": b"no"})
        await copy_storage(ours.namespace("a"), theirs.namespace("t/u"))
        assert await contents_of(theirs) == {"t/u/x": b"1", "t/u/b/y": b"2"}
        last = await copy_storage(theirs.namespace("t"), ours.namespace("back"), prefix="u/b")
        assert last == CopyProgress("u/b/y", done=1, total=1, copied=1)
        assert await ours.list("back") == ["back/u/b/y"]
        await copy_storage(ours.namespace("a"), ours.namespace("twice"))
        assert await contents_of(ours.namespace("twice")) == {"x": b"1", "b/y": b"2"}

    asyncio.run(copy())


def test_two_copies_at_once_into_one_file(file: File) -> None:
    """Copies from two storages on one loop end with the objects of both."""
    one, two = objects(200), {f"of two/{key}": data for key, data in objects(200).items()}

    async def copy() -> None:
        sources = [InMemoryStorage(), InMemoryStorage()]
        for source, contents in zip(sources, (one, two), strict=True):
            await put(source, contents)
        await asyncio.gather(*(copy_storage(source, file.storage()) for source in sources))
        assert await contents_of(file.storage()) == {**one, **two}

    asyncio.run(copy())

"""The measurements that one thread makes: appends, turns, restores and images."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import ExitStack
from functools import partial
from itertools import count
from pathlib import Path

from strands.session import RepositorySessionManager
from strands.types.session import SessionMessage

from benchmarks import material
from benchmarks.adapters import FILE, FLOOR, OPENERS, OURS, S3, Durability, Floor
from benchmarks.environment import Disk
from benchmarks.goals import MIB
from benchmarks.measure import Figure, Result, Series, Subject, interleave, ratio, single, timed
from benchmarks.scale import Scale
from benchmarks.turns import Conversation

_SESSION = "session"
_S3_BATCH, _S3_ROUNDS, _S3_LONGEST = 5, 5, 100  # one message takes milliseconds there
_SLOW_MESSAGES = {FILE: 3_000, S3: 200}  # so that their rounds of restores end when about this many were read
_IMAGE_SUBJECTS = (OURS, FLOOR, FILE)
_NO_FSYNC = f"{FILE} never waits for the disk; moto answers from memory, without a network"


def append(folder: Path, scale: Scale, durability: Durability) -> Result:
    """Measure appends of 600-byte messages, one after the other."""
    with ExitStack() as stack:
        subjects = [
            Subject(name, _appender(manager), _S3_BATCH if name == S3 else scale.append_batch)
            for name, manager in _opened(stack, folder, OPENERS, durability)
        ]
        if durability == "full":
            disk = stack.enter_context(Disk(folder))
            subjects.append(Subject("the disk alone: 4 KiB, then fsync", disk.append, scale.append_batch))
        series = interleave(subjects, scale.append_rounds)
    title = f"append one 600-byte message at {durability}"
    return Result(f"append-{durability}", title, "seconds", series, _ratios(series), [_NO_FSYNC])


def _appender(manager: RepositorySessionManager) -> Callable[[], float]:
    """Return an operation that appends a fresh 600-byte message and returns the seconds it took."""
    repository, numbers = manager.session_repository, count()
    material.create_agent(repository, _SESSION)

    def operation() -> float:
        number = next(numbers)
        message = SessionMessage.from_message(material.text_message(number), number)
        return timed(partial(repository.create_message, _SESSION, material.AGENT, message))

    return operation


def turn(folder: Path, scale: Scale, durability: Durability) -> Result:
    """Measure what one turn of an agent spends in the hooks of its session manager."""
    with ExitStack() as stack:
        subjects = []
        for name, manager in _opened(stack, folder, OPENERS, durability):
            talk = Conversation(manager)
            for _ in range(scale.turn_warmup):
                talk.cycle()
            subjects.append(Subject(name, talk.cycle, rounds=_S3_ROUNDS if name == S3 else None))
        series = interleave(subjects, scale.turn_rounds)
    title = f"hooks of one agent turn (2.4 messages, its state changed, a window of 40 that is full) at {durability}"
    notes = ["the floor is the SDK's RepositorySessionManager over the floor: message and state are two commits"]
    return Result(f"turn-{durability}", title, "seconds", series, _ratios(series), [*notes, _NO_FSYNC])


def restore(folder: Path, scale: Scale, length: int) -> Result:
    """Measure `list_messages` of a whole conversation, on connections that are open already."""
    names = [OURS, FLOOR, FILE, *([S3] if length <= _S3_LONGEST else [])]
    with ExitStack() as stack:
        subjects = []
        for name, manager in _opened(stack, folder, names, "normal"):
            material.fill(manager.session_repository, _SESSION, length)
            rounds = max(1, _SLOW_MESSAGES[name] // length) if name in _SLOW_MESSAGES else None
            subjects.append(Subject(name, partial(timed, _lister(manager)), max(1, 100 // length), rounds))
        series = interleave(subjects, scale.restore_rounds)
    title = f"restore {length:,} messages on an open connection"
    return Result(f"restore-{length}", title, "seconds", series, _ratios(series))


def reopen(folder: Path, scale: Scale, length: int) -> Result:
    """Measure a restore by a new manager in a process that has the file open."""
    with ExitStack() as stack:
        opened = dict(_opened(stack, folder, (OURS, FLOOR), "normal"))
        for manager in opened.values():
            material.fill(manager.session_repository, _SESSION, length)
        subjects = [Subject(name, partial(_reopen, folder, name), scale.append_batch) for name in opened]
        series = interleave(subjects, scale.append_rounds)
    title = f"a new manager restores {length:,} messages while another one has the file open"
    notes = ["the floor opens a connection of its own for each restore; closing is not part of either figure"]
    return Result(f"reopen-{length}", title, "seconds", series, _ratios(series), notes)


def image(folder: Path, scale: Scale, durability: Durability) -> Result:
    """Measure the time and the bytes of file that a message with an image of 1 MiB costs."""
    before, images = {}, scale.image_rounds * scale.image_batch
    for name in _IMAGE_SUBJECTS:
        (folder / name).mkdir()
        with OPENERS[name](folder / name, _SESSION, durability) as manager:
            material.create_agent(manager.session_repository, _SESSION)
        before[name] = _size(folder / name)
    with ExitStack() as stack:
        subjects = [
            Subject(
                name,
                _painter(stack.enter_context(OPENERS[name](folder / name, _SESSION, durability))),
                scale.image_batch,
            )
            for name in _IMAGE_SUBJECTS
        ]
        series = interleave(subjects, scale.image_rounds)
    growth = [
        single(f"{name}: growth of the file per image", (_size(folder / name) - before[name]) / images, "bytes")
        for name in _IMAGE_SUBJECTS
    ]
    title = f"append a message with an image of 1 MiB at {durability}"
    notes = ["the floor writes the raw bytes as one row, and no message"]
    return Result(f"image-{durability}", title, "seconds", series, [*_ratios(series), *growth], notes)


def _painter(manager: RepositorySessionManager) -> Callable[[], float]:
    repository, numbers = manager.session_repository, count()

    def operation() -> float:
        number, message = next(numbers), material.image_message(MIB)
        if isinstance(repository, Floor):
            content = message["content"][0]["image"]["source"]["bytes"]
            return timed(partial(repository.put_picture, content))
        fresh = SessionMessage.from_message(message, number)
        return timed(partial(repository.create_message, _SESSION, material.AGENT, fresh))

    return operation


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())


def _lister(manager: RepositorySessionManager) -> Callable[[], object]:
    return partial(manager.session_repository.list_messages, _SESSION, material.AGENT)


def _reopen(folder: Path, name: str) -> float:
    with ExitStack() as stack:

        def action() -> object:
            return _lister(stack.enter_context(OPENERS[name](folder, _SESSION, "normal")))()

        return timed(action)


def _opened(
    stack: ExitStack, folder: Path, names: Iterable[str], durability: Durability
) -> Iterator[tuple[str, RepositorySessionManager]]:
    for name in names:
        yield name, stack.enter_context(OPENERS[name](folder, _SESSION, durability))


def _ratios(series: Sequence[Series]) -> list[Figure]:
    """Return ours against the floor, and the SDK's own managers against ours."""
    names = {each.name for each in series}
    pairs = [(OURS, FLOOR), (FILE, OURS), (S3, OURS)]
    return [ratio(series, above, below) for above, below in pairs if {above, below} <= names]

"""The measurement of a session with a great many checkpoints: listed, the latest read among them, and deleted."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from strands import Agent
from strands._async import run_async
from strands.agent.conversation_manager import NullConversationManager
from strands.session import SnapshotSessionManager
from strands.storage import Storage

from benchmarks import material
from benchmarks.measure import Result, Subject, interleave, ratio, timed
from benchmarks.scale import Scale
from benchmarks.stores import LOCAL, NO_FSYNC, OURS, SharedLoop, opened
from benchmarks.turns import create_agent

_MESSAGES = 4
_LATEST = "session/{}/scopes/agent/{}/snapshots/snapshot_latest.json"


@dataclass(frozen=True)
class Crowd:
    """Sessions with many checkpoints each, in one storage: the first stays, the others are deleted one by one."""

    storage: Storage
    agent: Agent
    checkpoints: int

    def fill(self, sessions: int) -> None:
        """Write the sessions."""
        for number in range(sessions):
            run_async(partial(self._fill_one, self._manager(number)))

    async def _fill_one(self, manager: SnapshotSessionManager) -> None:
        for _ in range(self.checkpoints):
            await manager.save_snapshot(self.agent, is_latest=False)
        await manager.save_snapshot(self.agent, is_latest=True)

    async def list_ids(self) -> None:
        """List the ids of all checkpoints of the first session.

        Raises:
            RuntimeError: Some are missing.
        """
        found = await self._manager(0).list_snapshot_ids(self.agent)
        if len(found) != self.checkpoints:
            message = f"{len(found)} of {self.checkpoints} checkpoints are listed"
            raise RuntimeError(message)

    async def read_latest(self) -> None:
        """Read the latest snapshot of the first session.

        Raises:
            RuntimeError: There is none.
        """
        if await self.storage.read(_LATEST.format(_session(0), material.AGENT)) is None:
            message = "the latest snapshot is missing"
            raise RuntimeError(message)

    async def delete(self, number: int) -> None:
        """Delete one session."""
        await self._manager(number).delete_session()

    def _manager(self, number: int) -> SnapshotSessionManager:
        return SnapshotSessionManager(_session(number), storage=self.storage)


def checkpoints(folder: Path, scale: Scale) -> Result:
    """Measure what is done with the checkpoints of a session, on a loop that others use too."""
    with ExitStack() as stack:
        loop = stack.enter_context(SharedLoop())
        subjects = []
        for name in (OURS, LOCAL):
            with ExitStack() as filling:
                storage = opened(filling, name, folder / name, "normal")
                Crowd(storage, _agent(), scale.checkpoints).fill(1 + scale.checkpoint_rounds)
            crowd = Crowd(opened(stack, name, folder / name, "full"), _agent(), scale.checkpoints)
            subjects += _subjects(name, crowd, loop)
        series = interleave(subjects, scale.checkpoint_rounds)
    kinds = ("list ids", "read latest", "delete the session")
    figures = [ratio(series, f"{OURS}: {kind}", f"{LOCAL}: {kind}") for kind in kinds]
    title = f"a session with {scale.checkpoints:,} checkpoints of {_MESSAGES} messages, at full"
    return Result("storage-list", title, "seconds", series, figures, [NO_FSYNC])


def _agent() -> Agent:
    agent = create_agent(NullConversationManager())
    agent.messages.extend(material.conversation(_MESSAGES))
    return agent


def _subjects(name: str, crowd: Crowd, loop: SharedLoop) -> Iterator[Subject]:
    yield Subject(f"{name}: list ids", partial(_timed_on, loop, crowd.list_ids), 5)
    yield Subject(f"{name}: read latest", partial(_timed_on, loop, crowd.read_latest), 50)
    yield Subject(f"{name}: delete the session", _Deleter(loop, crowd))


class _Deleter:
    def __init__(self, loop: SharedLoop, crowd: Crowd) -> None:
        self._loop = loop
        self._crowd = crowd
        self._numbers = itertools.count(1)

    def __call__(self) -> float:
        return _timed_on(self._loop, partial(self._crowd.delete, next(self._numbers)))


def _timed_on(loop: SharedLoop, function: Callable[..., object]) -> float:
    return timed(partial(loop.run, function))


def _session(number: int) -> str:
    return f"session-{number}"

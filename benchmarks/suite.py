"""Every case by its name, and how cases are chosen and run."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks import (
    cases,
    catalog,
    checkpoints,
    concurrency,
    history,
    large,
    message_search,
    mirror,
    retention,
    search,
    snapshots,
    startup,
)
from benchmarks.measure import Result
from benchmarks.scale import Scale

Case = Callable[["Path", "Scale"], Result]

_REOPENED = (10, 100)


def all_cases(scale: Scale) -> dict[str, Case]:
    """Return every case of the scale by its name, in the order in which they run."""
    return {
        "append-full": partial(cases.append, durability="full"),
        "append-normal": partial(cases.append, durability="normal"),
        "turn-full": partial(cases.turn, durability="full"),
        "turn-normal": partial(cases.turn, durability="normal"),
        **{f"restore-{length}": partial(cases.restore, length=length) for length in scale.restore_lengths},
        **{f"reopen-{length}": partial(cases.reopen, length=length) for length in _REOPENED},
        "threads": concurrency.threads,
        "processes": concurrency.processes,
        "large": large.large,
        "second-manager": startup.second_manager,
        "import": startup.import_time,
        "image-full": partial(cases.image, durability="full"),
        "image-normal": partial(cases.image, durability="normal"),
        "snapshot-size": snapshots.size,
        "snapshot-growth": snapshots.growth,
        "snapshot-save-full": partial(snapshots.save, durability="full"),
        "snapshot-save-normal": partial(snapshots.save, durability="normal"),
        "snapshot-restore": snapshots.restore,
        "storage-search": search.search,
        "storage-list": checkpoints.checkpoints,
        "list": catalog.list_pages,
        "message-search": message_search.messages,
        "history": history.history,
        "prune": retention.prune_sessions,
        "mirror": mirror.mirror,
    }


def choose(names: Iterable[str], wanted: Sequence[str]) -> list[str]:
    """Return those of `names` that are wanted: by the whole name, or by the word before the dash.

    Raises:
        ValueError: A wanted name fits no case; the message lists the cases.
    """
    known = list(names)
    for each in wanted:
        if not any(_fits(name, each) for name in known):
            message = f"no case is called {each!r}; the cases are {', '.join(known)}"
            raise ValueError(message)
    return [name for name in known if not wanted or any(_fits(name, each) for each in wanted)]


def _fits(name: str, wanted: str) -> bool:
    return name == wanted or name.startswith(f"{wanted}-")


def run(name: str, scale: Scale, folder: Path) -> Result | str:
    """Run one case in a folder of its own, which is removed, and return its result or the traceback of its failure."""
    with TemporaryDirectory(dir=folder, prefix=f"{name}-") as place:
        try:
            return all_cases(scale)[name](Path(place), scale)
        except Exception:  # noqa: BLE001 - one broken case must not cost the results of the others
            return traceback.format_exc()

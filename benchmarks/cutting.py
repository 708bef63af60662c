"""The command `python -m benchmarks.cutting`: ways of keeping the snapshots of a conversation, compared.

Each way writes what the SDK writes after every turn, an immutable snapshot and the latest one, through the package's
writer into a file with the package's tables. Only what becomes of an object differs.
"""

from __future__ import annotations

import argparse
import json
import sys
import zlib
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from functools import partial
from hashlib import blake2b
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from time import process_time
from typing import Any

import apsw
from strands import Agent
from strands._async import run_async
from strands.agent.conversation_manager import (
    ConversationManager,
    NullConversationManager,
    SlidingWindowConversationManager,
)
from strands.session import SnapshotSessionManager
from strands.storage import InMemoryStorage
from strands.types.content import Message
from typing_extensions import override

from benchmarks import environment, report
from benchmarks.goals import MIB
from benchmarks.material import TURN_SIZES
from benchmarks.memories import Writer
from benchmarks.turns import Conversation
from strands_sqlite_session_manager._bases import Bases
from strands_sqlite_session_manager._connection import Connection
from strands_sqlite_session_manager._database import Options
from strands_sqlite_session_manager._objects import WriteObject, read_object
from strands_sqlite_session_manager._schema import open_database
from strands_sqlite_session_manager._versions import NEW_MESSAGE, Version

try:
    from pyfastcdc import FastCDC
except ImportError:  # it is there for this comparison only
    FastCDC = None

Operation = Callable[[str, bytes, Bases], WriteObject]
Change = Callable[[Agent, int, Writer], None]

_FASTCDC_SIZES = (1024, 4096)
_SMALLEST_CHUNK = 512  # the package looks for no smaller part among those it has
_LISTS = ("object_parts", "object_parts_by_part")
_SIZES = "SELECT name, sum(pgsize) FROM dbstat GROUP BY name"
_PARTS = "SELECT count(*) FROM parts"


class Whole(WriteObject):
    """Stores the object as it is."""

    @override
    def _version(self, *_: object) -> None:  # type: ignore[override]  # without a version, it is stored whole
        return None


def compressed(key: str, data: bytes, bases: Bases) -> WriteObject:
    """Return the operation that stores the object whole, compressed by zlib."""
    return Whole(key, zlib.compress(data), bases)


class Chunked(WriteObject):
    """Stores the object in chunks that its content defines, each once."""

    def __init__(self, chunker: FastCDC, known: dict[bytes, int], key: str, data: bytes, bases: Bases) -> None:
        """Prepare to cut `data`; `known` has the parts of the version before by the hash of their content."""
        super().__init__(key, data, bases)
        self._chunker = chunker
        self._known = known
        self._hashes: list[bytes] = []

    @override
    def _version(self, connection: Connection, old: Any) -> Version:
        version = Version(self._data)
        for chunk in self._chunker.cut_buf(self._data):
            hash_ = blake2b(chunk.data, digest_size=16).digest()
            self._hashes.append(hash_)
            version.add(chunk.length, self._known.get(hash_, NEW_MESSAGE))
        return version

    @override
    def remember(self) -> None:
        if self._written is not None:
            self._known.clear()
            self._known.update(zip(self._hashes, self._written.version.part_ids, strict=True))


def ways() -> dict[str, Operation]:
    """Return every way by its name."""
    found: dict[str, Operation] = {
        "whole": Whole,
        "whole, zlib": compressed,
        "at messages, against the last": WriteObject,
    }
    if FastCDC is not None:
        for size in _FASTCDC_SIZES:
            chunker = FastCDC(size, min_size=max(_SMALLEST_CHUNK, size // 4))
            found[f"FastCDC, {size // 1024} KiB and more"] = partial(Chunked, chunker, {})
    return found


@dataclass
class Kept:
    """What one way keeps, in a file of its own.

    Attributes:
        path: The file.
        operation: Makes what writes an object.
        seconds: CPU time of each write.
    """

    path: Path
    operation: Operation
    seconds: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Open the file."""
        self._bases = Bases()
        self._database = open_database(self.path, Options(durability="normal"))
        self._last = ("", b"")

    def write(self, key: str, data: bytes) -> None:
        """Write an object and note the CPU time."""
        begin = process_time()
        operation = self.operation(key, data, self._bases)
        self._database.write(operation)
        operation.remember()
        self.seconds.append(process_time() - begin)
        self._last = key, data

    def close(self) -> None:
        """Close the file.

        Raises:
            RuntimeError: The object that was written last does not come back as it was.
        """
        key, data = self._last
        found = self._database.read(read_object(key)) or b""
        self._database.close()
        if (zlib.decompress(found) if self.operation is compressed else found) != data:
            message = f"{key} does not come back as it was written"
            raise RuntimeError(message)

    def sizes(self) -> tuple[int, int, int]:
        """Return the bytes of all pages in use, those of the lists of parts, and the number of parts."""
        with closing(apsw.Connection(str(self.path))) as connection:
            pages = dict(connection.execute(_SIZES))
            return sum(pages.values()), sum(pages[name] for name in _LISTS), connection.execute(_PARTS).get


class Fan(InMemoryStorage):
    """A storage that hands every write to all ways."""

    def __init__(self, kept: Sequence[Kept], *, compact: bool) -> None:
        """Hand writes to `kept`; `compact` takes the spaces out of the JSON first."""
        super().__init__()
        self._kept = kept
        self._compact = compact

    @override
    async def write(self, key: str, data: bytes) -> None:
        if self._compact:
            data = json.dumps(json.loads(data), separators=(",", ":"), ensure_ascii=False).encode()
        for each in self._kept:
            each.write(key, data)


@dataclass(frozen=True)
class Story:
    """A conversation.

    Attributes:
        manager: Makes its conversation manager.
        change: What happens to the agent's messages before a turn.
        compact: Whether its snapshots are JSON without spaces.
    """

    manager: Callable[[], ConversationManager] = NullConversationManager
    change: Change | None = None
    compact: bool = False


def _redact(agent: Agent, turn: int, _: Writer) -> None:
    """Replace what a message in the middle says, every 25 turns."""
    if turn and turn % 25 == 0:
        agent.messages[len(agent.messages) // 2]["content"] = [{"text": "[redacted]"}]


def _summarize(agent: Agent, turn: int, writer: Writer) -> None:
    """Put a summary in the place of all messages but the last ten, every 20 turns."""
    if turn and turn % 20 == 0:
        summary: Message = {"role": "user", "content": [{"text": writer.prose(2000)}]}
        agent.messages[:-10] = [summary]


def _use_large_tool(agent: Agent, turn: int, writer: Writer) -> None:
    """Let a tool return 1 MB, once."""
    if turn == 10:  # noqa: PLR2004 - early, so that many snapshots hold it
        result: Any = {"toolUseId": "large", "status": "success", "content": [{"text": writer.prose(MIB)}]}
        agent.messages.append({"role": "user", "content": [{"toolResult": result}]})


STORIES: dict[str, Story] = {
    "growing": Story(),
    "window of 40": Story(SlidingWindowConversationManager),
    "redactions": Story(change=_redact),
    "summaries": Story(change=_summarize),
    "1 MB of a tool": Story(change=_use_large_tool),
    "compact JSON": Story(compact=True),
}


def tell(story: Story, turns: int, folder: Path) -> Iterator[str]:
    """Let an agent live through `story`, kept in every way, and yield the table."""
    kept = {name: Kept(folder / f"{number}.db", each) for number, (name, each) in enumerate(ways().items())}
    with ExitStack() as stack:
        for each in kept.values():
            stack.callback(each.close)
        said = _play(story, turns, Fan(list(kept.values()), compact=story.compact))
    yield f"  {'':<32}{'file':>10}{'/ said':>9}{'parts':>8}{'lists of parts':>16}{'CPU of a save':>15}"
    for name, each in kept.items():
        whole, lists, parts = each.sizes()
        late = each.seconds[-2 * max(1, turns // 5) :]
        cpu = median(map(sum, zip(late[::2], late[1::2], strict=True)))
        size = f"{whole / MIB:>6.2f} MiB{whole / said:>7.2f} x"
        yield f"  {name:<32}{size}{parts:>8,}{lists / 1024:>12.0f} KiB{cpu * 1000:>12.2f} ms"


def _play(story: Story, turns: int, storage: Fan) -> int:
    """Play the turns and return the bytes of everything that was said."""
    writer, said = Writer(5), 0
    manager = SnapshotSessionManager("session", storage=storage, snapshot_trigger=lambda **_: True)
    talk = Conversation(manager, story.manager(), lambda _, length: writer.prose(length))
    for turn in range(turns):
        before = len(talk.agent.messages)
        if story.change is not None:
            story.change(talk.agent, turn, writer)
        new = max(0, len(talk.agent.messages) - before) + TURN_SIZES[turn % len(TURN_SIZES)]
        run_async(talk.turn)
        said += len(json.dumps(talk.agent.messages[-new:], ensure_ascii=False))
    return said


class _Parser(argparse.ArgumentParser):
    def __init__(self) -> None:
        super().__init__(prog="python -m benchmarks.cutting", description=__doc__)
        self.add_argument("--turns", type=int, default=200, help="turns of each conversation")
        self.add_argument("--only", nargs="+", choices=STORIES, default=list(STORIES), help="conversations")
        self.add_argument("--dir", type=Path, default=Path(), help="where the files of the run are put")


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command."""
    options = _Parser().parse_args(arguments)
    with TemporaryDirectory(dir=options.dir, prefix="benchmarks-") as place:
        folder = Path(place).resolve()
        print(report.environment_lines(environment.describe(folder)))
        print("a save writes two objects; its CPU is the median of the last fifth; said: the JSON of all messages")
        if FastCDC is None:
            print("FastCDC is left out: pyfastcdc is not installed; `uv run --group bench` installs it")
        for name in options.only:
            (folder / name).mkdir()
            print(f"\n{name}, {options.turns} turns")
            for line in tell(STORIES[name], options.turns, folder / name):
                print(line, flush=True)


if __name__ == "__main__":
    sys.exit(main())

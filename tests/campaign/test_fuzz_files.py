"""Damaged and hostile trees of `FileSessionManager`: whole sessions come in, or none, and nothing outside is read."""

from __future__ import annotations

import os
import shutil
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path

from hypothesis import example, given
from hypothesis import strategies as st

from strands_sqlite_session_manager import SessionStore
from tests.core.store.transferring import add_session, exported, fill, rows, say

from .everything import reads_of_file, reads_of_session, refusals
from .folders import lasting_folder, new_folder
from .fuzzing import tries
from .hostile import EDITS, Edit, edited, refusal

SECRET = "what must not be read"
Damage = Callable[[Path, Path], None]
"""What is done to a file of the tree; gets it, and a folder outside of the tree."""


@lru_cache
def good() -> Path:
    """Return the folder of a tree in which everything occurs."""
    folder = lasting_folder()
    with SessionStore(":memory:") as store:
        fill(store._database)
        store.export_files(folder, ["bare", "silent", "talk"])
        add_session(store._database, "image", "a")
        say(store._database, "image", 0, {"image": {"format": "png", "source": {"bytes": bytes(700)}}})
        store.export_files(folder, ["image"])
    return folder


@contextmanager
def copied() -> Iterator[tuple[Path, Path]]:
    """Give a copy of the tree, and a folder outside of it."""
    with new_folder() as folder:
        outside = Path(folder, "outside")
        outside.mkdir()
        Path(outside, "session.json").write_text(f'{{"session_id":"{SECRET}"}}')
        yield Path(shutil.copytree(good(), Path(folder, "tree"))), outside


def _edit(edits: list[Edit]) -> Damage:
    def edit(path: Path, _outside: Path) -> None:
        if path.is_file():
            path.write_bytes(edited(path.read_bytes(), edits))

    return edit


def _remove(path: Path, _outside: Path) -> None:
    shutil.rmtree(path) if path.is_dir() else path.unlink()


def _rename(name: bytes) -> Damage:
    def rename(path: Path, _outside: Path) -> None:
        target = path.with_name(os.fsdecode(name))
        if not target.exists():
            path.rename(target)

    return rename


def _link(path: Path, outside: Path) -> None:
    _remove(path, outside)
    path.symlink_to(outside / "session.json")


def _link_to_folder(path: Path, outside: Path) -> None:
    _remove(path, outside)
    path.symlink_to(outside)


def _pipe(path: Path, outside: Path) -> None:
    _remove(path, outside)
    os.mkfifo(path)


def _folder(path: Path, outside: Path) -> None:
    _remove(path, outside)
    path.mkdir()


def _file(path: Path, outside: Path) -> None:
    _remove(path, outside)
    path.write_bytes(b"")


NAMES = st.sampled_from(
    [
        *(b"session_", b"session_\xff", b"session_a\nb", b"session_../x".replace(b"/", b"_"), b"agent_", b"agent_\xff"),
        *(b"message_x.json", b"message_-0.json", b"message_1e3.json", b"message_99999999999999999999.json"),
        *(b"message_00.json", b"message_5.json", b"message_.json", b"multi_agent_\xff", b"other"),
    ]
)
DAMAGES: st.SearchStrategy[Damage] = st.one_of(
    st.builds(_edit, st.lists(EDITS, min_size=1, max_size=2)),
    st.builds(_edit, st.lists(EDITS, min_size=1, max_size=2)),
    st.builds(_rename, NAMES),
    st.sampled_from([_remove, _link, _link_to_folder, _pipe, _folder, _file]),
)


@tries(15)
@given(damages=st.lists(st.tuples(st.floats(0, 1), DAMAGES), min_size=1, max_size=3))
@example(damages=[])
def test_a_damaged_tree_comes_in_whole_or_is_refused(tried: Counter[str], damages: list[tuple[float, Damage]]) -> None:
    """Files cut, changed, missing, renamed, links, pipes and folders in place of files: refused, and nothing changes.

    What comes in can be read, and goes out and in again. Nothing outside of the folder is read, nothing in it changes.
    """
    tried["damaged trees"] += 1
    with copied() as (tree, outside), SessionStore(":memory:") as store:
        for place, damage in damages:
            paths = sorted(tree.rglob("*"))
            if paths:
                path = paths[int((len(paths) - 1) * place)]
                if path.parent.is_dir() and not path.is_symlink():
                    damage(path, outside)
        before = _names(tree)
        refused = refusal(lambda: store.import_files(tree))
        assert _names(tree) == before
        found = rows(store._database)
        if refused is not None:
            assert type(refusal(lambda: store.import_files(tree))) is type(refused)
        else:
            assert store.import_files(tree).sessions == 0
        assert rows(store._database) == found
        require_readable(store)


def _names(folder: Path) -> list[str]:
    return sorted(map(str, folder.rglob("*")))


def require_readable(store: SessionStore) -> None:
    """Hold that all that came in can be asked for, holds nothing from outside, and goes out and in again."""
    out = exported(store._database)
    assert SECRET.encode() not in out
    assert refusals(reads_of_file(store)) == {}
    for info in store.list_sessions(limit=100).sessions:
        for agent_id in info.agents:
            assert refusals(reads_of_session(store, info.session_id, agent_id)) == {}
    with new_folder() as folder, SessionStore(":memory:") as other:
        store.export_files(folder)
        other.import_files(folder)
        assert exported(other._database) == out

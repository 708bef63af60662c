"""Damaged and hostile exports: whole sessions come in, or none, and every refusal says why."""

from __future__ import annotations

import io
from collections import Counter
from functools import lru_cache

from hypothesis import example, given
from hypothesis import strategies as st

from strands_sqlite_session_manager import SessionStore
from tests.core.store.transferring import exported, fill, rows

from .everything import reads_of_file, reads_of_session, refusals
from .fuzzing import tries
from .hostile import EDITS, Edit, edited, refusal, signed


@lru_cache
def good() -> bytes:
    """Return an export in which everything occurs."""
    with SessionStore(":memory:") as store:
        fill(store._database)
        return exported(store._database)


def require_harmless(data: bytes) -> None:
    """Import `data`: a refusal leaves what was there, and what comes in can be read, and goes out and in again."""
    with SessionStore(":memory:") as store, SessionStore(":memory:") as other:
        refused = refusal(lambda: store.import_jsonl(io.BytesIO(data)))
        before = rows(store._database)
        if refused is not None:
            again = refusal(lambda: store.import_jsonl(io.BytesIO(data)))
            assert type(again) is type(refused)
            assert rows(store._database) == before, "what was refused has changed the file"
        require_readable(store)
        out = exported(store._database)
        other.import_jsonl(io.BytesIO(out))
        assert rows(other._database) == before
        assert exported(other._database) == out


def require_readable(store: SessionStore) -> None:
    """Hold that all that came in can be asked for."""
    acts = reads_of_file(store)
    acts.pop("files")  # not every id is the name of a file
    assert refusals(acts) == {}
    for info in store.list_sessions(limit=100).sessions:
        for agent_id in info.agents:
            assert refusals(reads_of_session(store, info.session_id, agent_id)) == {}


@tries(25)
@given(edits=st.lists(EDITS, min_size=1, max_size=3), signs=st.booleans())
@example(edits=[], signs=False)
@example(edits=[], signs=True)
def test_an_edited_export_comes_in_whole_or_is_refused(tried: Counter[str], edits: list[Edit], *, signs: bool) -> None:
    """Cut, flipped, swapped, with other values in it: sessions that are whole come in, and the rest is refused.

    With hashes that fit too: then what comes in is what the lines say, and all that can be asked of it is answered.
    """
    tried["edited exports"] += 1
    data = edited(good(), edits)
    require_harmless(signed(data) if signs else data)


@tries(40)
@given(data=st.binary(max_size=200) | st.text(max_size=200).map(lambda text: text.encode(errors="surrogatepass")))
@example(data=b"")
@example(data=b"{" * 100_000)
@example(data=b"[" * 100_000)
@example(data=b"\n")
def test_any_bytes_are_refused(tried: Counter[str], data: bytes) -> None:
    """What is no export is refused at its first line, however long that is, and the file stays empty."""
    tried["bytes as exports"] += 1
    with SessionStore(":memory:") as store:
        refused = refusal(lambda: store.import_jsonl(io.BytesIO(data)))
        assert refused is not None
        assert "line 1" in str(refused)
        assert store.list_sessions().sessions == ()

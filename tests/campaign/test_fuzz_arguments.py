"""Hostile keys, ids, queries and notes: taken as what they are, or refused by name; never syntax, never a crash."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from strands.types.session import SessionAgent, SessionMessage

from strands_sqlite_session_manager import (
    InvalidKeyError,
    SessionStore,
    SQLiteSessionManager,
    SQLiteStorage,
)
from strands_sqlite_session_manager.catalog import SessionFilter
from strands_sqlite_session_manager.message_search import MessageFilter

from .fuzzing import tries
from .hostile import MARKUP, TEXTS, refusal

SYNTAX = [
    '"',
    '""',
    "'",
    "*",
    "^zebra",
    "zebra*",
    "+zebra",
    "-zebra",
    "words: zebra",
    "{words}: zebra",
    "zebra AND",
    "NOT zebra",
    "zebra OR OR zebra",
    "NEAR(zebra zebra, 5)",
    "NEAR(",
    "(zebra",
    "zebra)",
    '"zebra',
    "zebra;DROP TABLE messages",
    "'; DELETE FROM messages --",
    "?1",
    ":query",
    "rank",
    "zebra\0zebra",
    "zebra\ud800zebra",
    "q1qzebra",
    "\uff3aebra",
    "\u0301",
    "\u0e01\u0e34",
    "%_\\",
]
QUERIES = st.lists(st.sampled_from([*SYNTAX, *MARKUP, "zebra", "AND", "NEAR"]) | TEXTS, max_size=6).map(" ".join)
LONG = [
    "zebra " * 20_000,
    "z" * 200_000,
    '"' * 50_000,
    "(" * 50_000,
    "\u7d05" * 20_000,
    " ".join(map(str, range(9000))),
]
KEYS = st.lists(TEXTS | st.sampled_from(["a", "..", ".", "/", "//", "\\", "a" * 300, "%", "_", "a*"]), max_size=5)


@tries(40)
@given(query=QUERIES, where=TEXTS, finds=st.booleans())
@example(query=LONG[0], where="s", finds=True)
@example(query=LONG[1], where="s", finds=False)
@example(query=LONG[2], where="s", finds=False)
@example(query=LONG[3], where="s", finds=False)
@example(query=LONG[4], where="s", finds=False)
@example(query=LONG[5], where="s", finds=False)
@example(query="zebra", where="\ud800", finds=False)
@example(query="zebra", where="\0", finds=False)
def test_a_query_is_words_and_nothing_else(tried: Counter[str], query: str, where: str, *, finds: bool) -> None:
    """Whatever is asked, what is found was said, in all searches, and the next search works as if nothing had been."""
    tried["queries"] += 1
    with (
        SQLiteSessionManager("s", ":memory:") as manager,
        SessionStore(manager) as store,
        SQLiteStorage(manager) as kept,
    ):
        manager.create_agent("s", SessionAgent("a", {}, {}))
        say(manager, 0, f"the zebra {query if finds else ''}")
        asyncio.run(kept.write("plain.txt", b"the zebra"))
        found = store.search_messages(query, limit=5)
        assert {hit.message_id for hit in found} <= {0}
        for hit in found:
            assert all(0 <= begin < end <= len(hit.snippet) for begin, end in hit.highlights)
        asks: list[Callable[[], Any]] = [
            lambda: store.search_messages(query, MessageFilter(session_id=where)),
            lambda: store.search_messages(query, MessageFilter(agent_id=where)),
            lambda: store.search_messages(query, MessageFilter(role=where), order="newest"),
            lambda: store.list_sessions(SessionFilter(tags=(where,))).sessions,
            lambda: store.list_sessions(SessionFilter(agent_id=where)).sessions,
            lambda: store.list_sessions(SessionFilter(title=where)).sessions,
            lambda: store.list_sessions(SessionFilter(metadata={"k": where}), sort="id").sessions,
        ]
        for ask in asks:
            assert len(answer(ask, [])) <= 1
        assert {result.key for result in asyncio.run(kept.search(query))} <= {"plain.txt"}
        assert len(store.search_messages("zebra")) == 1
        assert len(asyncio.run(kept.search("zebra"))) == 1


def say(manager: SQLiteSessionManager, number: int, text: str) -> None:
    text = text.encode(errors="replace").decode()
    manager.create_message("s", "a", SessionMessage({"role": "user", "content": [{"text": text}]}, number))


def answer(ask: Callable[[], Any], otherwise: Any) -> Any:
    """Return the answer; where an id cannot be one, that is refused by name."""
    found: list[Any] = []
    refused = refusal(lambda: found.append(ask()))
    return found[0] if refused is None else otherwise


@tries(60)
@given(parts=KEYS, namespace=st.just("") | TEXTS)
@example(parts=["a", "\ud800"], namespace="")
@example(parts=["a" * 2000], namespace="")
@example(parts=["a"], namespace="\0")
def test_a_key_is_kept_as_it_is_or_refused(tried: Counter[str], parts: list[str], namespace: str) -> None:
    """What is written can be read, listed, searched and deleted under the same key, and under no other."""
    tried["keys"] += 1
    key = "/".join(parts)
    with SQLiteStorage(":memory:") as storage:
        asyncio.run(storage.write("other", b"zebra"))
        refused = refusal(lambda: asyncio.run(storage.namespace(namespace).write(key, b"zebra")))
        if refused is not None:
            assert type(refused) is InvalidKeyError
            assert asyncio.run(storage.list("")) == ["other"]
            return
        view = storage.namespace(namespace)
        assert asyncio.run(view.read(key)) == b"zebra"
        (listed,) = [each for each in asyncio.run(view.list("")) if namespace or each != "other"] or ["other"]
        assert asyncio.run(view.read(listed)) == b"zebra"
        assert listed in {result.key for result in asyncio.run(view.search("zebra"))}
        assert listed in asyncio.run(view.list(listed[:1]))
        asyncio.run(view.delete(key))
        assert asyncio.run(view.read(listed)) is None
        assert asyncio.run(storage.list("")) == [each for each in ["other"] if each != listed or namespace]


@tries(40)
@given(given=TEXTS, value=TEXTS)
@example(given="\ud800", value="\ud800")
@example(given="\0", value="x")
@example(given="x" * 3000, value="x" * 3000)
def test_an_id_is_kept_as_it_is_or_refused(tried: Counter[str], given: str, value: str) -> None:
    """Sessions and agents have the ids that they are given, or none; whoever asks for what cannot be is told so."""
    tried["ids and notes"] += 1
    with SessionStore(":memory:") as store:
        asks: list[Callable[[], Any]] = [
            lambda: store.summarize_session(given),
            lambda: store.read_messages(given),
            lambda: store.read_messages("s", given),
            lambda: store.list_checkpoints(given),
            lambda: store.read_checkpoint(given, 0),
            lambda: store.fork_session(given, "new"),
            lambda: store.rewind_session(given, at=0),
            lambda: store.plan_erase([given]),
            lambda: store.erase([given]),
            lambda: store.erase_redacted([given]),
            lambda: store.export_jsonl("/dev/null", [given]),
            lambda: store.repair(given),
            lambda: store.set_title(given, "a title"),
            lambda: store.add_tags(given, "tag"),
            lambda: store.set_metadata(given, {"k": 1}),
        ]
        for ask in asks:
            assert answer(ask, "refused") == "refused"
        if "/" in given or "\0" in given or len(given.encode(errors="surrogatepass")) > 1024 or not _is_text(given):
            with pytest.raises(ValueError, match=r"path separators|holds NUL or a lone surrogate|bytes of UTF-8"):
                SQLiteSessionManager(given, store)
            assert store.list_sessions().sessions == ()
            return
        with SQLiteSessionManager(given, store) as manager:
            manager.create_agent(given, SessionAgent("a", {}, {}))
            require_notes(store, given, value)
        assert [info.session_id for info in store.list_sessions().sessions] == [given]
        assert store.read_messages(given) == []


def _is_text(text: str) -> bool:
    return not any("\ud800" <= each <= "\udfff" for each in text)


def require_notes(store: SessionStore, session_id: str, value: str) -> None:
    """Hold that titles, tags and metadata are kept as they are, or refused by a `ValueError` that says why."""
    for change, kept in (
        (lambda: store.set_title(session_id, value), lambda info: info.title == value),
        (lambda: store.add_tags(session_id, value), lambda info: value in info.tags),
        (lambda: store.set_metadata(session_id, {"k": value}), lambda info: info.metadata == {"k": value}),
    ):
        before = store.summarize_session(session_id).info
        refused: list[Exception] = []
        try:
            change()
        except ValueError as error:
            refused.append(error)
        after = store.summarize_session(session_id).info
        assert after == before if refused else kept(after)

"""Reads of what others write at the same time, each held against what was acknowledged before and begun after."""

from __future__ import annotations

import asyncio
import io
import json
from typing import Any

from strands_sqlite_session_manager import NotFoundError, SessionStore, SQLiteStorage

from .board import Board
from .sayings import LONGEST, conversation, kept, may_be_redacted, replacement, said, word_of


def read_log(board: Board, name: str, store: SessionStore) -> None:
    """Read a conversation: no acknowledged message is missing, none is twice, none was never said."""
    low = board.acknowledged(name)
    if low == 0:
        return
    session, least = conversation(name, low)
    try:
        found = store.read_messages(session)
    except NotFoundError:
        assert conversation(name, board.begun(name))[0] != session, f"{session} is not there"
        return
    now, most = conversation(name, board.begun(name))
    assert least <= len(found) <= (most if now == session else LONGEST), (session, least, len(found), most)
    for number, record in enumerate(found):
        require_said(session, number, record.message_id, record.message, redacted=record.redacted)


def require_said(session: str, number: int, message_id: int, message: Any, *, redacted: bool) -> None:
    """Hold that a message stands in its place, as it was said or as it was redacted."""
    assert message_id == number, (session, number, message_id)
    assert not redacted or may_be_redacted(number), (session, number)
    assert message == (replacement if redacted else said)(session, number), (session, number, message)


def read_agents_moment(board: Board, name: str, store: SessionStore) -> None:
    """Read an agent's session as of one instant: its state is the one that its last message was stored with."""
    low = board.acknowledged(name)
    if low == 0:
        return
    session, least = conversation(name, low)
    target = io.BytesIO()
    try:
        store.export_jsonl(target, [session])
    except NotFoundError:
        assert conversation(name, board.begun(name))[0] != session, f"{session} is not there"
        return
    now, most = conversation(name, board.begun(name))
    records = [json.loads(line) for line in target.getvalue().splitlines()]
    texts = [record["message"]["content"][0]["text"] for record in records if record.get("record") == "message"]
    assert least <= len(texts) <= (most if now == session else LONGEST), (session, least, len(texts), most)
    assert texts == [line_of(session, number) for number in range(len(texts))]
    turns = [record["state"].get("turn") for record in records if record.get("record") == "agent"]
    expected = (len(texts) - 1) // 2
    assert turns == [expected] if texts else turns in ([], [None]), (session, turns, len(texts))


def line_of(session: str, number: int) -> str:
    """Return what is said as message `number` of an agent's session."""
    return f"{'question' if number % 2 == 0 else 'answer'} {word_of(session, number)}"


def read_object(board: Board, key: str, storage: SQLiteStorage) -> None:
    """Read an object: it is, whole, one of the versions that may be there now."""
    low = board.acknowledged(key)
    data = asyncio.run(storage.read(key))
    versions = range(low, board.begun(key) + 1)
    assert any(data == (kept(key, version) if version else None) for version in versions), (key, versions, data)


def read_list(board: Board, store: SessionStore) -> None:
    """Page through all sessions: none is there twice, and each has as many messages as it may have."""
    before = {name: board.acknowledged(name) for name in board.names}
    listed: dict[str, int] = {}
    page = store.list_sessions(sort="id", limit=7)
    while True:
        for info in page.sessions:
            assert info.session_id not in listed, info.session_id
            listed[info.session_id] = info.messages
        if page.after is None:
            break
        page = store.list_sessions(sort="id", limit=7, after=page.after)
    for name, low in before.items():
        if low and name.startswith(("log", "agent")):
            session, least = conversation(name, low)
            now, most = conversation(name, board.begun(name))
            if now == session:
                assert least <= listed.get(session, -1) <= most, (session, least, listed.get(session), most)


def read_title(board: Board, name: str, store: SessionStore) -> None:
    """Read the title of a session: it is one of those that may be there now."""
    low = board.acknowledged(name)
    if low == 0:
        return
    title = store.summarize_session(name).info.title
    assert title in [f"title {step}" for step in range(low, board.begun(name) + 1)], (name, low, title)


def search_log(board: Board, name: str, store: SessionStore) -> None:
    """Search the last acknowledged message of a conversation: it is found, unless it is gone."""
    low = board.acknowledged(name)
    if low == 0:
        return
    session, messages = conversation(name, low)
    if messages == 0:
        return
    hits = store.search_messages(word_of(session, messages - 1))
    if conversation(name, board.begun(name))[0] == session and not may_be_redacted(messages - 1):
        assert (session, messages - 1) in {(hit.session_id, hit.message_id) for hit in hits}, (session, messages)

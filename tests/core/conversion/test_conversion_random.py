"""Random logs and snapshots: what comes back is what went."""

from __future__ import annotations

import itertools
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from strands.agent.conversation_manager import NullConversationManager
from strands.types.content import Message
from strands.types.session import SessionAgent, SessionMessage

from strands_sqlite_session_manager import SQLiteSessionManager, convert_to_message_log, convert_to_snapshots

from .file import AGENT, File, latest_key
from .sessions import assert_resumes_alike, resumed, rows_of

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=12)
NUMBERS = st.integers(-(2**70), 2**70) | st.floats(allow_nan=False)
JSON = st.recursive(
    st.none() | st.booleans() | NUMBERS | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=6,
)
PIXELS = st.binary(max_size=4) | st.sampled_from([bytes(512), bytes(range(256)) * 3])
TOOL_IDS = st.sampled_from(["call-1", "call-2"])
BLOCKS = st.one_of(
    st.fixed_dictionaries({"text": TEXT}),
    st.builds(lambda pixels: {"image": {"format": "png", "source": {"bytes": pixels}}}, PIXELS),
    st.builds(lambda call, given: {"toolUse": {"toolUseId": call, "name": "t", "input": given}}, TOOL_IDS, JSON),
    st.builds(
        lambda call, found: {"toolResult": {"toolUseId": call, "status": "success", "content": [{"json": found}]}},
        TOOL_IDS,
        JSON,
    ),
)
MESSAGES = st.fixed_dictionaries(
    {"role": st.sampled_from(["user", "assistant"]), "content": st.lists(BLOCKS, max_size=3)},
    optional={"tracking_id": TEXT, "metadata": st.dictionaries(TEXT, JSON, max_size=2)},
)
TIMES = st.datetimes().map(lambda time: f"{time.isoformat()}+00:00")
RECORDS = st.builds(
    SessionMessage,
    message=MESSAGES,
    message_id=st.integers(-3, 60) | st.just(2**62),
    redact_message=st.none() | MESSAGES,
    created_at=TIMES,
    updated_at=TIMES,
)
SUMMARIES = st.builds(lambda text: {"role": "user", "content": [{"text": text}]}, TEXT)
REMOVED = st.integers(0, 12)
CONVERSATIONS = st.one_of(
    st.builds(lambda n: {"__name__": "NullConversationManager", "removed_message_count": n}, REMOVED),
    st.builds(
        lambda n, calls: {
            "__name__": "SlidingWindowConversationManager",
            "removed_message_count": n,
            "model_call_count": calls,
        },
        REMOVED,
        REMOVED,
    ),
    st.builds(
        lambda n, summary: {
            "__name__": "SummarizingConversationManager",
            "removed_message_count": n,
            "summary_message": summary,
        },
        REMOVED,
        st.none() | SUMMARIES,
    ),
)
INTERNAL = st.fixed_dictionaries(
    {},
    optional={
        "interrupt_state": st.builds(
            lambda context, activated: {"interrupts": {}, "context": context, "activated": activated},
            st.dictionaries(TEXT, JSON, max_size=2),
            st.booleans(),
        ),
        "model_state": st.dictionaries(TEXT, JSON, max_size=2),
    },
)
AGENTS = st.builds(
    SessionAgent,
    agent_id=st.just(""),
    state=st.dictionaries(TEXT, JSON, max_size=3),
    conversation_manager_state=CONVERSATIONS,
    _internal_state=INTERNAL,
    created_at=TIMES,
    updated_at=TIMES,
)
LOGS = st.dictionaries(
    st.sampled_from(["a", "A", "\u00fc b", "%"]),
    st.tuples(AGENTS, st.lists(RECORDS, max_size=9, unique_by=lambda record: record.message_id)),
    max_size=2,
)
COUNT = itertools.count()


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One file for all examples, each of which has sessions of its own."""
    return tmp_path_factory.mktemp("random") / "sessions.db"


@settings(max_examples=60, deadline=None)
@given(log=LOGS, changes=st.lists(st.dictionaries(TEXT, JSON, max_size=2), max_size=2))
def test_a_random_log_comes_back_row_for_row(path: Path, log: Any, changes: list[dict[str, Any]]) -> None:
    """Gaps in ids, redactions, bytes, broken tool pairs, any offset or summary: rows and restored agents are equal."""
    source = f"log {next(COUNT)}"
    with SQLiteSessionManager(source, path, durability="normal") as manager:
        for agent_id, (agent, records) in log.items():
            agent.agent_id = agent_id
            manager.create_agent(source, agent)
            for record in records:
                manager.create_message(source, agent_id, record)
            for state in changes:
                agent.state = state
                manager.update_agent(source, agent)

    there = convert_to_snapshots(source, path, new_session_id=f"{source} there", durability="normal")
    back = convert_to_message_log(f"{source} there", path, new_session_id=f"{source} back", durability="normal")

    assert (there.agents, there.messages) == (len(log), sum(len(records) for _, records in log.values()))
    assert (back.agents, back.messages) == (there.agents, there.messages)
    assert rows_of(path, f"{source} back") == rows_of(path, source)
    assert_resumes_alike(path, source, f"{source} there")


SNAPSHOTS = st.fixed_dictionaries(
    {
        "scope": st.just("agent"),
        "schema_version": st.just("1.0"),
        "created_at": TIMES,
        "data": st.fixed_dictionaries(
            {
                "messages": st.lists(MESSAGES.map(lambda message: {**message, "content": [{"text": "x"}]}), max_size=6),
                "state": st.dictionaries(TEXT, JSON, max_size=3),
                "conversation_manager_state": CONVERSATIONS,
                "interrupt_state": st.just({"interrupts": {}, "context": {}, "activated": False}),
            },
            optional={"system_prompt": st.none() | st.just([{"text": "Be brief."}]), "of_tomorrow": JSON},
        ),
        "app_data": st.dictionaries(TEXT, JSON, max_size=2),
    },
    optional={"of_tomorrow": JSON},
)


@settings(max_examples=60, deadline=None)
@given(snapshot=SNAPSHOTS)
def test_a_random_snapshot_comes_back_equal(path: Path, snapshot: dict[str, Any]) -> None:
    """Whatever a snapshot holds, the one that comes back out of the log is equal to it."""
    source, file = f"snapshots {next(COUNT)}", File(path)
    summary = snapshot["data"]["conversation_manager_state"].get("summary_message")
    if summary is not None:
        snapshot["data"]["messages"].insert(0, summary)
    file.write(latest_key(source), snapshot)
    file.close()

    convert_to_message_log(source, path, new_session_id=f"{source} log", durability="normal")
    convert_to_snapshots(f"{source} log", path, new_session_id=f"{source} back", durability="normal")

    assert file.read(latest_key(f"{source} back")) == file.read(latest_key(source))
    assert_resumes_alike(path, f"{source} log", source, counted=False)
    file.close()


@settings(max_examples=60, deadline=None)
@given(
    stored=st.integers(0, 8),
    removed=st.integers(0, 10),
    held=st.lists(st.integers(0, 12), max_size=12),
    more=st.integers(-10, 10),
)
def test_whatever_an_agent_holds_later_no_message_is_lost(
    path: Path, stored: int, removed: int, held: list[int], more: int
) -> None:
    """Trimmed, dropped, doubled or in another order: the log resumes with what is held, and still has all it had."""
    session, file = f"held {next(COUNT)}", File(path)
    state = {"__name__": "NullConversationManager", "removed_message_count": removed}
    manager = file.log(session)
    manager.create_agent(session, SessionAgent(AGENT, {}, state))
    for number in range(stored):
        manager.create_message(session, AGENT, SessionMessage(_numbered(number), 2 * number))
    old = file.listed(session)
    convert_to_snapshots(session, path, durability="normal")
    snapshot = file.read(latest_key(session))
    snapshot["data"]["messages"] = [_numbered(number) for number in held]
    snapshot["data"]["conversation_manager_state"]["removed_message_count"] = max(0, removed + more)
    file.write(latest_key(session), snapshot)

    convert_to_message_log(session, path, overwrite=True, durability="normal")

    new = file.listed(session)
    assert [record.message_id for record in new] == sorted({record.message_id for record in new})
    assert [record for record in new if record in old] == old
    assert {record.message["content"][0]["text"] for record in new} >= {f"message {number}" for number in held}
    resumed_messages = resumed(file.log(session), AGENT, NullConversationManager()).messages
    assert resumed_messages == snapshot["data"]["messages"]
    file.close()


def _numbered(number: int) -> Message:
    return {"role": "user", "content": [{"text": f"message {number}"}]}

"""Files of every release, and long sessions: there and back, all rows are equal."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
from strands.agent.conversation_manager import SlidingWindowConversationManager
from strands.types.content import Message
from strands.types.session import SessionAgent, SessionMessage

from strands_sqlite_session_manager import (
    Conversion,
    SQLiteSessionManager,
    convert_to_message_log,
    convert_to_snapshots,
)

from .file import File
from .sessions import resumed, rows_of, session_ids

DATA = Path(__file__).parent.parent / "data"
RELEASED = sorted(path.name for path in DATA.glob("*.db"))
MANY = 3000


@pytest.mark.parametrize("name", RELEASED)
def test_each_session_of_a_released_file_converts_both_ways(file: File, name: str) -> None:
    """What 0.1.0 and every schema since wrote goes to snapshots and comes back, row for row."""
    shutil.copy(DATA / name, file.path)
    file.log("opened once, so that the file is of today")
    file.close()
    found = session_ids(file.path)
    assert len(found) > 1

    for session_id in found:
        there = convert_to_snapshots(session_id, file.path, new_session_id=f"{session_id} there")
        back = convert_to_message_log(f"{session_id} there", file.path, new_session_id=f"{session_id} back")
        assert (there.agents, there.messages, there.multi_agents) == (back.agents, back.messages, back.multi_agents)
        assert rows_of(file.path, f"{session_id} back") == rows_of(file.path, session_id)


def test_a_file_of_an_older_release_is_converted_without_being_opened_first(file: File) -> None:
    """The first that is ever done with a file of 0.1.0 may be its conversion."""
    shutil.copy(DATA / "legacy_0_1_0.db", file.path)

    assert convert_to_snapshots("support-42", file.path).agents == 2
    assert convert_to_message_log("support-42", file.path, new_session_id="back").multi_agents == 1

    assert rows_of(file.path, "back") == rows_of(file.path, "support-42")


def test_an_agent_of_the_legacy_file_resumes_in_snapshots_as_in_the_log(file: File) -> None:
    """The customer of 0.1.0 is remembered alike, what her window trimmed included."""
    shutil.copy(DATA / "legacy_0_1_0.db", file.path)
    convert_to_snapshots("support-42", file.path)

    found = [
        resumed(manager, "default", SlidingWindowConversationManager())
        for manager in (file.log("support-42"), file.snapshots("support-42"))
    ]

    assert found[0] == found[1]
    assert found[0].state["customer"] == "Ada"
    assert len(found[0].messages) > 1


VALUES = {
    "not a number": float("nan"),
    "infinite": [float("inf"), -float("inf")],
    "numbers": [1, 1.0, True, 1e16, 1e-7, -0.0, 2**53 + 1, 2**200, 0.1],
    "text": '\u0000\u2028\u00fc\U0001f389\\"/\x7f',
    "": {"": []},
    "deep": [[[[[[[[{"a": {"b": {"c": None}}}]]]]]]]],
    "marked": {"__bytes_encoded__": True, "data": "AAEC"},
    "bytes": b"\x00\xff",
}


def test_unusual_values_come_back_as_they_were_stored(file: File) -> None:
    """Not-a-number, infinity, large integers, control characters and bytes have the same rows after both ways."""
    manager, message = file.log("s"), {"role": "user", "content": [], "metadata": VALUES}
    manager.create_agent("s", SessionAgent("default", VALUES, VALUES, {"model_state": VALUES}))
    records: list[Any] = [SessionMessage(message, number) for number in range(2)]  # type: ignore[arg-type]  # odd keys
    for record in records:
        manager.create_message("s", "default", record)
    records[1].redact_message = {**message, "content": [{"text": "[removed]"}]}
    manager.update_message("s", "default", records[1])
    file.close()

    convert_to_snapshots("s", file.path)
    convert_to_message_log("s", file.path, new_session_id="t")

    assert rows_of(file.path, "t") == rows_of(file.path, "s")


def _long_session(manager: SQLiteSessionManager, removed: int) -> None:
    state = {"__name__": "SlidingWindowConversationManager", "removed_message_count": removed, "model_call_count": 0}
    manager.create_agent("s", SessionAgent("default", {"n": MANY}, state))
    for number in range(MANY):
        message: Message = {"role": "assistant" if number % 2 else "user", "content": [{"text": f"{number} " * 20}]}
        manager.create_message("s", "default", SessionMessage(message, number))


@pytest.mark.parametrize("removed", [0, MANY - 40, MANY])
def test_a_session_of_three_thousand_messages(file: File, removed: int) -> None:
    """A long session converts like a short one, wherever its window stands."""
    _long_session(file.log("s"), removed)
    file.close()

    assert convert_to_snapshots("s", file.path) == Conversion("s", agents=1, messages=MANY, multi_agents=0)
    assert convert_to_message_log("s", file.path, new_session_id="t").messages == MANY

    assert rows_of(file.path, "t") == rows_of(file.path, "s")
    found: list[Any] = [
        resumed(manager, "default", SlidingWindowConversationManager(window_size=MANY))
        for manager in (file.log("s"), file.snapshots("s"))
    ]
    assert found[0] == found[1]
    assert len(found[0].messages) == MANY - removed

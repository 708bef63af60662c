"""Checkpoints as windows on a conversation, from which trimmed messages come back; and what is no snapshot at all."""

from __future__ import annotations

from typing import Any

import pytest

from strands_sqlite_session_manager import CodecError, NotFoundError, convert_to_message_log, convert_to_snapshots

from .file import File, latest_key

FOLDER = "session/s/scopes/agent/default/snapshots"


def message(number: int, text: str) -> dict[str, Any]:
    return {"role": "assistant" if number % 2 else "user", "content": [{"text": text}]}


def snapshot(messages: list[dict[str, Any]], trimmed: int, **around: Any) -> dict[str, Any]:
    data = {
        "messages": messages,
        "state": {},
        "conversation_manager_state": {
            "__name__": "SlidingWindowConversationManager",
            "removed_message_count": trimmed,
        },
    }
    time = f"2026-01-01T00:00:00.{trimmed + len(messages):06}Z"
    return {"scope": "agent", "schema_version": "1.0", "created_at": time, "data": data, "app_data": {}, **around}


def hold(file: File, said: list[dict[str, Any]], size: int, every: int) -> None:
    """Store what a session leaves that says this through a window, with a checkpoint after so many messages."""
    for end in range(every, len(said) + 1, every):
        start = max(0, end - size)
        file.write(f"{FOLDER}/immutable_history/snapshot_{end:06}.json", snapshot(said[start:end], start))
    file.write(latest_key("s"), snapshot(said[max(0, len(said) - size) :], max(0, len(said) - size)))


@pytest.mark.parametrize(
    ("length", "size", "every", "text"),
    [
        (60, 10, 2, lambda number: "ok" if number % 2 else "yes"),
        (60, 10, 9, lambda number: "ok" if number % 2 else "yes"),
        (120, 10, 2, lambda number: f"m{number}" if number % 4 else "next"),
        (400, 200, 2, lambda number: "ok" if number % 2 else "yes"),
        (200, 40, 2, lambda number: f"m{number}"),
    ],
    ids=["the same again and again", "few checkpoints", "some again", "a large window", "all different"],
)
def test_trimmed_messages_come_out_of_checkpoints(file: File, length: int, size: int, every: int, text: Any) -> None:
    """Each message is in the log once, in its place, also where the conversation repeats itself."""
    said = [message(number, text(number)) for number in range(length)]
    hold(file, said, size, every)

    convert_to_message_log("s", file.path)

    records = file.listed("s")
    assert [record.message for record in records] == said
    assert [record.message_id for record in records] == list(range(length))


def test_an_agent_that_was_overwritten_does_not_come_back(file: File) -> None:
    """What an agent of the replaced session left in checkpoints makes no agent of the new one."""
    hold(file, [message(0, "hello")], 10, 1)
    convert_to_message_log("s", file.path, new_session_id="t")
    file.write(latest_key("t", "past"), snapshot([message(0, "old")], 0))
    file.write("session/t/scopes/agent/past/snapshots/immutable_history/snapshot_1.json", snapshot([], 0))

    assert convert_to_snapshots("t", file.path, overwrite=True).agents == 1
    assert convert_to_message_log("t", file.path, overwrite=True).agents == 1


def test_a_graph_that_has_only_checkpoints_is_no_session(file: File) -> None:
    """The SDK keeps no checkpoints of graphs; what looks like one is not found, and nothing is written."""
    file.write("session/s/scopes/multiAgent/g/snapshots/immutable_history/snapshot_1.json", snapshot([], 0))
    with pytest.raises(NotFoundError):
        convert_to_message_log("s", file.path)


@pytest.mark.parametrize("time", [None, 5, ["2026"]])
def test_a_time_that_is_no_text_is_refused(file: File, time: Any) -> None:
    """A snapshot whose time is none is a `CodecError` that names it."""
    file.write(latest_key("s"), snapshot([message(0, "hello")], 0, created_at=time))
    with pytest.raises(CodecError, match=r"snapshot_latest\.json.*created_at"):
        convert_to_message_log("s", file.path)


@pytest.mark.parametrize("data", [5, None, ["YQ=="]])
def test_bytes_that_are_none_are_refused(file: File, data: Any) -> None:
    """A message whose encoded bytes nobody can decode is a `CodecError`, and nothing is written."""
    image = {"image": {"format": "png", "source": {"bytes": {"__bytes_encoded__": True, "data": data}}}}
    file.write(latest_key("s"), snapshot([{"role": "user", "content": [image]}], 0))
    with pytest.raises(CodecError, match="message 0"):
        convert_to_message_log("s", file.path)


@pytest.mark.parametrize("archive", [{}, {"states": [1]}, {"states": ["{}", "{}", "{}"], "times": "x"}])
def test_an_archive_that_is_none_is_refused(file: File, archive: Any) -> None:
    """An archive that another program changed is a `CodecError` that names it."""
    file.write(latest_key("s"), snapshot([message(0, "hello")], 0))
    file.write(f"{FOLDER}/message_log.json", archive)
    with pytest.raises(CodecError, match=r"default/snapshots/message_log\.json"):
        convert_to_message_log("s", file.path)


@pytest.mark.parametrize("archive", [{"session": [1]}, {"session": 7}, {"multi_agents": 3, "session": [1, 2, 3, 4, 5]}])
def test_an_archive_of_a_session_that_is_none_is_refused(file: File, archive: Any) -> None:
    """The same goes for the archive of the session."""
    file.write(latest_key("s"), snapshot([message(0, "hello")], 0))
    file.write("session/s/message_log.json", archive)
    with pytest.raises(CodecError, match=r"session/s/message_log\.json"):
        convert_to_message_log("s", file.path)

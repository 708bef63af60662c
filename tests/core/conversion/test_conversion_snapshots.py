"""Sessions that began as snapshots: to a message log, on from there, and back to an equal snapshot."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

import pytest
from strands import Agent
from strands.agent.conversation_manager import SlidingWindowConversationManager

from strands_sqlite_session_manager import Conversion, SQLiteStorage, convert_to_message_log, convert_to_snapshots

from .file import AGENT, File, latest_key
from .sessions import assert_resumes_alike, content, memory_of, rows_of
from .talks import TALKS, Talk

PROMPT = "You are brief."


def checkpoints(**_: Any) -> bool:
    """Keep a checkpoint of every turn."""
    return True


def born(file: File, talk: Talk, **options: Any) -> Agent:
    """Hold a conversation in snapshots from the start."""
    manager = file.snapshots("s", **options)
    agent = talk.agent(manager, *talk.replies, system_prompt=PROMPT, **talk.options)
    for prompt in talk.prompts:
        agent(prompt)
    manager.sync_agent(agent)
    return agent


def texts(file: File, session_id: str = "s") -> list[str]:
    """Return all texts of a log."""
    messages = content([record.to_message() for record in file.listed(session_id)])
    return [block["text"].split()[0] for _, blocks in messages for block in blocks if "text" in block]


@pytest.fixture(params=sorted(TALKS))
def talk(request: pytest.FixtureRequest) -> Talk:
    """Each conversation in turn."""
    return TALKS[request.param]


def test_a_log_made_of_snapshots_resumes_where_they_stopped(file: File, talk: Talk) -> None:
    """Messages, state, open questions and model state are equal, and the snapshots are unchanged."""
    agent = born(file, talk)
    before = file.read(latest_key("s"))

    conversion = convert_to_message_log("s", file.path)

    assert conversion == Conversion("s", agents=1, messages=len(file.listed("s")), multi_agents=0)
    assert file.read(latest_key("s")) == before
    on_snapshots, on_log = memory_of(talk.resume(file.snapshots("s"))), memory_of(talk.resume(file.log("s")))
    assert on_snapshots == memory_of(agent)
    assert on_log.uncounted() == on_snapshots.uncounted()


def test_snapshots_made_of_such_a_log_are_the_ones_it_was_made_of(file: File, talk: Talk) -> None:
    """There and back again, the latest snapshot is equal, system prompt and times included."""
    born(file, talk)
    convert_to_message_log("s", file.path)

    convert_to_snapshots("s", file.path, new_session_id="t")

    assert file.read(latest_key("t")) == file.read(latest_key("s"))
    assert file.read(latest_key("t"))["data"]["system_prompt"] == [{"text": PROMPT}]


PINNED = Talk(
    replies=("a0", "a1", "a2", "a3"),
    prompts=("q0", "q1", "q2", "q3"),
    conversation=lambda: SlidingWindowConversationManager(window_size=4, pin_first=1),
)
"""A window that keeps the first message for ever, and forgets those behind it."""


def test_a_pinned_message_stays_in_front(file: File) -> None:
    """A window with a hole behind its first message is resumed with the hole, though a log knows no holes."""
    agent = born(file, PINNED, snapshot_trigger=checkpoints)
    assert [block["text"] for message in agent.messages for block in message["content"]][:2] == ["q0", "q2"]

    convert_to_message_log("s", file.path)
    convert_to_snapshots("s", file.path, new_session_id="t")

    assert PINNED.resume(file.log("s")).messages == agent.messages
    assert file.read(latest_key("t")) == file.read(latest_key("s"))
    assert {"q1", "a1"} <= set(texts(file))


@pytest.mark.parametrize("turns", [1, 2, 3])
@pytest.mark.parametrize("before", [1, 2, 3])
def test_a_message_that_is_pinned_in_snapshots_takes_no_place_of_another(file: File, before: int, turns: int) -> None:
    """What the log had is all there when it comes back, wherever the window with its pinned message stands by then."""
    talk = replace(PINNED, replies=PINNED.replies[:before], prompts=PINNED.prompts[:before])
    talk.hold(file.log("s"))
    convert_to_snapshots("s", file.path)
    agent = talk.resume(file.snapshots("s"), range(turns))
    file.close()

    convert_to_message_log("s", file.path, overwrite=True)

    assert talk.resume(file.log("s")).messages == agent.messages
    assert {f"{who}{turn}" for turn in range(before) for who in "qa"} <= set(texts(file))


def test_what_the_sdk_does_not_read_is_kept(file: File) -> None:
    """Data of the application, stashed context and fields of a newer SDK are in the snapshot that comes back."""
    born(file, TALKS["a window that trimmed"])
    snapshot = file.read(latest_key("s"))
    snapshot["app_data"] = {
        "ticket": 4711,
        "nested": {"list": [None, "\u00fc", {"__bytes_encoded__": True, "data": "AA=="}]},
    }
    snapshot["data"] |= {"stash": {"location": "inline", "entries": {"k": {"v": 1}}}, "of_tomorrow": {"a": [1]}}
    snapshot["of_tomorrow"] = "kept"
    file.write(latest_key("s"), snapshot)

    convert_to_message_log("s", file.path, new_session_id="log")
    convert_to_snapshots("log", file.path, new_session_id="t")

    assert file.read(latest_key("t")) == snapshot


def test_turns_in_the_log_are_in_the_snapshot_that_it_becomes(file: File, talk: Talk) -> None:
    """What was said in the log is resumed in snapshots; what only snapshots have is still there."""
    born(file, talk)
    snapshot = {**file.read(latest_key("s")), "app_data": {"ticket": 4711}}
    file.write(latest_key("s"), snapshot)
    convert_to_message_log("s", file.path)
    later = talk.resume(file.log("s"), range(2))
    file.close()

    convert_to_snapshots("s", file.path, overwrite=True)

    assert_resumes_alike(file.path, "s", "s", counted=False)
    assert talk.resume(file.snapshots("s")).state.get() == later.state.get()
    after = file.read(latest_key("s"))
    assert after["app_data"] == {"ticket": 4711}
    assert after["data"]["system_prompt"] == [{"text": PROMPT}]


def test_messages_that_only_checkpoints_hold_are_in_the_log(file: File) -> None:
    """What a window trimmed from the latest snapshot comes out of the checkpoints, each message once and in order."""
    talk = TALKS["a window that trimmed"]
    agent = born(file, talk, snapshot_trigger=checkpoints)
    assert len(agent.messages) == 4

    convert_to_message_log("s", file.path)

    assert texts(file) == [f"{who}{turn}" for turn in range(6) for who in "qa"]
    assert talk.resume(file.log("s")).messages == agent.messages
    convert_to_snapshots("s", file.path, new_session_id="t")
    assert file.read(latest_key("t")) == file.read(latest_key("s"))


def test_messages_that_only_checkpoints_hold_come_back_beside_the_old_ones(file: File) -> None:
    """A log that went on in snapshots with checkpoints has, when it comes back, all that was ever said."""
    talk = TALKS["a window that trimmed"]
    talk.hold(file.log("s"))
    old = file.listed("s")
    convert_to_snapshots("s", file.path)
    talk.resume(file.snapshots("s", snapshot_trigger=checkpoints), range(4))
    file.close()

    convert_to_message_log("s", file.path, overwrite=True)

    assert file.listed("s")[: len(old)] == old
    said = [f"{who}{turn}" for turn in range(6) for who in "qa"]
    assert texts(file) == said + ["say", "later"] * 4


def test_checkpoints_of_another_branch_do_not_get_into_the_log_that_is_resumed(file: File) -> None:
    """After time travel the agent resumes with what it travelled to and said since, and with nothing else."""
    talk = TALKS["plain"]
    manager = file.snapshots("s", snapshot_trigger=checkpoints)
    agent = talk.agent(manager, "a0", "a1", "a2", "another a1")
    for prompt in ("q0", "q1", "q2"):
        agent(prompt)
    _travel(manager, agent, to=0)
    agent("another q1")

    convert_to_message_log("s", file.path)

    resumed = talk.resume(file.log("s"))
    assert resumed.messages == agent.messages
    assert len(resumed.messages) == 4


def _travel(manager: Any, agent: Agent, to: int) -> None:
    async def travel() -> None:
        ids = await manager.list_snapshot_ids(agent)
        await manager.restore_snapshot(agent, snapshot_id=ids[to])

    asyncio.run(travel())


def test_checkpoints_of_a_session_that_was_replaced_get_into_no_log(file: File) -> None:
    """What another conversation left in checkpoints under the id is not said by the one that took its place."""
    other = replace(TALKS["plain"], replies=tuple("abcdefgh"), prompts=("other",) * 8)
    other.hold(file.snapshots("s", snapshot_trigger=checkpoints))
    TALKS["a window that trimmed"].hold(file.log("s"))

    convert_to_snapshots("s", file.path, overwrite=True)
    TALKS["a window that trimmed"].resume(file.snapshots("s"), range(4))
    convert_to_message_log("s", file.path, new_session_id="t")

    assert "other" not in texts(file, "t")


def test_checkpoints_stay_where_they_are(file: File) -> None:
    """Converting to a log changes no object of the snapshot session, checkpoints among them."""
    born(file, TALKS["plain"], snapshot_trigger=checkpoints)
    before = {key: file.read(key) for key in file.stored_keys()}
    assert len([key for key in before if "immutable_history" in key]) == 3

    convert_to_message_log("s", file.path)

    assert {key: file.read(key) for key in file.stored_keys()} == before


@pytest.mark.parametrize("namespace", ["team/blue", "a", "\u00fc/%_"])
def test_a_namespace_of_the_users_own(file: File, namespace: str) -> None:
    """Snapshots in another namespace are found there and written there, and the SDK resumes them from there."""
    talk = TALKS["a window that trimmed"]
    manager = file.snapshots("s", storage=file.storage().namespace(namespace))
    agent = talk.agent(manager, *talk.replies)
    for prompt in talk.prompts:
        agent(prompt)

    assert convert_to_message_log("s", file.path, namespace=namespace).agents == 1
    assert convert_to_snapshots("s", file.path, new_session_id="t", namespace=namespace).agents == 1

    assert [key for key in file.stored_keys() if not key.startswith(f"{namespace}/")] == []
    for session_id in ("s", "t"):
        again = file.snapshots(session_id, storage=file.storage().namespace(namespace))
        assert talk.resume(again).messages == agent.messages
    assert talk.resume(file.log("s")).messages == agent.messages


def test_agents_beside_one_another_and_what_is_not_theirs(file: File) -> None:
    """Every agent below a session is converted; sessions with similar ids, and objects of other kinds, are not."""
    for session_id in ("s", "s2", "S", "s/scopes"[:1] + " "):
        for agent_id in ("a", "A", "b c"):
            agent = TALKS["plain"].agent(file.snapshots(session_id), f"{session_id}-{agent_id}", agent_id=agent_id)
            agent("q")
    file.write("session/s/notes.json", {"of": "somebody else"})
    file.write("context/s/scopes/agent/a/ref", {"stash": 1})

    assert convert_to_message_log("s", file.path) == Conversion("s", agents=3, messages=6, multi_agents=0)

    found = {row[0]: row[1] for row in rows_of(file.path, "s")["agents"]}
    assert sorted(found) == ["A", "a", "b c"]
    for agent_id in found:
        assert texts_of(file, agent_id) == ["q", f"s-{agent_id}"]
    assert rows_of(file.path, "s2")["sessions"] == []


def texts_of(file: File, agent_id: str) -> list[str]:
    """Return the texts of one agent's log."""
    return [block["text"] for record in file.listed("s", agent_id) for block in record.message["content"]]


def test_storage_that_is_in_use_sees_the_converted_session_at_once(file: File) -> None:
    """A storage and a manager that were open all the while read what a conversion wrote."""
    storage: SQLiteStorage = file.storage()
    log = file.log("other")
    TALKS["plain"].hold(file.log("s"))

    convert_to_snapshots("s", file.path)
    convert_to_message_log("s", file.path, new_session_id="t")

    assert len(TALKS["plain"].resume(file.snapshots("s", storage=storage)).messages) == 6
    assert len(log.list_messages("t", AGENT)) == 6

"""One session: its messages as agents get them, and what they cost."""

from __future__ import annotations

import json
import tracemalloc
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from strands import Agent, tool

from pytest_strands_sqlite import ScriptedModel, ToolCall
from strands_sqlite_session_manager import CodecError, NotFoundError, SQLiteSessionManager
from strands_sqlite_session_manager._connection import Connection
from strands_sqlite_session_manager._database import Database, Options
from strands_sqlite_session_manager._schema import open_database
from strands_sqlite_session_manager.catalog import AgentSummary, StoredMessage, read_messages, summarize_session
from strands_sqlite_session_manager.catalog._contents import iterate_messages

from .cataloged import add_session, at, put, put_agent, put_message, put_session, tokens

PIXELS = b"\x89PNG" * 300


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "sessions.db"


@pytest.fixture
def database(path: Path) -> Iterator[Database]:
    """An empty database."""
    database = open_database(path, Options(durability="normal"))
    yield database
    database.close()


def image(content: bytes) -> Any:
    return {"image": {"format": "png", "source": {"bytes": content}}}


def redact(database: Database, message_id: int, message: Any) -> None:
    values = (json.dumps(message), message_id)
    sql = "UPDATE messages SET redact_message = ? WHERE message_id = ?"
    database.write(lambda connection: connection.run(sql, values))


def test_messages_are_those_that_an_agent_gets(database: Database) -> None:
    """In order, with bytes in their pictures, small and large; what a guardrail replaced is not shown."""
    add_session(database, "s", [image(PIXELS), image(b"small")], "answer", "secret")
    redact(database, 2, {"role": "user", "content": [{"text": "[removed]"}]})
    assert read_messages(database, "s") == [
        StoredMessage("s", "a", 0, "user", {"role": "user", "content": [image(PIXELS), image(b"small")]}, False, at(0)),
        StoredMessage("s", "a", 1, "assistant", {"role": "assistant", "content": [{"text": "answer"}]}, False, at(0)),
        StoredMessage("s", "a", 2, "user", {"role": "user", "content": [{"text": "[removed]"}]}, True, at(0)),
    ]


@pytest.mark.parametrize("offset", [0, 3, 9, 10, 12, -1, -4, -12])
@pytest.mark.parametrize("limit", [None, 0, 1, 4, 20])
def test_parts_are_slices(database: Database, limit: int | None, offset: int) -> None:
    """`offset` cuts as Python cuts a list, from its end too, and `limit` takes of what is left."""
    add_session(database, "s", *map(str, range(10)))
    found = [message.message_id for message in read_messages(database, "s", limit=limit, offset=offset)]
    assert found == list(range(10))[offset:][:limit]


def test_the_only_agent_need_not_be_named(database: Database) -> None:
    """Where there are several, all are named in the refusal; where there is none, or another, that is said."""
    add_session(database, "s", "hi", agent="writer")
    assert read_messages(database, "s") == read_messages(database, "s", "writer")
    with pytest.raises(NotFoundError, match="reader") as refused:
        read_messages(database, "s", "reader")
    assert "writer" in refused.value.hint
    database.write(lambda connection: put_agent(connection, "s", "critic", at(0)))
    with pytest.raises(ValueError, match="critic, writer"):
        read_messages(database, "s")
    database.write(lambda connection: put_session(connection, "empty"))
    for session_id in ("empty", "missing"):
        with pytest.raises(NotFoundError, match=session_id):
            read_messages(database, session_id)


def test_a_damaged_message_is_a_typed_error(database: Database) -> None:
    """Nothing is made up in its place."""
    add_session(database, "s", "hi")
    database.write(lambda connection: connection.run("UPDATE messages SET message = '{'"))
    with pytest.raises(CodecError):
        read_messages(database, "s")


def test_tokens_of_a_message_with_a_number_that_is_none_count(database: Database) -> None:
    """The SDK stores NaN as it stands; what else the message carries is read all the same."""

    def add(connection: Connection) -> None:
        put_session(connection, "s", "a")
        call = {"toolUse": {"toolUseId": "1", "name": "t", "input": {"limit": float("nan")}}}
        put_message(connection, "s", "a", [call], metadata=tokens(5))

    database.write(add)
    (agent,) = summarize_session(database, "s").agents
    assert (agent.tool_calls, agent.total_tokens is not None) == (1, True)


def test_tokens_latency_tools_and_bytes_are_summed_for_each_agent(database: Database) -> None:
    """As far as messages carry them; an attachment that two agents share counts once for the session."""

    def add(connection: Connection) -> None:
        put_session(connection, "s", "a")
        put_agent(connection, "s", "b", at(1))
        put_message(connection, "s", "a", [image(PIXELS), {"text": "look"}])
        calls = [{"toolUse": {"toolUseId": str(number), "name": "t", "input": {}}} for number in range(2)]
        put_message(connection, "s", "a", calls, metadata=tokens(5))
        put_message(connection, "s", "a", [image(PIXELS)])
        put_message(connection, "s", "a", "done", metadata=tokens(7))
        put_message(connection, "s", "b", [image(PIXELS)], metadata={"custom": 1, "usage": {"inputTokens": "many"}})
        put(connection, "multi_agents", session_id="s", multi_agent_id="crew", state="{}")

    database.write(add)
    stored = dict(
        database.read(
            lambda connection: connection.rows(
                "SELECT agent_id, sum(octet_length(message)) FROM messages GROUP BY agent_id"
            )
        )
    )
    found = summarize_session(database, "s")
    assert found.info.messages == 5
    assert found.multi_agents == ("crew",)
    assert found.agents[0] == AgentSummary("a", 4, 12, 24, 36, 120, 2, at(0), at(0), stored["a"] + len(PIXELS))
    assert found.agents[1].bytes == stored["b"] + len(PIXELS)
    assert (found.agents[1].output_tokens, found.agents[1].latency_ms, found.agents[1].tool_calls) == (None, None, 0)
    assert found.bytes == sum(stored.values()) + len(PIXELS)


def test_redacted_messages_were_paid_for_too(database: Database) -> None:
    """The tokens stay when the words go; tools in what is not shown any more are not counted."""
    call = [{"toolUse": {"toolUseId": "1", "name": "t", "input": {}}}]

    def add(connection: Connection) -> None:
        put_session(connection, "s", "a")
        put_message(connection, "s", "a", call, metadata=tokens(5))

    database.write(add)
    replacement = {"role": "user", "content": [{"text": "[removed]"}]}
    redact(database, 0, replacement)
    (agent,) = summarize_session(database, "s").agents
    assert (agent.input_tokens, agent.tool_calls) == (5, 0)
    assert agent.bytes > len(json.dumps(replacement))


def test_damaged_messages_stop_no_summary(database: Database) -> None:
    """They count as messages and as bytes."""
    add_session(database, "s", "hi", "there")
    database.write(lambda connection: connection.run("UPDATE messages SET message = '{' WHERE message_id = 0"))
    (agent,) = summarize_session(database, "s").agents
    assert (agent.messages, agent.input_tokens) == (2, None)


@tool
def weather(city: str) -> str:
    """Tell the weather."""
    return f"sunny in {city}"


def test_a_session_of_a_real_agent_is_read_and_summed(path: Path, database: Database) -> None:
    """The messages are the agent's own; the tools it called are counted."""
    model = ScriptedModel(ToolCall("weather", {"city": "Bern"}), "It is sunny.")
    with SQLiteSessionManager("talk", path) as manager:
        agent = Agent(model=model, tools=[weather], session_manager=manager, callback_handler=None)
        agent("How is the weather?")
    assert [found.message for found in read_messages(database, "talk")] == agent.messages
    (found,) = summarize_session(database, "talk").agents
    carried: list[Any] = [message.get("metadata", {}).get("usage") for message in agent.messages]
    known = [usage["totalTokens"] for usage in carried if usage is not None]
    assert (found.messages, found.tool_calls, found.total_tokens) == (4, 1, sum(known) if known else None)


def test_a_long_conversation_in_pages(database: Database) -> None:
    """Messages one after the other are those of a list; where they begin may be counted from the end."""
    add_session(database, "s", *map(str, range(450)))
    everything = read_messages(database, "s", "a")
    for offset in (0, 1, 199, 200, 201, 449, 450, 460, -1, -250, -460):
        for limit in (None, 0, 1, 200, 201, 500):
            found = list(iterate_messages(database, "s", "a", limit=limit, offset=offset))
            assert found == everything[offset:][:limit], (offset, limit)


def test_pages_go_on_behind_the_last_message(database: Database) -> None:
    """What is deleted between pages moves nothing: each message that stays is given once."""
    add_session(database, "s", *map(str, range(450)))
    messages = iterate_messages(database, "s", "a")
    first = [next(messages).message_id for _ in range(200)]
    database.write(lambda connection: connection.run("DELETE FROM messages WHERE message_id < 100"))
    assert first + [each.message_id for each in messages] == list(range(450))


def test_pages_of_attachments_fit_into_memory(database: Database) -> None:
    """Of many large attachments a few are in memory at a time, and one that is larger than a page is given too."""
    sizes = [1_500_000] * 12 + [6_000_000]
    add_session(database, "s", *([image(bytes([number]) * size)] for number, size in enumerate(sizes)))
    tracemalloc.start()
    try:
        lengths = [_size(message) for message in iterate_messages(database, "s", "a")]
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert lengths == sizes
    assert peak < 16_000_000


def _size(message: StoredMessage) -> int:
    return len(message.message["content"][0]["image"]["source"]["bytes"])


def test_pages_of_what_is_not_there(database: Database) -> None:
    """A session or an agent that is missing is an error."""
    add_session(database, "s", "hello")
    for session, agent in (("t", "a"), ("s", "b")):
        with pytest.raises(NotFoundError):
            next(iterate_messages(database, session, agent))

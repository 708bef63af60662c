"""What is pushed is, byte for byte, what the SDK's own `S3SessionManager` and `S3Storage` write for the same run."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import datetime, timezone, tzinfo
from pathlib import Path
from typing import Any

import pytest
from strands import Agent, tool
from strands.multiagent import GraphBuilder, Swarm
from strands.session import SnapshotSessionManager
from strands.session.s3_session_manager import S3SessionManager
from strands.storage import S3Storage
from strands.types.content import Message

from pytest_strands_sqlite import Redaction, ScriptedModel, ToolCall
from strands_sqlite_s3_mirror._bucket import Bucket
from strands_sqlite_s3_mirror._places import SIDECARS
from strands_sqlite_s3_mirror._push import push_live, push_release
from strands_sqlite_session_manager import SQLiteSessionManager, SQLiteStorage
from strands_sqlite_session_manager._schema import open_database

from .pushing import IMAGE, PLACES, copied, require_sealed, stored
from .servers import Server

SDK = "sdk/"
ODD_ID = "it's %_ 'ü漢🎉' .. {}"


class Noon(datetime):
    """A clock that stands still, so that two managers write the same times."""

    @classmethod
    def now(cls, tz: tzinfo | None = None) -> Noon:
        """Return the one time that there is."""
        return cls(2026, 1, 2, 12, 0, 0, 345, tzinfo=tz or timezone.utc)


@pytest.fixture(autouse=True)
def _noon(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let it be noon for the records of the SDK."""
    monkeypatch.setattr("strands.types.session.datetime", Noon)


@tool
def look(place: str) -> dict[str, Any]:
    """Look somewhere: a picture, a document, and words."""
    picture: Any = {"image": {"format": "png", "source": {"bytes": IMAGE}}}
    report: Any = {"document": {"format": "pdf", "name": "report", "source": {"bytes": b"%PDF-\x00\xff"}}}
    return {"status": "success", "content": [picture, report, {"text": f"{place}: ü漢🎉\u2028\x00"}]}


class Ours(SQLiteSessionManager):
    """Ours, which passes on what the SDK tells one manager only, and not the hooks."""

    theirs: S3SessionManager

    def redact_latest_message(self, redact_message: Message, agent: Agent, **kwargs: Any) -> None:
        """Redact in both."""
        super().redact_latest_message(redact_message, agent, **kwargs)
        self.theirs.redact_latest_message(redact_message, agent, **kwargs)


class Pair:
    """Our session manager and the SDK's on the same session: what an agent does, both are told by its hooks."""

    def __init__(self, server: Server, bucket: Bucket, path: Path) -> None:
        self.bucket = bucket
        self.path = path
        self._server = server
        self._opened = ExitStack()

    def managers(self, session_id: str) -> tuple[SQLiteSessionManager, S3SessionManager]:
        """Ours, and the SDK's."""
        ours = self._opened.enter_context(Ours(session_id, self.path))
        session = self._server.session()
        ours.theirs = S3SessionManager(session_id, self.bucket.name, prefix=SDK, boto_session=session)
        return ours, ours.theirs

    def agent(self, session_id: str, *script: Any, **options: Any) -> Agent:
        """An agent of both."""
        ours, theirs = self.managers(session_id)
        model = ScriptedModel(*script)
        usual: dict[str, Any] = {"agent_id": "a", "callback_handler": None, "tools": [look]}
        return Agent(model=model, session_manager=ours, hooks=[theirs], **(usual | options))

    def require_same(self) -> set[str]:
        """Push, and compare with what the SDK wrote; return the paths."""
        self._opened.close()
        database = open_database(self.path)
        push_live(database, self.bucket, PLACES)
        push_release(database, self.bucket, PLACES, "1")
        database.close()
        expected = stored(self.bucket, SDK)
        for found in (copied(self.bucket, PLACES.live), require_sealed(self.bucket, PLACES.release("1"))):
            assert {path: body for path, body in found.items() if not path.startswith(SIDECARS)} == expected
        return set(expected)


@pytest.fixture
def pair(moto_server: Server, tmp_path: Path) -> Iterator[Pair]:
    """On moto, an empty database and an empty bucket."""
    bucket = moto_server.bucket()
    yield Pair(moto_server, bucket, tmp_path / "sessions.db")
    bucket.close()


def test_turns_with_tools_images_documents_and_state(pair: Pair) -> None:
    """Base64 where the SDK has it, its indentation, its order of fields, its unicode."""
    agent = pair.agent("talk", ToolCall("look", {"place": "Zürich"}), "I looked.", "Bye.")
    agent([{"text": "Look: \u2028 🎉"}, {"image": {"format": "png", "source": {"bytes": IMAGE * 9}}}])
    agent.state.set("place", {"name": "Zürich", "n": [1.0, None, 1e-7]})
    agent("Bye.")
    assert len(pair.require_same()) == 8


def test_a_session_that_goes_on_after_a_restart(pair: Pair) -> None:
    """With more agents, and odd ids."""
    for text in ("one", "two"):
        for agent_id in ("a", ODD_ID):
            pair.agent(ODD_ID, "Yes.", agent_id=agent_id)(text)
    assert len(pair.require_same()) == 11


def test_redaction(pair: Pair) -> None:
    """What a guardrail put in the place of a message."""
    agent = pair.agent("talk", Redaction(user_message="[removed]", reply="No."), "Yes.")
    agent("My card is 4111.")
    agent("Something else?")
    pair.require_same()


def test_a_graph_and_a_swarm(pair: Pair) -> None:
    """Their states after they ran."""
    ours, theirs = pair.managers("graph")
    nodes = {name: Agent(model=ScriptedModel(f"{name} ü"), name=name, callback_handler=None) for name in ("x", "y")}
    builder = (
        GraphBuilder()
        .set_max_node_executions(5)
        .set_session_manager(ours)
        .set_hook_providers([theirs])
        .set_graph_id("press")
    )
    for name, agent in nodes.items():
        builder.add_node(agent, name)
    builder.add_edge("x", "y")
    builder.set_entry_point("x").build()("Go.")

    ours, theirs = pair.managers("swarm")
    planner = Agent(
        model=ScriptedModel(ToolCall("handoff_to_agent", {"agent_name": "coder", "message": "ü"}), "He does."),
        name="planner",
        callback_handler=None,
    )
    coder = Agent(model=ScriptedModel("Done."), name="coder", callback_handler=None)
    Swarm([planner, coder], session_manager=ours, hooks=[theirs], id="team")("Go.")
    assert {path for path in pair.require_same() if "multi_agent" in path} == {
        "session_graph/multi_agents/multi_agent_press/multi_agent.json",
        "session_swarm/multi_agents/multi_agent_team/multi_agent.json",
    }


class Twice:
    """A storage that writes to two."""

    def __init__(self, ours: SQLiteStorage, theirs: S3Storage) -> None:
        self._ours = ours
        self._theirs = theirs

    async def write(self, key: str, data: bytes) -> None:
        """Write to both."""
        await self._ours.write(key, data)
        await self._theirs.write(key, data)

    async def read(self, key: str) -> bytes | None:
        """Read from ours."""
        return await self._ours.read(key)

    async def delete(self, key: str) -> None:
        """Delete from both."""
        await self._ours.delete(key)
        await self._theirs.delete(key)

    async def list(self, query: str = "") -> Any:
        """List ours."""
        return await self._ours.list(query)


def test_snapshots_and_other_objects(pair: Pair, moto_server: Server) -> None:
    """Under the same keys; those of a session and those that somebody stores."""
    theirs = S3Storage(pair.bucket.name, prefix=SDK.rstrip("/"), boto_session=moto_server.session())
    with_both: Any = Twice(SQLiteStorage(pair.path), theirs)
    manager = SnapshotSessionManager(session_id="snap", storage=with_both)
    agent = Agent(
        model=ScriptedModel(ToolCall("look", {"place": "x"}), "I looked.", "Bye."),
        session_manager=manager,
        agent_id="a",
        callback_handler=None,
        tools=[look],
    )
    agent("Look.")
    agent("Bye.")
    for key in ("//context//ü/x", "memory/", ODD_ID):
        asyncio.run(with_both.write(key, IMAGE * 20))
    asyncio.run(with_both.write("gone", b""))
    asyncio.run(with_both.delete("gone"))
    paths = pair.require_same()
    assert any(path.startswith("session/snap/scopes/") for path in paths)
    assert {"context/ü/x", "memory", ODD_ID} <= paths

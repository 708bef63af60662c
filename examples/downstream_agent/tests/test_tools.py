"""What the desk does when a tool fails, and what the tools do by themselves."""

from collections.abc import Callable
from pathlib import Path

from downstream_agent import ParcelFile, deliver_to, tracking
from strands import Agent

from pytest_strands_sqlite import ScriptedModel, SessionFactory, ToolCall, Transcript, transcript
from strands_sqlite_session_manager import SQLiteSessionManager

FIND = ToolCall("find_parcel", {"number": "P-9"})


def results(said: Transcript) -> list[str]:
    """Return what the tools answered."""
    return [line.text for line in said.lines if line.kind == "result"]


def test_a_tool_that_fails_is_told_to_the_model(
    desk: Callable[..., Agent], sqlite_session_factory: SessionFactory
) -> None:
    """The carrier does not answer: the desk says so, and the failure is part of what it remembers."""

    def fail(_number: str) -> str:
        message = "the carrier does not answer"
        raise ConnectionError(message)

    desk(FIND, "I cannot reach the carrier. Please ask again later.", locate=fail)("Where is P-9?")
    sqlite_session_factory.restart()

    said = transcript(sqlite_session_factory("customer-ada"))
    assert results(said) == ["find_parcel failed: Error: ConnectionError - the carrier does not answer"]
    said.assert_said("ask again later", role="assistant")


def test_a_tool_that_failed_is_called_again_after_a_restart(
    desk: Callable[..., Agent], sqlite_session_factory: SessionFactory, tmp_path: Path
) -> None:
    """The desk that could not find a parcel finds it the next day, in the same conversation."""
    parcels = tmp_path / "parcels.json"
    parcels.write_text("{}")
    desk(FIND, "I do not know it yet.", locate=ParcelFile(parcels))("Where is P-9?")
    sqlite_session_factory.restart()

    parcels.write_text('{"P-9": "Troms\\u00f8"}')
    desk(FIND, "In Tromsø.", locate=ParcelFile(parcels))("And today?")

    said = transcript(sqlite_session_factory("customer-ada"))
    assert results(said) == [
        "find_parcel failed: Error: LookupError - there is no parcel P-9",
        "find_parcel: Parcel P-9 is in Tromsø.",
    ]


def test_a_tool_that_fails_does_not_stop_the_others(
    agent_factory: Callable[..., Agent], sqlite_session_manager: SQLiteSessionManager
) -> None:
    """Two calls in one answer: each has its result."""
    parcels: dict[str, str] = {}
    agent = agent_factory(
        [FIND, ToolCall("deliver_to", {"place": "the office"})],
        "I do not know P-9; parcels go to the office.",
        tools=[tracking(parcels.__getitem__), deliver_to],
    )
    agent("Where is P-9? Bring it to the office.")

    said = transcript(sqlite_session_manager)
    assert sorted(results(said)) == [
        "deliver_to: Parcels go to the office from now on.",
        "find_parcel failed: Error: KeyError - 'P-9'",
    ]
    said.assert_state({"deliver_to": "the office"})


def test_the_desk_offers_its_tools(desk: Callable[..., Agent]) -> None:
    """The model is told of both, with the arguments that it must give and no others."""
    agent = desk("Hello!")
    agent("Hi")

    assert isinstance(agent.model, ScriptedModel)
    offered = {spec["name"]: spec["inputSchema"]["json"]["required"] for spec in agent.model.calls[0].tool_specs or []}
    assert offered == {"find_parcel": ["number"], "deliver_to": ["place"]}

"""An agent resumes with what it had."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

from strands import Agent, tool
from strands.multiagent import GraphBuilder
from strands.types.content import Messages

from pytest_strands_sqlite.contracts._capabilities import ManagerCapability, needs
from pytest_strands_sqlite.contracts._records import Crew, exact
from pytest_strands_sqlite.scripted_model import Redaction, ScriptedModel, ToolCall

from ._base import ManagerSection, said


@tool
def look_up(order: int) -> str:
    """Look an order up."""
    return f"order {order} is on its way"


class RoundTrip(ManagerSection):
    """Round trip: the conversation, the state, tool calls, redactions."""

    def test_a_conversation_resumes(self, place: Path) -> None:
        """Every message of a conversation is there when another process resumes it, once, and in order."""
        agent = self._agent(place, "one", "two", "three")
        for question in ("first?", "second?", "third?"):
            agent(question)

        found = said(self._resumed(place))

        self._expect("resume with every message", found, ["first?", "one", "second?", "two", "third?", "three"])

    def test_the_last_turn_is_there_after_reopening(self, place: Path) -> None:
        """A turn that returned is stored: nothing waits for the next turn, or for a close that may not come."""
        agent = self._agent(place, "one", "the last")
        agent("first?")
        agent("and last?")

        found = said(self._agent(place))

        self._expect("show the last turn to whoever opens the place now", found[-2:], ["and last?", "the last"])

    def test_a_resumed_conversation_goes_on(self, place: Path) -> None:
        """Turns after a resume follow the ones before, over several processes."""
        expected = []
        for number in range(4):
            self._resumed(place, f"answer {number}")(f"question {number}")
            expected += [f"question {number}", f"answer {number}"]

        self._expect("hold the turns of every process", said(self._resumed(place)), expected)

    def test_messages_given_at_the_start_are_stored(self, place: Path) -> None:
        """What an agent is built with is part of the conversation, and is not there twice after a resume."""
        given = cast("Messages", [{"role": "user", "content": [{"text": "before"}]}])
        self._agent(place, "one", messages=given)("first?")

        found = said(self._resumed(place))

        self._expect("resume with what the agent was given", found, ["before", "first?", "one"])

    def test_the_state_of_an_agent_resumes(self, place: Path) -> None:
        """What a program keeps in `agent.state` is there after the turn in which it was set."""
        agent = self._agent(place, "one")
        agent.state.set("cart", {"items": [1, None, "ä"], "total": 2.5})
        agent("first?")

        found = self._resumed(place).state.get("cart")

        self._expect("resume with the state", exact(found), exact({"items": [1, None, "ä"], "total": 2.5}))

    def test_tool_calls_and_their_results_resume(self, place: Path) -> None:
        """Tool calls and results are stored exactly, in their order, and the conversation goes on."""
        agent = self._agent(place, ToolCall("look_up", {"order": 7}), "it is on its way", tools=[look_up])
        agent("where is order 7?")
        before = exact(agent.messages)

        found = exact(self._resumed(place, tools=[look_up]).messages)

        self._expect("resume with the tool call and its result", found, before)

    def test_any_text_comes_back_exactly(self, place: Path) -> None:
        """Whatever is said is read as it was said: quotes, control characters, any script, an empty text."""
        words = "naïve \u2028 \U0001f375 \x01 '; -- \\ \" <&> \n\t"
        agent = self._agent(place, words)
        agent(words)

        found = said(self._resumed(place))

        self._expect("resume with the text as it was", found, said(agent))

    def test_a_redacted_message_stays_redacted(self, place: Path) -> None:
        """What a guardrail took out of the conversation is not there after a resume."""
        self._agent(place, Redaction(user_message="[redacted]"))("my card is 4111")

        found = said(self._resumed(place))

        self._expect("resume with the redaction", found[:1], ["[redacted]"])
        self._expect("resume without what was redacted", "4111" in str(found), expected=False)

    @needs(ManagerCapability.BYTES)
    def test_bytes_in_a_message_come_back(self, place: Path) -> None:
        """An image of a message is the same bytes after a resume, small or large."""
        blocks: Any = [
            {"image": {"format": "png", "source": {"bytes": data}}} for data in (b"\x89PNG\x00", bytes(range(256)) * 40)
        ]
        agent = self._agent(place, "one")
        agent([{"text": "what is this?"}, *blocks])

        found = self._resumed(place).messages

        self._expect("resume with the images", exact(found), exact(agent.messages))

    @needs(ManagerCapability.MULTI_AGENT)
    def test_the_state_of_a_multi_agent_resumes(self, place: Path) -> None:
        """What a multi-agent has serialized at its last sync is given back to it by another process."""
        first: Any = Crew("m", {"step": 0})
        manager = self._manager(place)
        manager.initialize_multi_agent(first)
        first.state = {"step": 2, "nodes": ["z", "a"], "task": None}
        manager.sync_multi_agent(first)
        self._close_all()

        second: Any = Crew("m", {"step": 0})
        self._manager(place).initialize_multi_agent(second)

        self._expect("restore the state of the multi-agent", exact(second.state), exact(first.state))

    @needs(ManagerCapability.MULTI_AGENT)
    def test_the_state_of_a_graph_is_stored(self, place: Path) -> None:
        """A graph stores its state while it runs, and another process is given it."""
        builder = GraphBuilder()
        for name in ("draft", "check"):
            builder.add_node(Agent(name=name, model=ScriptedModel(f"{name} done"), callback_handler=None), name)
        builder.add_edge("draft", "check")
        builder.set_graph_id("m")
        builder.set_max_node_executions(5)
        builder.set_session_manager(self._manager(place))
        builder.build()("write")
        self._close_all()

        later: Any = Crew("m", {})
        self._manager(place).initialize_multi_agent(later)

        found = later.state.get("status"), sorted(later.state.get("completed_nodes", ()))
        self._expect("hold the state of the graph", found, ("completed", ["check", "draft"]))

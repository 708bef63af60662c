"""What does not fit a script is named, and the agents of a graph or swarm have a script each."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from pydantic import BaseModel
from strands import Agent, tool
from strands.multiagent import GraphBuilder, Swarm
from strands.multiagent.base import Status

from pytest_strands_sqlite import ScriptedModel, ScriptExhaustedError, ToolCall
from pytest_strands_sqlite.scripted_model import Script, ScriptError, ToolNotOfferedError

HAND_OVER = [ToolCall("handoff_to_agent", {"agent_name": "writer", "message": "Please write."}), "Over to you."]


class City(BaseModel):
    """A city."""

    name: str


@tool
def search(query: str) -> str:
    """Search."""
    return f"found {query}"


@tool
def publish(text: str) -> str:
    """Publish."""
    return f"published {text}"


def new_agent(model: ScriptedModel, **options: Any) -> Agent:
    """Make an agent that prints nothing."""
    return Agent(model=model, callback_handler=None, **options)


def test_a_tool_that_is_not_offered_is_an_error_that_lists_what_was() -> None:
    """A misspelled tool fails the call that makes it, before anything of it is streamed."""
    model = ScriptedModel("Hello.", ["Wait.", ToolCall("serch", {"query": "rain"})])
    agent = new_agent(model, tools=[search, publish], agent_id="support")
    agent("Hello.")
    with pytest.raises(ToolNotOfferedError) as failure:
        agent("Search.")
    assert str(failure.value) == (
        "step 2 of the script calls the tool 'serch', which agent 'support' did not offer; "
        "it offered: 'search', 'publish'"
    )
    assert isinstance(failure.value, ScriptError)
    assert agent.messages[-1]["role"] == "user"


def test_a_tool_call_without_any_tool_on_offer_is_an_error() -> None:
    """An agent without tools offers nothing."""
    with pytest.raises(ToolNotOfferedError, match=r"did not offer; it offered: nothing$"):
        new_agent(ScriptedModel(ToolCall("search", {"query": "rain"})))("Search.")


def test_an_object_that_nobody_asked_for_is_an_error() -> None:
    """A Pydantic object needs an agent that is called with `structured_output_model`."""
    with pytest.raises(ToolNotOfferedError) as failure:
        new_agent(ScriptedModel(City(name="Oslo")), tools=[search])("Where?")
    assert str(failure.value) == (
        "step 1 of the script answers with a City, for which agent 'default' did not ask; it offered: 'search'"
    )


def test_the_check_of_tools_can_be_switched_off() -> None:
    """How an agent meets a tool that it does not have can be tested too."""
    model = ScriptedModel(ToolCall("serch", tool_use_id="call-1"), "Sorry.", check_tools=False)
    agent = new_agent(model, tools=[search])
    assert str(agent("Search.")) == "Sorry.\n"
    assert agent.messages[2]["content"][0]["toolResult"]["content"] == [{"text": "Unknown tool: serch"}]
    model.assert_consumed()


@pytest.mark.parametrize("step", [ToolCall("serch"), ["a", ToolCall("serch")], lambda _: ToolCall("serch")])
def test_a_tool_is_checked_wherever_the_step_has_it_from(step: Any) -> None:
    """Lists and functions are checked as a plain tool call is."""
    with pytest.raises(ToolNotOfferedError, match="'serch'"):
        new_agent(ScriptedModel(step), tools=[search])("Search.")


def test_an_error_that_somebody_caught_still_fails_the_check() -> None:
    """`assert_consumed` fails when a call did not fit the script, whatever became of the error."""
    model = ScriptedModel("One.")
    agent = new_agent(model)
    agent("Hello.")
    with pytest.raises(ScriptExhaustedError):
        agent("Hm?")
    with pytest.raises(AssertionError) as failure:
        model.assert_consumed()
    assert str(failure.value) == (
        "the script did not fit a call: all steps of the script are used (1), and agent 'default' called again; "
        "the last message, of the user: Hm?"
    )


def test_an_exhausted_script_shows_the_results_of_tools() -> None:
    """The last message may be the result of a tool: then a step is missing after the tool call."""
    model = ScriptedModel(ToolCall("search", {"query": "rain"}, "call-1"))
    with pytest.raises(ScriptExhaustedError) as failure:
        new_agent(model, tools=[search])("Search.")
    assert str(failure.value).endswith(
        "the last message, of the user: result of call-1: [{'text': 'found rain'}]",
    )


@pytest.mark.parametrize(
    ("messages", "shown"),
    [
        ([], "called again; it sent no message"),
        ([{"role": "user", "content": [{"text": "a\n b"}, {"image": {}}]}], "of the user: a b image"),
        ([{"role": "user", "content": [{"text": "x" * 999}]}], f"of the user: {'x' * 268}…"),
    ],
)
def test_an_exhausted_script_shows_any_message_in_one_short_line(messages: Any, shown: str) -> None:
    """The text of the failure stays readable, whatever was sent."""

    async def call() -> None:
        async for _ in ScriptedModel().stream(messages):
            pass

    with pytest.raises(ScriptExhaustedError) as failure:
        asyncio.run(call())
    assert str(failure.value).startswith("all steps of the script are used (0), and the caller called again; ")
    assert str(failure.value).endswith(shown)


def graph(script: Script) -> Any:
    """A researcher and a critic, side by side, then a writer."""
    builder = GraphBuilder()
    builder.add_node(new_agent(script["researcher"], tools=[search]), "researcher")
    builder.add_node(new_agent(script["critic"]), "critic")
    builder.add_node(new_agent(script["writer"]), "writer")
    builder.add_edge("researcher", "writer")
    builder.add_edge("critic", "writer")
    return builder.set_execution_timeout(60).build()


def test_each_node_of_a_graph_plays_its_own_script() -> None:
    """Nodes that run side by side do not take each other's steps, and one check covers all of them."""
    script = Script(
        {
            "researcher": [ToolCall("search", {"query": "rain"}), "It rains."],
            "critic": ["Be brief."],
            "writer": ["Take an umbrella."],
        }
    )
    result = graph(script)("Write about rain.")
    assert result.status == Status.COMPLETED
    assert str(result.results["writer"].result) == "Take an umbrella.\n"
    script.assert_consumed()
    speakers = [name for name, _ in script.calls]
    assert sorted(speakers[:3]) == ["critic", "researcher", "researcher"]
    assert speakers[3] == "writer"
    assert "It rains." in str(script.calls[3][1].messages)


def swarm(script: Script) -> Any:
    """A researcher who may hand over to a writer."""
    agents = [new_agent(script[name], name=name) for name in script]
    return Swarm(agents, entry_point=agents[0])


def test_each_agent_of_a_swarm_plays_its_own_script() -> None:
    """Agents hand over to each other, and who spoke when can be read from the script."""
    script = Script({"researcher": HAND_OVER, "writer": ["Written."]})
    result = swarm(script)("Write about rain.")
    assert [node.node_id for node in result.node_history] == ["researcher", "writer"]
    script.assert_consumed()
    assert [name for name, _ in script.calls] == ["researcher", "researcher", "writer"]


def test_a_script_that_ran_out_in_a_swarm_fails_the_check() -> None:
    """A swarm keeps the errors of its agents to itself; the check still says whose script ended."""
    script = Script({"researcher": HAND_OVER, "writer": []})
    result = swarm(script)("Write about rain.")
    assert result.status == Status.FAILED
    with pytest.raises(AssertionError, match=r"^the script did not fit a call: all steps of the script of 'writer'"):
        script.assert_consumed()


def test_a_script_names_each_agent_that_did_not_use_its_steps() -> None:
    """The check has a line for each script that is left."""
    script = Script({"a": ["One."], "b": ["Two.", "Three."], "c": []})
    new_agent(script["b"])("Hello.")
    with pytest.raises(AssertionError) as failure:
        script.assert_consumed()
    assert str(failure.value) == (
        "the script of 'a': 1 of 1 steps were not used: step 1: 'One.'\n"
        "the script of 'b': 1 of 2 steps were not used: step 2: 'Three.'"
    )


def test_a_script_is_a_mapping_of_models() -> None:
    """A name that has no script is refused with those that have one."""
    script = Script({"a": ["One."], "b": []}, check_tools=False)
    assert list(script) == ["a", "b"]
    assert len(script) == 2
    with pytest.raises(KeyError) as failure:
        script["c"]
    assert failure.value.args == ("no script for 'c'; there is one for: 'a', 'b'",)


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: Script({"a": "One."}), "the steps of 'a' are 'One.', which is not a list of steps"),
        (
            lambda: Script({"a": ToolCall("search")}),  # type: ignore[dict-item]  # wrong on purpose
            "the steps of 'a' are ToolCall('search'), which is not a list of steps",
        ),
        (
            lambda: Script({"a": [42]}),  # type: ignore[list-item]  # wrong on purpose
            "step 1 is 42, which is not a reply and not a function that returns one",
        ),
    ],
)
def test_one_step_in_place_of_a_list_is_refused(make: Callable[[], Script], text: str) -> None:
    """A text is a sequence too, and would be played letter by letter."""
    with pytest.raises(TypeError) as failure:
        make()
    assert str(failure.value) == text

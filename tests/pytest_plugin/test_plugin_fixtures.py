"""The fixtures give real session managers, storages and agents on one database of the test."""

from collections.abc import Callable

import pytest

Suite = Callable[..., pytest.RunResult]


@pytest.mark.parametrize("where", ["--strands-sqlite-in-memory", "--strands-sqlite-on-disk"])
def test_each_fixture_is_what_its_name_says(suite: Suite, where: str) -> None:
    """Every fixture gives the type that its annotation says, all of them on the same database."""
    suite(
        """
        import asyncio
        from collections.abc import Callable

        from strands import Agent
        from strands.session import SnapshotSessionManager
        from strands_sqlite_session_manager import SessionStore, SQLiteSessionManager, SQLiteStorage
        from pytest_strands_sqlite import ScriptedModel, SessionFactory, SessionOptions, transcript

        def test_types(
            sqlite_session_manager: SQLiteSessionManager,
            sqlite_session_factory: SessionFactory,
            sqlite_storage: SQLiteStorage,
            sqlite_snapshot_manager: SnapshotSessionManager,
            session_store: SessionStore,
            scripted_model: Callable[..., ScriptedModel],
            agent_factory: Callable[..., Agent],
            strands_sqlite_config: SessionOptions,
        ) -> None:
            assert type(sqlite_session_manager) is SQLiteSessionManager
            assert type(sqlite_session_factory) is SessionFactory
            assert type(sqlite_storage) is SQLiteStorage
            assert type(sqlite_snapshot_manager) is SnapshotSessionManager
            assert type(session_store) is SessionStore
            assert type(strands_sqlite_config) is SessionOptions
            assert type(scripted_model()) is ScriptedModel
            assert type(agent_factory()) is Agent
            assert sqlite_session_manager.db_path == sqlite_session_factory.db_path == session_store.db_path

        def test_one_database(
            sqlite_session_manager, sqlite_snapshot_manager, session_store, agent_factory, sqlite_storage
        ):
            agent_factory("Hello!", session_manager=sqlite_session_manager)("Hi")
            agent_factory("Salut!", session_manager=sqlite_snapshot_manager)("Moin")
            assert [each.session_id for each in session_store.list_sessions().sessions] == ["session"]
            assert any("session/session" in key for key in asyncio.run(sqlite_storage.list()))

        def test_next_test(session_store, sqlite_storage):
            assert session_store.list_sessions().sessions == ()
            assert asyncio.run(sqlite_storage.list()) == []
        """,
        where,
    ).assert_outcomes(passed=3)


@pytest.mark.parametrize("where", ["--strands-sqlite-in-memory", "--strands-sqlite-on-disk"])
def test_after_a_restart_everything_comes_from_the_database(suite: Suite, where: str) -> None:
    """What was made before a restart is closed; what is made afterwards sees what a new process would see."""
    suite(
        """
        import asyncio
        import pytest
        from strands_sqlite_session_manager import DatabaseClosedError
        from pytest_strands_sqlite import transcript

        def test_it(sqlite_session_factory, agent_factory):
            first = agent_factory("Hello!", state={"calls": 1})
            first("Hi")
            storage = sqlite_session_factory.storage()
            asyncio.run(storage.write("a", b"kept"))
            store = sqlite_session_factory.store()
            first.messages.append({"role": "user", "content": [{"text": "never stored"}]})

            sqlite_session_factory.restart()

            for closed in (lambda: first._session_manager.read_session("session"), store.list_sessions):
                with pytest.raises(DatabaseClosedError):
                    closed()
            again = agent_factory("Still here.")
            assert [message["content"][0]["text"] for message in again.messages] == ["Hi", "Hello!"]
            assert again.state.get() == {"calls": 1}
            assert asyncio.run(sqlite_session_factory.storage().read("a")) == b"kept"
            again("Are you there?")
            sqlite_session_factory.restart()
            transcript(sqlite_session_factory.store(), "session").assert_said("Still here.", role="assistant")
        """,
        where,
    ).assert_outcomes(passed=1)


def test_a_file_is_below_tmp_path_and_another_process_may_open_it(suite: Suite) -> None:
    """With `in_memory=False` the database is a real file that others open by its path."""
    suite(
        """
        import pytest
        from strands_sqlite_session_manager import SessionStore

        @pytest.mark.strands_session(in_memory=False)
        def test_it(sqlite_session_manager, sqlite_session_factory, tmp_path):
            assert sqlite_session_factory.file == tmp_path / "sessions.db"
            assert sqlite_session_manager.db_path == str(tmp_path / "sessions.db")
            with SessionStore(tmp_path / "sessions.db", read_only=True) as store:
                assert [each.session_id for each in store.list_sessions().sessions] == ["session"]

        def test_memory(sqlite_session_manager, sqlite_session_factory):
            assert sqlite_session_factory.file is None
            assert sqlite_session_manager.db_path == ":memory:"
        """
    ).assert_outcomes(passed=2)


def test_others_open_the_database_with_what_the_factory_names(suite: Suite) -> None:
    """`factory.database` is what code under test takes as `db_path`, in memory as on disk."""
    code = """
        from strands_sqlite_session_manager import SQLiteSessionManager
        from pytest_strands_sqlite import transcript

        def test_it(sqlite_session_factory, agent_factory):
            with SQLiteSessionManager("theirs", sqlite_session_factory.database) as theirs:
                agent_factory("Hello!", session_manager=theirs)("Hi")
            transcript(sqlite_session_factory.store(), "theirs").assert_roles("user", "assistant")
        """
    suite(code, "-W", "error").assert_outcomes(passed=1)
    suite(code, "-W", "error", "--strands-sqlite-on-disk").assert_outcomes(passed=1)


def test_a_passing_test_must_have_used_every_step(suite: Suite) -> None:
    """Steps that are left are an error at teardown, in one line each, with the conversation; a failure says enough."""
    result = suite(
        """
        import pytest

        def test_left(agent_factory, scripted_model):
            agent_factory("Hello!", "Unused.")("Hi")
            scripted_model("Never asked.", name="writer")

        def test_failed(agent_factory):
            agent_factory("Hello!", "Unused.")("Hi")
            raise ValueError

        def test_skipped(agent_factory):
            agent_factory("Unused.")
            pytest.skip()

        @pytest.mark.xfail(strict=True)
        def test_expected(agent_factory):
            agent_factory("Unused.")
            raise ValueError
        """
    )
    result.assert_outcomes(passed=1, failed=1, errors=1, skipped=1, xfailed=1)
    start = next(number for number, line in enumerate(result.outlines) if "ERROR at teardown of test_left" in line)
    assert result.outlines[start + 1 : start + 7] == [
        "1 of 2 steps were not used: step 2: 'Unused.'",
        "the script of 'writer': 1 of 1 steps were not used: step 1: 'Never asked.'",
        "------------------------------- strands sessions -------------------------------",
        "session session, agent default",
        "    0 user      Hi",
        "    1 assistant Hello!",
    ]
    said = result.outlines[
        : result.outlines.index("=========================== short test summary info ============================")
    ]
    assert sum("were not used" in line for line in said) == 2


def test_agents_of_the_factory(suite: Suite) -> None:
    """`agent_factory` passes on what an agent takes, prints nothing, and refuses what would have no effect."""
    result = suite(
        """
        import pytest
        from pytest_strands_sqlite import ScriptedModel, ToolCall
        from strands import tool

        @tool
        def weather(city: str) -> str:
            '''Tell the weather.

            Args:
                city: Where.
            '''
            return f"rain in {city}"

        def test_it(agent_factory, capsys, sqlite_session_factory):
            agent = agent_factory(
                ToolCall("weather", {"city": "Oslo"}), "Rain.", tools=[weather], agent_id="meteo", session_id="s2",
                system_prompt="Be brief.",
            )
            assert str(agent("Weather?")).strip() == "Rain."
            assert agent.agent_id == "meteo"
            assert agent.model.calls[0].system_prompt == "Be brief."
            assert len(sqlite_session_factory("s2").list_messages("s2", "meteo")) == 4
            assert capsys.readouterr().out == ""

        def test_none(agent_factory, session_store):
            agent_factory("Hello!", session_manager=None)("Hi")
            assert session_store.list_sessions().sessions == ()

        def test_model(agent_factory):
            with pytest.raises(TypeError, match="^agent_factory takes steps or model, not both$"):
                agent_factory("Hello!", model=ScriptedModel())

        def test_manager(agent_factory, sqlite_session_manager):
            text = "^agent_factory takes session_id or session_manager, not both$"
            with pytest.raises(TypeError, match=text):
                agent_factory(session_id="a", session_manager=sqlite_session_manager)
        """
    )
    result.assert_outcomes(passed=4)


def test_asynchronous_agents_work_on_the_loop_of_the_test(suite: Suite) -> None:
    """The fixtures need no plugin for asynchronous tests, and work with one: several agents on one loop."""
    code = """
        import asyncio
        import pytest
        from pytest_strands_sqlite import transcript

        async def talk(agent_factory, sqlite_session_factory):
            agents = [agent_factory("Hello!", session_id=f"s{number}") for number in range(3)]
            await asyncio.gather(*(agent.invoke_async("Hi") for agent in agents))
            for number in range(3):
                transcript(sqlite_session_factory(f"s{number}")).assert_roles("user", "assistant")

        def test_own_loop(agent_factory, sqlite_session_factory):
            asyncio.run(talk(agent_factory, sqlite_session_factory))
        """
    suite(code, "-p", "no:anyio", "-W", "error").assert_outcomes(passed=1)
    code += """
        @pytest.fixture
        def anyio_backend():
            return "asyncio"

        @pytest.mark.anyio
        async def test_loop_of_a_plugin(agent_factory, sqlite_session_factory):
            await talk(agent_factory, sqlite_session_factory)
        """
    for more in ((), ("--strands-sqlite-on-disk",)):
        suite(code, "-W", "error", *more).assert_outcomes(passed=2)


def test_graphs_have_a_script_for_each_agent(suite: Suite) -> None:
    """A graph with a session of the factory and a model for each node is resumed after a restart."""
    suite(
        """
        from strands import Agent
        from strands.multiagent import GraphBuilder

        def build(sqlite_session_factory, first, second):
            graph = GraphBuilder()
            graph.add_node(Agent(model=first, agent_id="a", callback_handler=None), "a")
            graph.add_node(Agent(model=second, agent_id="b", callback_handler=None), "b")
            graph.add_edge("a", "b")
            graph.set_execution_timeout(60)
            graph.set_session_manager(sqlite_session_factory("graph"))
            return graph.build()

        def test_it(sqlite_session_factory, scripted_model, session_store):
            graph = build(sqlite_session_factory, scripted_model("A", name="a"), scripted_model("B", name="b"))
            assert graph("Go").status.value == "completed"
            sqlite_session_factory.restart()
            assert len(sqlite_session_factory.store().summarize_session("graph").multi_agents) == 1
        """
    ).assert_outcomes(passed=1)


def test_a_test_whose_subtest_failed_need_not_have_used_every_step(suite: Suite) -> None:
    """It has failed, and said why."""
    result = suite(
        """
        import unittest

        def test_left(scripted_model, subtests):
            scripted_model("Never asked.")
            with subtests.test("q"):
                assert 0
        """
    )
    assert not any("were not used" in line for line in result.outlines)
    assert result.parseoutcomes().get("errors", 0) == 0


def test_properties_of_others_are_theirs(suite: Suite) -> None:
    """Whatever another plugin or test notes about itself, the summary of contracts has no part in it."""
    suite(
        """
        def test_it(request):
            request.node.user_properties.append("note")
        """
    ).assert_outcomes(passed=1)


def test_what_the_fixtures_gave_is_closed_by_a_restart(suite: Suite) -> None:
    """A restart closes what fixtures gave, too; the factory makes the next."""
    suite(
        """
        import asyncio
        import pytest
        from strands_sqlite_session_manager import DatabaseClosedError

        def test_it(
            sqlite_session_factory, session_store, sqlite_storage, sqlite_session_manager, sqlite_snapshot_manager,
            agent_factory,
        ):
            agent = agent_factory("Never.", session_manager=sqlite_snapshot_manager)
            sqlite_session_factory.restart()
            for closed in (
                session_store.list_sessions,
                lambda: asyncio.run(sqlite_storage.list()),
                lambda: sqlite_session_manager.read_session("session"),
                lambda: agent("Hi"),
            ):
                with pytest.raises(DatabaseClosedError):
                    closed()
            assert len(sqlite_session_factory.store().list_sessions().sessions) == 1
            agent.model._steps = ()
        """
    ).assert_outcomes(passed=1)


def test_a_misused_fixture_says_so_in_its_last_line(suite: Suite) -> None:
    """What is wrong with a call stands as it is in the report of the test."""
    result = suite(
        """
        from pytest_strands_sqlite import ScriptedModel, ToolCall, transcript

        def test_both(agent_factory):
            agent_factory("Hello!", model=ScriptedModel())

        def test_no_step(agent_factory, scripted_model):
            scripted_model(7)

        def test_exhausted(agent_factory):
            agent_factory()("Hi")

        def test_tool(agent_factory):
            agent_factory(ToolCall("find", {}))("Hi")

        def test_store(session_store):
            transcript(session_store)

        def test_nothing_to_fail(session_faults):
            session_faults.full_disk()
        """
    )
    result.assert_outcomes(failed=6)
    said = (
        "E   TypeError: agent_factory takes steps or model, not both",
        "E   TypeError: step 1 is 7, which is not a reply and not a function that returns one",
        (
            "E   pytest_strands_sqlite.ScriptExhaustedError: all steps of the script are used (0), and agent 'default' "
            "called again; the last message, of the user: Hi"
        ),
        (
            "E   pytest_strands_sqlite.ToolNotOfferedError: step 1 of the script calls the tool 'find', which agent "
            "'default' did not offer; it offered: nothing"
        ),
        "E   ValueError: a SessionStore has no session of its own: name one with session_id",
        (
            "E   RuntimeError: session_faults has no database that could fail: the test, or a fixture of it, must name "
            "a fixture of sessions beside session_faults, or open session_faults.uri(file)"
        ),
    )
    for line in said:
        assert line in result.outlines, line

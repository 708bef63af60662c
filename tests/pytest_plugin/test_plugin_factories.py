"""Fixtures of other scopes and names than those of the plugin."""

from collections.abc import Callable

import pytest

from pytest_strands_sqlite import factories

Suite = Callable[..., pytest.RunResult]


def test_a_database_lives_as_long_as_the_scope_says(suite: Suite) -> None:
    """Tests of a module see what those before them stored; failed ones that use it show it, others do not."""
    result = suite(
        """
        from pytest_strands_sqlite import factories

        crew = factories.sqlite_session_factory(scope="module", session_id="crew", messages=["Hi", "Hello!"])
        crew_manager = factories.sqlite_session_manager(factory="crew", scope="module")
        crew_agent = factories.agent_factory(factory="crew", agent_id="default", system_prompt="Be brief.")

        def test_first(crew_agent, crew_manager):
            agent = crew_agent("Rain.")
            agent("Weather?")
            assert agent.system_prompt == "Be brief."
            assert crew_manager.session_id == "crew"

        def test_second(crew_agent):
            assert len(crew_agent().messages) == 4
            raise ValueError

        def test_other():
            raise KeyError
        """,
        "-W",
        "error",
    )
    result.assert_outcomes(passed=1, failed=2)
    assert sum(line == "session crew, agent default" for line in result.outlines) == 1
    assert "    3 assistant Rain." in result.outlines


@pytest.mark.parametrize("scope", ["session", "package", "module", "class", "function"])
def test_every_scope_and_kind(suite: Suite, scope: str) -> None:
    """Each kind of fixture can have each scope, a name of its own, and options of its own."""
    result = suite(
        f"""
        import asyncio
        from pytest_strands_sqlite import factories

        one = factories.sqlite_session_factory(scope="{scope}", name="two", in_memory=False)
        manager = factories.sqlite_session_manager(factory="two", scope="{scope}", session_id="m")
        storage = factories.sqlite_storage(factory="two", scope="{scope}")
        snapshots = factories.sqlite_snapshot_manager(factory="two", scope="{scope}")
        store = factories.session_store(factory="two", scope="{scope}")

        class TestIt:
            def test_it(self, two, manager, storage, snapshots, store):
                assert two.file.exists()
                assert manager.session_id == "m"
                asyncio.run(storage.write("k", b"v"))
                assert [each.session_id for each in store.list_sessions().sessions] == ["m"]

            def test_again(self, two):
                kept = asyncio.run(two.storage().read("k"))
                assert kept == (None if "{scope}" == "function" else b"v")
        """,
        "-W",
        "error",
    )
    result.assert_outcomes(passed=2)


def test_a_fixture_of_a_test_heeds_what_the_test_says(suite: Suite) -> None:
    """Of the scope `function`, a factory takes the config fixture, then its options, then the marker, and faults."""
    suite(
        """
        import pytest
        from pytest_strands_sqlite import SessionOptions, factories
        from strands_sqlite_session_manager import DatabaseFullError

        sqlite_session_factory = factories.sqlite_session_factory(session_id="factory")

        @pytest.fixture
        def strands_sqlite_config():
            return SessionOptions(session_id="config", durability="full")

        def test_options(sqlite_session_factory):
            options = sqlite_session_factory.options
            assert (options.session_id, options.durability) == ("factory", "full")

        @pytest.mark.strands_session(session_id="marker")
        def test_marker(sqlite_session_manager):
            assert sqlite_session_manager.session_id == "marker"

        def test_faults(agent_factory, session_faults):
            agent = agent_factory("Never.")
            session_faults.full_disk()
            with pytest.raises(DatabaseFullError):
                agent("Hi")
            agent.model._steps = ()
        """
    ).assert_outcomes(passed=3)


def test_options_are_refused_where_they_stand() -> None:
    """A factory with an option that makes no sense fails where it is written, not in the tests."""
    with pytest.raises(TypeError, match="unexpected keyword argument 'sesion_id'"):
        factories.sqlite_session_factory(sesion_id="x")
    with pytest.raises(ValueError, match=r"^strands-sqlite: durability must be full or normal, not 'off'$"):
        factories.sqlite_session_factory(durability="off")


def test_without_the_plugin_a_factory_says_so(suite: Suite) -> None:
    """A factory in a run without the plugin fails with a line that says why."""
    result = suite(
        """
        from pytest_strands_sqlite import factories

        crew = factories.sqlite_session_factory(scope="module")

        def test_it(crew):
            pass
        """,
        "-p",
        "no:strands_sqlite",
    )
    result.assert_outcomes(errors=1)
    assert "the plugin strands_sqlite is not loaded: remove -p no:strands_sqlite" in result.outlines

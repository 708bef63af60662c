"""What a test says about its sessions: by its marker, in the ini file, on the command line, by a fixture."""

from collections.abc import Callable

import pytest

from pytest_strands_sqlite import SessionOptions

Suite = Callable[..., pytest.RunResult]

SHOWS = """
    def test_it(strands_sqlite_config, sqlite_session_factory):
        options = sqlite_session_factory.options
        print("is", options.session_id, options.in_memory, options.durability, options.keep)
        print("file", sqlite_session_factory.file is not None)
"""


@pytest.mark.parametrize(
    ("arguments", "ini", "shown"),
    [
        ((), "", ("is session True normal False", "file False")),
        ((), "strands_sqlite_in_memory = false", ("is session False normal False", "file True")),
        (("--strands-sqlite-on-disk",), "", ("is session False normal False", "file True")),
        (("--strands-sqlite-in-memory",), "strands_sqlite_in_memory = false", ("is session True normal False",)),
        ((), "strands_sqlite_durability = full", ("is session True full False",)),
        (
            ("--strands-sqlite-durability=normal",),
            "strands_sqlite_durability = full",
            ("is session True normal False",),
        ),
        (("--strands-sqlite-in-memory", "--strands-sqlite-on-disk"), "", ("file True",)),
        (("--strands-sqlite-on-disk", "--strands-sqlite-in-memory"), "", ("file False",)),
        (("--strands-sqlite-durability=full",), "", ("is session True full False",)),
        ((), "strands_sqlite_keep = true", ("is session True normal True", "file True")),
        (("--strands-sqlite-keep",), "", ("is session True normal True", "file True")),
    ],
)
def test_the_command_line_goes_over_the_ini_file(
    suite: Suite, arguments: tuple[str, ...], ini: str, shown: tuple[str, ...]
) -> None:
    """Every ini value has a twin on the command line, and that one has the last word."""
    result = suite(SHOWS, "-s", *arguments, ini=ini)
    result.assert_outcomes(passed=1)
    for line in shown:
        assert any(line in each for each in result.outlines), line


def test_the_last_word_is_the_tests(suite: Suite) -> None:
    """The marker of a test goes over that of its module, and that over `strands_sqlite_config`."""
    suite(
        """
        import pytest
        from pytest_strands_sqlite import SessionOptions

        pytestmark = pytest.mark.strands_session(session_id="module", durability="full")

        @pytest.fixture
        def strands_sqlite_config():
            return SessionOptions(session_id="config", in_memory=False)

        def test_module(sqlite_session_manager, sqlite_session_factory):
            assert sqlite_session_manager.session_id == "module"
            assert sqlite_session_factory.options.durability == "full"
            assert sqlite_session_factory.file.exists()

        @pytest.mark.strands_session(session_id="mine", in_memory=True)
        def test_mine(sqlite_session_manager):
            assert sqlite_session_manager.session_id == "mine"
            assert sqlite_session_manager.db_path == ":memory:"
        """
    ).assert_outcomes(passed=2)


def test_the_options_can_be_parameters(suite: Suite) -> None:
    """A fixture `strands_sqlite_config` with parameters runs each test with each of them."""
    suite(
        """
        import dataclasses
        import pytest

        @pytest.fixture(params=[True, False], ids=["memory", "file"])
        def strands_sqlite_config(request, strands_sqlite_config):
            return dataclasses.replace(strands_sqlite_config, in_memory=request.param)

        def test_it(sqlite_session_factory, request):
            assert (sqlite_session_factory.file is None) == ("memory" in request.node.name)
        """
    ).assert_outcomes(passed=2)


def test_a_test_begins_with_messages_and_state(suite: Suite) -> None:
    """What the marker says was said is in the session, and an agent resumes it."""
    suite(
        """
        import pytest
        from pytest_strands_sqlite import transcript

        @pytest.mark.strands_session(
            messages=["Hi", "Hello!", {"role": "user", "content": [{"text": "Order 7?"}]}, "In Oslo."],
            state={"vip": True},
        )
        @pytest.mark.parametrize("restarts", [0, 2])
        def test_it(sqlite_session_factory, agent_factory, restarts):
            for _ in range(restarts):
                sqlite_session_factory.restart()
            agent = agent_factory()
            assert [message["content"][0]["text"] for message in agent.messages] == [
                "Hi", "Hello!", "Order 7?", "In Oslo."
            ]
            assert agent.state.get() == {"vip": True}
            transcript(sqlite_session_factory()).assert_roles("user", "assistant", "user", "assistant")
        """
    ).assert_outcomes(passed=2)


def test_the_messages_are_those_of_the_agent_that_is_named(suite: Suite) -> None:
    """With `agent_id`, messages and state are of that agent, which `agent_factory` makes; another one begins anew."""
    suite(
        """
        import pytest
        from pytest_strands_sqlite import factories

        pytestmark = pytest.mark.strands_session(agent_id="clerk", messages=["Hi", "Hello!"], state={"vip": True})
        named = factories.agent_factory(agent_id="other")

        def test_it(agent_factory):
            agent = agent_factory()
            assert (agent.agent_id, len(agent.messages), agent.state.get()) == ("clerk", 2, {"vip": True})

        def test_another(agent_factory, named):
            for agent in (agent_factory(agent_id="default"), named()):
                assert (agent.messages, agent.state.get()) == ([], {})

        @pytest.mark.strands_session(agent_id="default")
        def test_default(agent_factory):
            assert agent_factory().agent_id == "default"
        """
    ).assert_outcomes(passed=3)


MESSAGE = "text, or a dict with the role user or assistant and a list as content"
KNOWN = "agent_id, durability, in_memory, messages, session_id, state"


@pytest.mark.parametrize(
    ("marker", "text"),
    [
        ("'talk'", f"@pytest.mark.strands_session takes keywords only ({KNOWN}), not 'talk'"),
        ("sesion_id='talk'", f"@pytest.mark.strands_session does not know sesion_id; it knows {KNOWN}"),
        ("keep=True", f"@pytest.mark.strands_session does not know keep; it knows {KNOWN}"),
        ("session_id=7", "strands-sqlite: session_id must be text, not 7"),
        ("agent_id=None", "strands-sqlite: agent_id must be text, not None"),
        ("messages='Hi'", "strands-sqlite: messages must be a list, not 'Hi'"),
        ("messages=[7]", f"strands-sqlite: messages[0] must be {MESSAGE}, not 7"),
        ("messages=['Hi', {'role': 'user'}]", f"strands-sqlite: messages[1] must be {MESSAGE}, not {{'role': 'user'}}"),
        (
            "messages=[{'role': 'system', 'content': []}]",
            f"strands-sqlite: messages[0] must be {MESSAGE}, not {{'role': 'system', 'content': []}}",
        ),
        (
            "messages=[{'role': 'user', 'content': 'Hi'}]",
            f"strands-sqlite: messages[0] must be {MESSAGE}, not {{'role': 'user', 'content': 'Hi'}}",
        ),
        ("session_id='a/b'", "strands-sqlite: session_id must be text without slashes, not 'a/b'"),
        ("agent_id='../a'", "strands-sqlite: agent_id must be text without slashes, not '../a'"),
        ("state={'a': {1}}", "strands-sqlite: state must be JSON: Object of type set is not JSON serializable"),
        ("state=['vip']", "strands-sqlite: state must be a dict, not ['vip']"),
        ("in_memory='no'", "strands-sqlite: in_memory must be True or False, not 'no'"),
        ("durability=True", "strands-sqlite: durability must be text, not True"),
        ("durability='off'", "strands-sqlite: durability must be full or normal, not 'off'"),
    ],
)
def test_a_marker_that_makes_no_sense_is_an_error_of_one_line(suite: Suite, marker: str, text: str) -> None:
    """What is wrong with a marker is said in one line, without a traceback."""
    result = suite(
        f"""
        import pytest

        @pytest.mark.strands_session({marker})
        def test_it(sqlite_session_manager):
            pass
        """
    )
    result.assert_outcomes(errors=1)
    position = next(number for number, line in enumerate(result.outlines) if "ERROR at setup of test_it" in line)
    assert result.outlines[position + 1] == text
    assert result.outlines[position + 2].startswith("=")


@pytest.mark.parametrize(
    ("ini", "text"),
    [
        (
            "strands_sqlite_durability = off",
            "ERROR: strands-sqlite: durability must be full or normal, not 'off'",
        ),
        (
            "strands_sqlite_in_memory = perhaps",
            "ERROR: strands-sqlite: strands_sqlite_in_memory must be true or false: invalid truth value 'perhaps'",
        ),
        (
            "strands_sqlite_keep = 7",
            "ERROR: strands-sqlite: strands_sqlite_keep must be true or false: invalid truth value '7'",
        ),
        (
            "strands_sqlite_guard = ",
            "ERROR: strands-sqlite: strands_sqlite_guard must be true or false: invalid truth value ''",
        ),
    ],
)
def test_an_ini_value_that_makes_no_sense_ends_the_run(suite: Suite, ini: str, text: str) -> None:
    """What is wrong with the ini file is said in one line, before any test runs."""
    result = suite("def test_it(): pass", ini=ini)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert text in result.errlines


def test_a_durability_on_the_command_line_is_one_of_two(suite: Suite) -> None:
    """The command line refuses another durability as it refuses other choices."""
    result = suite("def test_it(): pass", "--strands-sqlite-durability=off")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert any("argument --strands-sqlite-durability: invalid choice: 'off'" in line for line in result.errlines)


def test_another_object_as_config_is_named(suite: Suite) -> None:
    """A fixture `strands_sqlite_config` that returns no options is told so."""
    result = suite(
        """
        import pytest

        @pytest.fixture
        def strands_sqlite_config():
            return {"in_memory": True}

        def test_it(sqlite_session_manager):
            pass
        """
    )
    result.assert_outcomes(errors=1)
    text = "the fixture strands_sqlite_config must return SessionOptions, not {'in_memory': True}"
    assert text in result.outlines


def test_options_are_checked_when_they_are_made() -> None:
    """Who makes options in Python gets a TypeError or a ValueError with the same texts."""
    with pytest.raises(TypeError, match=r"^strands-sqlite: messages must be a list, not b'Hi'$"):
        SessionOptions(messages=b"Hi")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"^strands-sqlite: durability must be full or normal, not 'none'$"):
        SessionOptions(durability="none")  # type: ignore[arg-type]


def test_the_options_are_in_the_help(suite: Suite) -> None:
    """`--help` and `--markers` say what there is."""
    helps = suite("", "--help")
    helps.stdout.fnmatch_lines(
        [
            "sessions of Strands agents in SQLite:",
            "  --strands-sqlite-in-memory",
            "  --strands-sqlite-on-disk",
            "  --strands-sqlite-durability={full,normal}",
            "  --strands-sqlite-keep*",
            "  --strands-sqlite-no-guard",
            "  strands_sqlite_in_memory (bool):*",
            "  strands_sqlite_durability (string):*",
            "  strands_sqlite_keep (bool):*",
            "  strands_sqlite_guard (bool):*",
        ]
    )
    assert (
        "@pytest.mark.strands_session(session_id, agent_id, messages, state, in_memory, durability): what the "
        "strands-sqlite fixtures begin with"
    ) in suite("", "--markers").outlines

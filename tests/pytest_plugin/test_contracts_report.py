"""What the contract suites say: skips, failures, the summary, and what they answer to misuse."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from strands.session.session_repository import SessionRepository

from pytest_strands_sqlite import contracts
from pytest_strands_sqlite.contracts import (
    ManagerCapability,
    RepositoryCapability,
    SessionManagerContract,
    SessionRepositoryContract,
    StorageCapability,
    StorageContract,
    _contract,
    _processes,
    _worker,
)
from pytest_strands_sqlite.contracts._processes import Workers, workers_of
from tests.pytest_plugin import contract_defects

QUIETLY = ("-p", "no:cacheprovider", "-p", "no:unraisableexception", "-p", "pytest_strands_sqlite.contracts._report")

SUITE = """
from pytest_strands_sqlite.contracts import RepositoryCapability
from tests.pytest_plugin import contract_defects


class TestMine(contract_defects.RepositorySuite):
    subject = contract_defects.{subject}
    {declared}
"""


@pytest.fixture(autouse=True)
def alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Load no plugins but those that a test names."""
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")


def run(pytester: pytest.Pytester, subject: str, declared: str, tests: str, *options: str) -> pytest.RunResult:
    """Run some tests of the contract for a subject."""
    assert hasattr(contract_defects, subject)
    pytester.makepyfile(test_mine=SUITE.format(subject=subject, declared=declared))
    return pytester.runpytest_inprocess(*QUIETLY, *options, "-k", tests)


def test_the_summary_says_base_optional_and_not_claimed(pytester: pytest.Pytester) -> None:
    """At the end of a run stands what passed of the base and of what is claimed, and what is not claimed."""
    claimed = "capabilities = frozenset({RepositoryCapability.BYTES})"

    result = run(pytester, "Repository", claimed, "a_limit or bytes_come or overwritten or another_process")

    result.assert_outcomes(passed=3, skipped=2)
    result.stdout.fnmatch_lines(
        [
            "=* strands contracts =*",
            "test_mine.py::TestMine: base 2 passed, optional 1 passed, not claimed: APPEND_ONLY, OTHER_PROCESSES",
        ]
    )


def test_the_summary_counts_failures_and_known_deviations(pytester: pytest.Pytester) -> None:
    """What fails is counted, and so is what is known to fail."""
    known = "known_deviations = {'test_a_limit_of_zero_is_an_empty_list': 'takes 0 for no limit'}"

    result = run(pytester, "IgnoresALimitOfZero", known, "a_limit or counts_positions")

    result.assert_outcomes(passed=2, xfailed=1)
    result.stdout.fnmatch_lines(
        ["test_mine.py::TestMine: base 2 passed, optional 0 passed, known deviations 1"], consecutive=True
    )
    result = run(pytester, "IgnoresALimitOfZero", "", "a_limit or counts_positions")
    result.assert_outcomes(passed=2, failed=1)
    result.stdout.fnmatch_lines(["test_mine.py::TestMine: base 2 passed, optional 0 passed, 1 failed"])


def test_a_run_without_contracts_has_no_summary(pytester: pytest.Pytester) -> None:
    """Where no contract ran, nothing is added."""
    pytester.makepyfile("def test_other(): pass")

    result = pytester.runpytest_inprocess(*QUIETLY)

    result.assert_outcomes(passed=1)
    result.stdout.no_fnmatch_line("*strands contracts*")


def test_what_is_not_claimed_is_skipped_with_its_meaning(pytester: pytest.Pytester) -> None:
    """The reason of a skip names the capability and says what it is."""
    result = run(pytester, "Repository", "capabilities = frozenset()", "retry", "-rs")

    result.stdout.fnmatch_lines(
        ["SKIPPED*: not claimed: APPEND_ONLY (other content under the id of a stored message is refused, *)"]
    )


def test_a_failure_says_what_was_expected_of_whom(pytester: pytest.Pytester) -> None:
    """A failure names the class, what it was expected to do, what was found, and the promise."""
    result = run(pytester, "IgnoresALimitOfZero", "", "limit_of_zero", "--tb=short")

    result.stdout.fnmatch_lines(
        [
            "E   pytest_strands_sqlite.contracts.BrokenPromiseError: IgnoresALimitOfZero was expected to list nothing",
            "E     expected: []",
            "E     found:    [[]0, 1, 2, 5, 9, 10, 100[]]",
            "E     promise:  `limit=0` gives nothing; it does not mean that there is no limit.",
        ],
        consecutive=True,
    )


def test_a_refusal_that_is_missing_is_told(pytester: pytest.Pytester) -> None:
    """Where something should have been refused, the failure says so, and by which error."""
    result = run(pytester, "OverwritesSilently", "", "overwritten", "--tb=short")

    result.stdout.fnmatch_lines(
        [
            "E   *: OverwritesSilently was expected to refuse other content under the id of a stored message",
            "E     expected: SessionException",
            "E     found:    accepted",
            "E     promise:  Other content under a taken message id raises `SessionException`: *",
        ],
        consecutive=True,
    )


def test_growing_cost_is_told_in_numbers(pytester: pytest.Pytester) -> None:
    """The failure of a cost says what an append cost at the beginning, and what it costs now."""
    result = run(pytester, "GrowsWithEachAppend", "", "costs_the_same", "--tb=short")

    result.stdout.fnmatch_lines(
        [
            "E   *: GrowsWithEachAppend was expected to append at the same cost, however long the conversation is",
            "E     expected: about * bytes written each",
            "E     found:    * bytes written each",
        ]
    )


def test_a_known_deviation_that_is_gone_fails(pytester: pytest.Pytester) -> None:
    """A known deviation must keep failing; when it passes, the table is out of date, and the run says so."""
    known = "known_deviations = {'test_a_limit_of_zero_is_an_empty_list': 'takes 0 for no limit'}"

    result = run(pytester, "Repository", known, "limit_of_zero")

    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["[[]XPASS(strict)] takes 0 for no limit"])


def test_a_capability_of_another_contract_is_refused() -> None:
    """A claim that no test of the contract knows is a mistake."""
    with pytest.raises(TypeError) as raised:
        type("TestMine", (SessionRepositoryContract,), {"capabilities": frozenset({ManagerCapability.BYTES})})

    assert str(raised.value).startswith("TestMine.capabilities: <ManagerCapability.BYTES: ")
    assert str(raised.value).endswith(" is no RepositoryCapability")


def test_a_known_deviation_without_a_test_is_refused() -> None:
    """A known deviation that names no test is a mistake."""
    with pytest.raises(TypeError) as raised:
        type("TestMine", (SessionRepositoryContract,), {"known_deviations": {"test_nothing": "why"}})

    assert str(raised.value) == "TestMine.known_deviations: there is no test test_nothing"


def test_a_suite_without_a_factory_says_what_it_lacks(tmp_path: Path) -> None:
    """A class that does not define `open` is told to."""
    mine = type("TestMine", (SessionRepositoryContract,), {})()

    with pytest.raises(NotImplementedError) as raised:
        mine.open(tmp_path)

    assert str(raised.value) == "TestMine must define open(self, place): see the documentation of its contract"


def test_another_process_needs_a_class_that_it_can_import() -> None:
    """A class inside a function cannot be imported by another process, and the error says so."""

    class Inside(SessionRepositoryContract):
        def open(self, place: Path) -> SessionRepository:
            raise NotImplementedError

    text = f"{Inside.__qualname__} stands inside a function: another process can only import what stands in a module"
    with pytest.raises(ImportError, match=f"^{re.escape(text)}$"):
        _worker.load(Inside.__module__, __file__, Inside.__qualname__)


def test_another_process_finds_a_class_by_its_file(tmp_path: Path) -> None:
    """A test module that is on no path is imported from its file."""
    (tmp_path / "test_of_yours.py").write_text("class Outer:\n    class Mine:\n        pass\n", "utf-8")

    found = _worker.load("test_of_yours", str(tmp_path / "test_of_yours.py"), "Outer.Mine")

    assert (found.__name__, found.__module__) == ("Mine", "test_of_yours")
    sys.modules.pop("test_of_yours")
    with pytest.raises(ImportError, match=r"^another process cannot import test_of_nobody$"):
        _worker.load("test_of_nobody", None, "Mine")


def test_each_hook_that_is_missing_says_so(tmp_path: Path) -> None:
    """What only the author of a suite can give is asked for by its whole signature."""
    repository: Any = type("TestMine", (SessionRepositoryContract,), {})()
    manager: Any = type("TestMine", (SessionManagerContract,), {})()
    storage: Any = type("TestMine", (StorageContract,), {})()
    hooks: dict[str, Callable[[], object]] = {
        "stored_fields(self, place, session_id, agent_id, message_id)": lambda: repository.stored_fields(
            tmp_path, "s", "a", 0
        ),
        "lay_old_place(self, place)": lambda: repository.lay_old_place(tmp_path),
        "open(self, place, session_id)": lambda: manager.open(tmp_path, "s"),
        "delete(self, place, session_id)": lambda: manager.delete(tmp_path, "s"),
        "lay_old_place(self, place) ": lambda: manager.lay_old_place(tmp_path),
        "open(self, place)": lambda: storage.open(tmp_path),
        "lay_old_place(self, place)  ": lambda: storage.lay_old_place(tmp_path),
    }
    for hook, call in hooks.items():
        with pytest.raises(NotImplementedError) as raised:
            call()
        text = f"TestMine must define {hook.strip()}: see the documentation of its contract"
        assert str(raised.value) == text


IN_ANOTHER_PROCESS = """
from pathlib import Path

from pytest_strands_sqlite.contracts import RepositoryCapability, SessionRepositoryContract
from tests.pytest_plugin.contract_defects import Repository


class TestMine(SessionRepositoryContract):
    capabilities = frozenset({{RepositoryCapability.OTHER_PROCESSES}})

    def open(self, place):
        {body}
        return Repository(place)
"""


@pytest.mark.parametrize(
    ("body", "tests", "lines"),
    [
        (
            "import os; os.environ.get('MAIN_PROCESS') == str(os.getpid()) or 1 / 0",
            "another_process",
            ["E   RuntimeError: in another process:", "E   ZeroDivisionError: division by zero"],
        ),
        ("", "killed", ["E   RuntimeError: in another process:", "E   strands.types.exceptions.SessionException: *"]),
        (
            "import os; os.environ.get('MAIN_PROCESS') == str(os.getpid()) or os._exit(0)",
            "killed",
            ["E   RuntimeError: the other process ended before it was killed"],
        ),
    ],
    ids=["raises", "sees nothing", "ends"],
)
def test_what_goes_wrong_in_another_process_is_told(  # noqa: PLR0913, PLR0917 - three fixtures
    pytester: pytest.Pytester,
    request: pytest.FixtureRequest,
    monkeypatch: pytest.MonkeyPatch,
    body: str,
    tests: str,
    lines: list[str],
) -> None:
    """An exception there stands in the report with its traceback, and so does an end that came too early."""
    monkeypatch.setattr(_contract, "workers_of", lambda _config: workers_of(request.config))  # they start once
    monkeypatch.setenv("MAIN_PROCESS", str(os.getpid()))
    pytester.makepyfile(test_mine=IN_ANOTHER_PROCESS.format(body=body))

    result = pytester.runpytest_inprocess(*QUIETLY, "-k", tests, "--tb=short")

    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(lines)


def test_a_process_that_is_gone_or_silent_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever waits for a worker waits neither for ever nor for one that cannot answer."""
    workers = Workers()
    monkeypatch.setattr(_processes, "_START", "import sys, time; {!r}; sys.stdin.read()")
    monkeypatch.setattr(_processes, "_PATIENCE", 0.1)
    workers.start({})
    with pytest.raises(RuntimeError, match=r"^the other process said nothing for 0.1 s$"):
        workers.report()
    workers.close()
    monkeypatch.setattr(_processes, "_PATIENCE", 60.0)
    monkeypatch.setattr(_processes, "_START", "{!r}")
    workers.start()
    with pytest.raises(RuntimeError, match=r"^the other process has ended$"):
        workers.report()
    workers.close()


def test_without_forks_the_tests_of_other_processes_are_skipped(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the system has none, the reason says so."""
    monkeypatch.delattr(os, "fork")
    with pytest.raises(pytest.skip.Exception, match=r"^other processes are forked, which this system cannot$"):
        Workers().start({})


def test_every_capability_has_a_test() -> None:
    """No capability is claimed for nothing, and each says what it means."""
    suites = {
        contracts.RepositoryCapability: contracts.SessionRepositoryContract,
        contracts.ManagerCapability: contracts.SessionManagerContract,
        contracts.StorageCapability: contracts.StorageContract,
    }
    for kind, suite in suites.items():
        tests = [getattr(suite, name) for name in dir(suite) if name.startswith("test_")]
        assert {each for test in tests for each in getattr(test, "strands_capabilities", ())} == set(kind)
        assert [test.__name__ for test in tests if not test.__doc__] == []


def test_the_summary_needs_nothing_of_the_sdk() -> None:
    """What the plugin imports at the end of every run is small."""
    program = "import sys, pytest_strands_sqlite.contracts._report; sys.exit('strands' in sys.modules)"

    assert subprocess.run([sys.executable, "-c", program], check=False, timeout=60).returncode == 0


def test_names_are_those_that_are_listed() -> None:
    """The package offers what it lists, and nothing else."""
    assert {name for name in contracts.__all__ if not hasattr(contracts, name)} == set()
    assert set(contracts.__all__) <= set(dir(contracts))
    with pytest.raises(AttributeError, match="has no attribute 'Nothing'"):
        contracts.Nothing  # type: ignore[attr-defined]  # noqa: B018
    assert RepositoryCapability.BYTES.value


PAGE = Path(__file__).parents[2] / "docs" / "contract-suites.md"


def test_the_page_names_every_capability_with_its_promise() -> None:
    """The documentation says of each capability what the code says of it."""
    page = PAGE.read_text("utf-8")
    for kind in (RepositoryCapability, ManagerCapability, StorageCapability):
        section = page.partition(f"### `{kind.__name__}`")[2].partition("\n#")[0]
        for member in kind:
            assert f"| `{member.name}` | {member.value.partition('; needs')[0]}" in section


def test_the_example_of_the_page_passes(
    pytester: pytest.Pytester, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first example of the documentation runs as it stands, and its report is the one that is shown."""
    monkeypatch.setattr(_contract, "workers_of", lambda _config: workers_of(request.config))  # they start once
    page = PAGE.read_text("utf-8")
    pytester.makepyfile(test_contract=page.partition("```python\n")[2].partition("```")[0])

    result = pytester.runpytest_inprocess(*QUIETLY)

    assert result.ret == 0
    shown = page.partition("test_contract.py::")[2].partition("\n")[0]
    result.stdout.fnmatch_lines([f"test_contract.py::{shown}"])

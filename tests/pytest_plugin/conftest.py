"""Runs of pytest inside of tests, as a person would start them with the plugin installed."""

import importlib
from collections.abc import Callable

import pytest
import strands.session  # noqa: F401 - what a run inside of a test imports, each run would import again

import pytest_strands_sqlite
import strands_sqlite_session_manager

for package in (pytest_strands_sqlite, strands_sqlite_session_manager):
    for name in package.__all__:
        getattr(package, name)
for room in ("_reports", "_sessions", "_watch", "factories", "faults", "plugin", "transcripts"):
    importlib.import_module(f"pytest_strands_sqlite.{room}")

WITHOUT = ("-p", "no:cacheprovider", "-p", "no:hypothesispytest")  # hypothesis would be imported anew each time
Suite = Callable[..., pytest.RunResult]


@pytest.fixture
def suite(pytester: pytest.Pytester) -> Suite:
    """Run a test file: `suite(code, *arguments, ini=…)`."""

    def run(code: str, *arguments: str, ini: str = "") -> pytest.RunResult:
        pytester.makepyfile(test_it=code)
        pytester.makeini(f"[pytest]\n{ini}\n")
        return pytester.runpytest_inprocess(*WITHOUT, "--tb=short", *arguments)

    return run

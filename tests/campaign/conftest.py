"""What the tests of the campaign share: how much is tried, and how much was tried in all."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.campaign.folders import MEMORY, new_folder, remove_left_over

pytest.register_assert_rewrite("tests.campaign.survivors", "tests.core.objects.looking")

_TRIED_HERE = "tried: "
_TRIED: Counter[str] = Counter()

remove_left_over()


@pytest.fixture
def scratch(tmp_path: Path) -> Iterator[Path]:
    """A folder in memory where there is one: the disk of these tests is a model, the real one has no part in it."""
    if not MEMORY.is_dir():
        yield tmp_path
        return
    with new_folder() as folder:
        yield Path(folder)


@pytest.fixture
def tried(record_property: Callable[[str, object], None]) -> Iterator[Counter[str]]:
    """Counts what the test tries, by kind; the sums stand at the end of the run."""
    counter: Counter[str] = Counter()
    yield counter
    for kind, number in counter.items():
        record_property(f"{_TRIED_HERE}{kind}", number)


def pytest_runtest_logreport(report: pytest.TestReport) -> None:
    """Add up what a test has tried; with xdist its report comes from another process."""
    if report.when == "teardown":
        for name, number in report.user_properties:
            if name.startswith(_TRIED_HERE) and isinstance(number, int):
                _TRIED[name.removeprefix(_TRIED_HERE)] += number


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Say what was tried in all."""
    if _TRIED:
        sums = ", ".join(f"{number:,} {kind}" for kind, number in sorted(_TRIED.items()))
        terminalreporter.write_line(f"campaign: {sums}")

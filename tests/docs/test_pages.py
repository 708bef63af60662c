"""Every example on every page runs: none is skipped silently."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import pytest

from .running import ENDS_WITH_1, RUNNERS, Page, commands_of

ROOT = Path(__file__).parents[2]
DOCS = ROOT / "docs"

TESTED_ELSEWHERE = {
    "docs/contract-suites.md": "tests/pytest_plugin/test_contracts_report.py",
    "docs/testing-agents.md": "tests/pytest_plugin/test_docs_of_testers.py",
    "packages/pytest-strands-sqlite/README.md": "tests/pytest_plugin/test_docs_of_testers.py",
}
"""Pages whose examples are test files, and the tests that run those."""

PAGES = {
    str(path.relative_to(ROOT)): path
    for path in (*sorted(DOCS.rglob("*.md")), ROOT / "README.md", *sorted(ROOT.glob("packages/*/README.md")))
}
RUN_HERE = sorted(
    name for name, path in PAGES.items() if "```" in path.read_text("utf-8") and name not in TESTED_ELSEWHERE
)
_OPENING = re.compile(r"^ *```+ ?(\S*)", re.MULTILINE)


def fences(path: Path) -> Counter[str]:
    """Count the fences of a page by their language, without the parser that runs them."""
    return Counter(_OPENING.findall(path.read_text("utf-8"))[::2])


@pytest.mark.usefixtures("as_a_reader")
@pytest.mark.parametrize("name", RUN_HERE)
def test_every_example_of_a_page_runs(name: str) -> None:
    """Each fence is run as a reader would, in order, in a folder with sessions; and as many are run as there are."""
    page = Page(PAGES[name], compares=name.startswith(("docs/get-started/", "docs/how-to/")))
    page.run()
    assert page.ran == fences(page.path)


@pytest.mark.parametrize("name", PAGES)
def test_every_fence_has_a_language_that_is_run(name: str) -> None:
    """A fence of a language that nothing runs, or of none, would be passed over."""
    assert set(fences(PAGES[name])) <= set(RUNNERS), name


@pytest.mark.parametrize(("name", "test"), TESTED_ELSEWHERE.items())
def test_pages_that_are_tested_elsewhere_are(name: str, test: str) -> None:
    """The test that runs the examples of such a page is there, and reads the page."""
    assert PAGES[name].name in (ROOT / test).read_text("utf-8")


def test_a_command_without_a_prompt_is_refused() -> None:
    """Nothing would run it, and the fence would count as run."""
    with pytest.raises(AssertionError, match="no-such-command"):
        commands_of("strands-sqlite no-such-command\n")


def test_every_command_that_may_end_with_1_stands_on_a_page() -> None:
    """What no page shows any longer does not excuse a later one."""
    pages = "".join(path.read_text("utf-8") for path in PAGES.values())
    assert [command for command in ENDS_WITH_1 if f"$ {command}\n" not in pages] == []


def test_there_are_pages_to_run() -> None:
    """Somebody who moves the docs hears of it."""
    assert len(RUN_HERE) > 3

"""Every example of the page for testers is a test file that passes."""

import re
from collections.abc import Callable
from pathlib import Path

import pytest

Suite = Callable[..., pytest.RunResult]

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "testing-agents.md").read_text(encoding="utf-8")
README = (ROOT / "packages" / "pytest-strands-sqlite" / "README.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"^```python\n(.*?)^```$", PAGE + README, flags=re.MULTILINE | re.DOTALL)


def _name(example: str) -> str:
    return re.findall(r"^def (test_\w+)", example, flags=re.MULTILINE)[0]


@pytest.mark.parametrize("example", EXAMPLES, ids=_name)
def test_an_example_runs(suite: Suite, example: str) -> None:
    """It passes as it stands, without a warning."""
    result = suite(example, "-W", "error", "--strict-markers")
    outcomes = result.parseoutcomes()
    assert set(outcomes) == {"passed"}


def test_the_transcript_is_the_one_of_the_first_example(suite: Suite) -> None:
    """What the page shows is what a person sees who prints it."""
    shown = re.findall(r"^```text\n(.*?)^```$", PAGE, flags=re.MULTILINE | re.DOTALL)[0].splitlines()
    result = suite(EXAMPLES[0] + "    print(told)\n", "-s")
    assert "\n".join(shown) in "\n".join(result.outlines)

"""The table in the README, which says what holds each row of the contract, is true and complete."""

from __future__ import annotations

import ast
import re
from pathlib import Path

from pytest_strands_sqlite.contracts import SessionManagerContract, SessionRepositoryContract

HERE = Path(__file__).parent


def table() -> dict[str, set[str]]:
    """Return the tests of each row."""
    lines = (HERE / "README.md").read_text("utf-8").splitlines()
    cells = [line.strip("|").split("|") for line in lines if line.startswith("| ")]
    return {row.strip(): set(re.findall(r"`(test_\w+)`", tests)) for row, tests in cells if tests.strip()}


def existing() -> set[str]:
    """Return the names of all tests of this folder and of the suites."""
    trees = [ast.parse(path.read_text("utf-8")) for path in HERE.glob("test_*.py")]
    ours = {
        node.name
        for tree in trees
        for node in tree.body
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
    }
    suites = {name for suite in (SessionRepositoryContract, SessionManagerContract) for name in dir(suite)}
    return ours | {name for name in suites if name.startswith("test_")}


def test_every_row_has_tests_that_exist() -> None:
    """Each row of the contract names at least one test, and each named test is there."""
    rows = table()
    del rows["Row"]

    assert {row for row, tests in rows.items() if not tests} == set()
    assert set().union(*rows.values()) - existing() == set()


def test_every_test_belongs_to_a_row() -> None:
    """Each test holds a row of the contract, but for those of the tables themselves."""
    of_the_table = {node for node in globals() if node.startswith("test_")} | {"test_known_deviations_are_documented"}

    assert existing() - set().union(*table().values()) == of_the_table

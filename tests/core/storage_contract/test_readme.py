"""The table in the README, which says what holds each promise of the contract, is true and complete."""

from __future__ import annotations

import ast
import re
from pathlib import Path

from pytest_strands_sqlite.contracts import StorageContract

from .backends import CANNOT, NAMES, ORACLES, Can, can

HERE = Path(__file__).parent


def table() -> dict[str, set[str]]:
    """Return the tests of each promise."""
    lines = (HERE / "README.md").read_text("utf-8").splitlines()
    cells = [line.strip("|").split("|") for line in lines if line.startswith("| ")]
    return {row.strip(): set(re.findall(r"`(test_\w+)`", tests)) for row, tests in cells if tests.strip()}


def existing() -> set[str]:
    """Return the names of all tests of this folder and of the suite, but for those of the tables themselves."""
    trees = [ast.parse(path.read_text("utf-8")) for path in HERE.glob("test_*.py") if path != Path(__file__)]
    ours = {
        node.name
        for tree in trees
        for node in tree.body
        if isinstance(node, ast.FunctionDef) and node.name.startswith("test_")
    }
    suite = {name for name in dir(StorageContract) if name.startswith("test_")}
    return (ours | suite) - {"test_known_deviations_are_documented"}


def test_every_promise_has_tests_that_exist() -> None:
    """Each promise names at least one test, and each named test is there."""
    rows = table()
    del rows["Promise"]

    assert {row for row, tests in rows.items() if not tests} == set()
    assert set().union(*rows.values()) - existing() == set()


def test_every_test_belongs_to_a_promise() -> None:
    """Each test holds a promise, and only one."""
    named = [test for tests in table().values() for test in tests]

    assert existing() - set(named) == set()
    assert len(named) == len(set(named))


def test_only_the_oracles_cannot_do_something() -> None:
    """What `SQLiteStorage` cannot do would be no known difference, but a fault; and somebody can do each thing."""
    assert set(CANNOT) <= set(ORACLES)
    assert all(any(can(name, capability) for name in NAMES) for capability in Can)
    assert all(reason for reasons in CANNOT.values() for reason in reasons.values())

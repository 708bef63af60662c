"""The benchmarks run and report what they should; how fast anything is, is not tested."""

import json
import math
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Literal

import pytest

from benchmarks import __main__ as command
from benchmarks import goals, report, suite
from benchmarks.adapters import FILE, FLOOR, OURS
from benchmarks.measure import Result, Series, Subject, interleave, ratio
from benchmarks.scale import FULL, QUICK

TINY = replace(
    QUICK, append_rounds=2, append_batch=2, turn_rounds=1, turn_warmup=0, thread_rounds=1, thread_messages=3,
    open_rounds=1, large_sessions=20, large_rounds=1, image_rounds=1, image_batch=1,
)  # fmt: skip


def run(name: str, tmp_path: Path) -> Result:
    result = suite.run(name, TINY, tmp_path)
    assert isinstance(result, Result), result
    return result


@pytest.mark.parametrize("name", ["append-full", "turn-normal", "large", "image-normal"])
def test_every_subject_is_measured_and_compared(name: str, tmp_path: Path) -> None:
    """A case gives a positive figure for each subject and each ratio, and leaves no file behind."""
    result = run(name, tmp_path)

    assert all(row.value.lower <= row.value.median <= row.value.upper for row in result.rows)
    assert all(math.isfinite(row.value.median) and row.value.median > 0 for row in result.rows)
    assert {label for case, label in goals.GOALS if case == name} <= {row.label for row in result.rows}
    assert list(tmp_path.iterdir()) == []


def test_what_threads_acknowledge_is_counted(tmp_path: Path) -> None:
    """The case of the threads ends with a ratio, and with no error and no lost message."""
    figures = {row.label: row.value.median for row in run("threads", tmp_path).rows}

    assert figures["errors"] == 0
    assert figures["acknowledged messages lost"] == 0
    assert figures["ours / one connection behind a lock"] > 0


def noting(order: list[str], name: str, figure: float) -> Callable[[], float]:
    def operation() -> float:
        order.append(name)
        return figure

    return operation


def test_a_round_runs_every_subject_that_takes_part() -> None:
    """A round runs each subject as often as its batch says, and leaves out those that have sat down."""
    order: list[str] = []
    first = Subject("first", noting(order, "first", 3.0), batch=2)
    second = Subject("second", noting(order, "second", 1.5), rounds=1)

    series = interleave([first, second], rounds=2)

    assert order == ["first", "first", "second", "first", "first"]
    assert series == [Series("first", ((3.0, 3.0), (3.0, 3.0))), Series("second", ((1.5,),))]
    assert ratio(series, "first", "second").value.median == 2.0


def test_rounds_begin_with_another_subject() -> None:
    """Of two subjects that take part in every round, each comes first once in two rounds."""
    order: list[str] = []
    subjects = [Subject(name, noting(order, name, 1.0)) for name in ("first", "second")]

    interleave(subjects, rounds=2)

    assert order == ["first", "second", "second", "first"]


def test_a_figure_stands_beside_its_goal(tmp_path: Path) -> None:
    """The report names the goal of a figure and whether it was reached, as text and as JSON."""
    result = run("second-manager", tmp_path)
    text = report.result_lines(result)
    found = report.as_json({"python": "3"}, [result], {})

    assert all(name in text for name in (OURS, FLOOR, FILE))
    assert "goal <= 100.0 us: " in text
    (goal,) = [figure["goal"] for figure in found["cases"][0]["figures"] if "goal" in figure]
    assert goal["limit"] == goals.GOALS["second-manager", OURS].limit
    assert isinstance(goal["reached"], bool)
    assert "1 of 1 reached" in (summary := report.summary_lines([result])) or "0 of 1 reached" in summary
    assert "not measured in this run: append-full, append-normal, turn-full" in summary


@pytest.mark.parametrize(("sense", "beyond"), [("<=", 1.1), (">=", 0.9)])
def test_a_goal_is_reached_at_its_limit(sense: Literal["<=", ">="], beyond: float) -> None:
    """A goal is a limit that may be touched, from below or from above, and not passed."""
    assert goals.Goal(sense, 1.0).is_reached(1.0)
    assert not goals.Goal(sense, 1.0).is_reached(beyond)


def test_cases_are_chosen_by_name_or_group() -> None:
    """A wanted name is a case, or the word before the dash; nothing wanted is everything."""
    names = list(suite.all_cases(QUICK))

    assert suite.choose(names, ["append", "threads"]) == ["append-full", "append-normal", "threads"]
    assert suite.choose(names, []) == names
    with pytest.raises(ValueError, match=r"no case is called 'turbo'.*append-full"):
        suite.choose(names, ["turbo"])


def test_every_goal_belongs_to_a_case() -> None:
    """The table of goals names no case that a full run does not have."""
    assert {case for case, _ in goals.GOALS} <= set(suite.all_cases(FULL))


def test_a_case_that_fails_does_not_stop_the_others(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A failing case is reported with its traceback, and those after it still run."""
    too_small = replace(TINY, large_sessions=1)  # there is no second session to append to

    measured = command.run_cases(too_small, ["large", "second-manager"], tmp_path)

    assert "large FAILED\nTraceback" in capsys.readouterr().out
    assert list(measured["failures"]) == ["large"]
    assert [case["name"] for case in measured["cases"]] == ["second-manager"]
    assert list(tmp_path.iterdir()) == []


def test_the_command_prints_and_writes_what_it_measured(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """The command prints the environment and the table, writes both as JSON, and cleans up after itself."""
    out = tmp_path / "figures.json"

    status = command.main(["--quick", "--only", "second-manager", "--dir", str(tmp_path), "--json", str(out)])

    printed, written = capsys.readouterr().out, json.loads(out.read_text(encoding="utf-8"))
    assert status == 0
    assert "second-manager: construct a second manager" in printed
    assert [case["name"] for case in written["cases"]] == ["second-manager"]
    assert {"python", "sqlite", "file system", "4 KiB append + fsync"} <= set(written["environment"])
    assert list(tmp_path.iterdir()) == [out]


def test_an_unknown_case_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    """The command refuses a name that fits no case, before anything is measured."""
    with pytest.raises(SystemExit):
        command.main(["--only", "turbo"])
    assert "no case is called 'turbo'" in capsys.readouterr().err

"""The benchmarks run and report what they should; how fast anything is, is not tested."""

import asyncio
import itertools
import json
import math
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from random import Random
from types import SimpleNamespace
from typing import Any, Literal, cast
from xml.etree import ElementTree as ET

import apsw
import pytest
from strands.storage import InMemoryStorage
from strands.vended_memory_stores.file_memory_store import FileMemoryStore

from benchmarks import __main__ as command
from benchmarks import cutting, goals, memories, report, suite
from benchmarks.adapters import FILE, FLOOR, OURS
from benchmarks.measure import Result, Series, Subject, in_order, interleave, ratio
from benchmarks.race import __main__ as race_command
from benchmarks.race import site
from benchmarks.race.chart import draw
from benchmarks.race.contest import Contestant, Log
from benchmarks.race.contestants import CONTESTANTS
from benchmarks.race.rows import Run, check
from benchmarks.race.run import CASES
from benchmarks.race.run import run as run_race
from benchmarks.race.runs import in_turn
from benchmarks.race.sizes import QUICK as RACE_QUICK
from benchmarks.race.together import RUNS, compare, elsewhere, one_more, together
from benchmarks.scale import FULL, QUICK
from benchmarks.snapshots import WrittenPages
from benchmarks.stores import LOCAL

TINY = replace(
    QUICK, append_rounds=2, append_batch=2, turn_rounds=1, turn_warmup=0, restore_lengths=(60,), thread_rounds=1,
    thread_messages=3, open_rounds=1, large_sessions=20, large_rounds=1, image_rounds=1, image_batch=1,
    snapshot_turns=5, growth_turns=(5, 10), growth_cycles=1, snapshot_length=10, save_rounds=1,
    snapshot_restore_rounds=1, search_entries=30, search_rounds=1, checkpoints=3, checkpoint_rounds=1,
)  # fmt: skip


def run(name: str, tmp_path: Path) -> Result:
    result = suite.run(name, TINY, tmp_path)
    assert isinstance(result, Result), result
    return result


@pytest.mark.parametrize(
    "name",
    [
        "append-full",
        "turn-normal",
        "large",
        "image-normal",
        "snapshot-size",
        "snapshot-save-full",
        "snapshot-restore",
        "storage-search",
        "storage-list",
        "list",
        "message-search",
        "history",
        "prune",
    ],
)
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


def test_the_growth_of_a_save_is_counted(tmp_path: Path) -> None:
    """The case of the growth counts bytes for every subject; files grow by more than the text of a message."""
    result = run("snapshot-growth", tmp_path)
    figures = {row.label: row.value.median for row in result.figures}

    assert all(each.spread.lower > 0 for each in result.series)
    assert {label for case, label in goals.GOALS if case == "snapshot-growth"} <= set(figures)
    assert figures[f"{LOCAL}: latest, more for each message"] > 600
    assert figures[f"{LOCAL}: latest + new, more for each message"] > 1200


def test_what_goes_into_a_wal_is_counted(tmp_path: Path) -> None:
    """The bytes that are counted for a connection in WAL mode are those of its WAL, but for the header."""
    path = tmp_path / "counted.db"
    with WrittenPages() as pages, closing(apsw.Connection(str(path))) as connection:
        connection.pragma("journal_mode", "wal")
        before = pages.bytes
        connection.execute("CREATE TABLE contents (content BLOB); INSERT INTO contents VALUES (zeroblob(50000))")

        assert pages.bytes - before == path.with_name("counted.db-wal").stat().st_size - 32 > 50_000


def test_memories_are_written_as_the_sdk_writes_them() -> None:
    """An entry has 1 KiB and the key that `FileMemoryStore` gives it; a question about it has its words."""
    entries = dict(itertools.islice(memories.entries(), 5))
    store = FileMemoryStore(name="memories", storage=InMemoryStorage())

    assert [asyncio.run(store.add(data.decode())) for data in entries.values()] == list(entries)
    assert {len(data) for data in entries.values()} == {memories.ENTRY_BYTES}
    for question in memories.questions(entries):
        assert len(set(question.text.strip("?").split()) & set(entries[question.key].decode().split())) >= 3


@pytest.mark.parametrize(("name", "turns"), [("1 MB of a tool", 12), ("summaries", 22)])
def test_every_way_of_cutting_is_compared(name: str, turns: int, tmp_path: Path) -> None:
    """Each way of keeping snapshots has a line in the table, and gives back what it was given."""
    _, *lines = cutting.tell(cutting.STORIES[name], turns, tmp_path)

    assert len(lines) == len(cutting.ways()) >= 3
    assert all(line.strip().startswith(way) for line, way in zip(lines, cutting.ways(), strict=True))


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


@pytest.mark.parametrize("count", [2, 6, 11])
def test_rounds_begin_with_another_subject(count: int) -> None:
    """In as many rounds as there are subjects each comes first once, and behind no other more often than twice."""
    rounds = [in_order(range(count), number) for number in range(count)]

    assert [sorted(each) for each in rounds] == [list(range(count))] * count
    assert sorted(each[0] for each in rounds) == list(range(count))
    pairs = Counter(pair for each in rounds for pair in itertools.pairwise(each))
    assert max(pairs.values()) == (1 if count % 2 == 0 else 2)


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


TINY_RACE = replace(
    RACE_QUICK, append_rounds=2, append_batch=2, stored=3, turn_rounds=1, turn_warmup=0, restore_lengths=(30,),
    restore_rounds=1, thread_rounds=1, crowd_messages=2, sessions=20, scale_rounds=2, snapshot_turns=5, image_rounds=1,
    search_entries=30, search_messages=200, search_rounds=1, settles=False,
)  # fmt: skip


def race(
    tmp_path: Path, *names: str, contestants: Sequence[Contestant] = CONTESTANTS, number: int = 0, of: int = 1
) -> dict[str, Any]:
    found = run_race(tmp_path, TINY_RACE, names, contestants, Run(number, of, tmp_path / "kept"))
    assert found["failures"] == {}
    return found


@pytest.mark.parametrize(
    "case", sorted(set(CASES) - {"processes", "interpreters"})
)  # these two start the SDK in many processes
def test_who_takes_part_in_the_race_is_measured(case: str, tmp_path: Path) -> None:
    """In each row everyone has a positive figure and a ratio, or is left out with a reason; no file is left behind."""
    contestants = [
        each for each in CONTESTANTS if each.pace != "remote" or case == "append"
    ]  # their clients take seconds
    found = race(tmp_path, case, contestants=contestants)

    everyone = {each.name for each in contestants}
    for row in found["rows"]:
        figures = {figure["name"]: figure for figure in row["figures"]}
        assert all(0 < each["lower"] <= each["median"] <= each["upper"] for each in figures.values())
        assert all(each["ratio"]["median"] > 0 for name, each in figures.items() if name != row["reference"])
        assert all(reason for reason in row["left_out"].values())
        assert everyone <= {*figures, *row["left_out"]} | {"ours"}
        assert not set(figures) & set(row["left_out"])
    assert found["rows"]
    assert {path.name for path in tmp_path.iterdir()} <= {"kept"}


def test_who_is_not_installed_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """A contestant whose package is missing stands in the output and in every row, and the others run."""
    nobody = Contestant("nobody", "nowhere:open", ("strands-agents", "no-such-package"), "nothing")

    found = race(tmp_path, "append", contestants=[*CONTESTANTS[:1], nobody])

    assert "left out: nobody: no-such-package: not installed" in capsys.readouterr().out
    assert [figure["name"] for figure in found["rows"][0]["figures"]] == ["ours"]
    assert found["rows"][0]["left_out"] == {"nobody": "no-such-package: not installed"}


def test_runs_share_the_large_files_and_none_of_their_sessions(tmp_path: Path) -> None:
    """A run goes on with the large files of the runs before, and appends to and reads what none of them has touched."""
    sizes = []
    for number in range(2):
        race(tmp_path, "scale", contestants=CONTESTANTS[:1], number=number, of=2)
        with closing(apsw.Connection(str(next((tmp_path / "kept").rglob("race.db"))))) as connection:
            lengths = connection.execute("SELECT count(*) FROM messages GROUP BY session_id").fetchall()
        sizes.append(sorted(length for (length,) in lengths))

    appended = 2 * 2  # rounds, and in each of them as many as there are sessions for two runs
    assert sizes == [[100] * (20 - appended) + [101] * appended, [100] * (20 - 2 * appended) + [101] * 2 * appended]


def test_several_runs_are_put_together(tmp_path: Path) -> None:
    """A figure is the median of the runs, one of them in a process of its own; a ratio says where one more would be."""
    (alone,) = in_turn(tmp_path, TINY_RACE, ["append"], CONTESTANTS[:3], 1)
    runs = [alone, *(race(tmp_path, "append", contestants=CONTESTANTS[:3]) for _ in range(2))]
    found = together(runs)

    ours, *others = found["rows"][0]["figures"]
    assert ours["ratio"] is None
    assert ours["median"] == sorted(each["median"] for each in ours["runs"])[1]
    for name in (each["name"] for each in others):
        ((_, _, ratio, spread),) = [each for each in compare(found, found) if each[1] == name]
        measured = [each[2] for run in runs for each in compare(run, found) if each[1] == name]
        assert len(set(measured)) == 3
        assert spread.lower < min(measured) <= ratio <= max(measured) < spread.upper
    assert site.comparison(found, found) == "2 of 2 ratios are where the site expects them"
    failed = {**runs[0], "rows": [], "failures": {"append": "why"}}
    assert together([*runs[1:], failed])["rows"] == []
    assert together([*runs[1:], failed])["failures"] == {"append, run 3": "why"}
    noted = {**runs[0], "rows": [{**runs[0]["rows"][0], "notes": ["one message is missing"]}]}
    assert together([*runs[1:], noted])["rows"][0]["notes"] == ["in run 3: one message is missing"]


def test_a_ratio_elsewhere_is_named() -> None:
    """A run whose ratio several runs would not expect is told so; one that only rounds to their limit is not."""

    def found(median: float, lower: float, upper: float) -> dict[str, Any]:
        ratio = {"median": median, "lower": lower, "upper": upper, "count": 3}
        return {"rows": [{"name": "append", "figures": [{"name": "others", "ratio": ratio}]}]}

    published = found(1.5, 1.2, 1.8)

    assert site.comparison(found(1.84, 1, 2), published) == "1 of 1 ratios are where the site expects them"
    assert site.comparison(found(2.5, 1, 3), published).splitlines()[:2] == [
        "0 of 1 ratios are where the site expects them",
        "  append: others: 2.5, not 1.5 (1.2 \N{EN DASH} 1.8)",
    ]

    published["elsewhere"] = elsewhere({"environment": {}, **found(3, 2.8, 3.3)})
    assert site.comparison(found(2.5, 1, 3), published).splitlines()[1:3] == [
        "  append: others: 2.5, not 1.5 (1.2 \N{EN DASH} 1.8); on the other machine 3 (2.8 \N{EN DASH} 3.3)",
        "1 of these 1 lie where its two machines put them, or between",
    ]
    assert "0 of these 1 lie" in site.comparison(found(3.5, 3, 4), published)


@pytest.mark.parametrize("number", RUNS)
def test_one_more_run_is_where_it_is_expected(number: int) -> None:
    """Of runs whose ratios scatter by a tenth, one more lies in the range that is given with them 95 times of 100."""
    random = Random(number)

    def draw_ratio() -> float:
        return 3 * math.exp(random.gauss(0, 0.1))

    inside = 0
    for _ in range(4_000):
        spread = one_more([draw_ratio() for _ in range(number)])
        inside += spread.lower <= draw_ratio() <= spread.upper
    assert 0.94 < inside / 4_000 < 0.96


def test_a_run_that_dies_is_an_error(tmp_path: Path) -> None:
    """Where the process of a run ends before it has figures, the command says with which exit code."""
    with pytest.raises(RuntimeError, match="ended with exit code 1"):
        next(in_turn(tmp_path, TINY_RACE, ["append"], [cast("Contestant", None)], 1))


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--site", "--only", "append"], "--site goes without --only"),
        (["--site"], "--site needs --runs"),
        (["--site", "--runs", "3", "--quick"], "--site goes without --only, --without and --quick"),
        (["--runs", "2"], "invalid choice: 2"),
        (["--compare", "--quick"], "--compare goes without --quick"),
        (["--elsewhere", "race.json"], "--elsewhere goes with --redraw"),
    ],
    ids=["a part", "one run", "smaller files", "two runs", "smaller files to compare", "nothing to put it beside"],
)
def test_the_site_takes_whole_races_only(arguments: list[str], told: str, capsys: pytest.CaptureFixture[str]) -> None:
    """The site is not written from some of the cases, nor from runs that say too little of one more."""
    with pytest.raises(SystemExit):
        race_command.main(arguments)
    assert told in capsys.readouterr().err


def test_a_contestant_that_forgets_does_not_count() -> None:
    """A store that gives back less than it was given ends the case, however fast it is."""
    with pytest.raises(ValueError, match="has 3 of 4 messages"):
        check(cast("Log", SimpleNamespace(read=lambda: [1, 2, 3])), 4)


def test_the_page_and_the_chart_come_from_the_figures(tmp_path: Path) -> None:
    """Both name everyone; the page keeps what stands around its marks; the chart is one SVG without outside help."""
    found = race(tmp_path, "append", contestants=CONTESTANTS[:4])
    page = site.with_tables(f"before\n{site.BEGIN}\nold\n{site.END}\nafter\n", found)
    chart = draw(found)

    names = [figure["name"] for figure in found["rows"][0]["figures"]]
    assert all(f"| {name} |" in page or f"| **{name}** |" in page for name in names)
    assert page.startswith("before\n")
    assert page.endswith("\nafter\n")
    assert "old" not in page
    assert site.with_tables(page, found) == page
    ratios = {"append": {names[1]: {"median": 7.0, "lower": 6.0, "upper": 8.0}}}
    both = {**found, "elsewhere": {"environment": {"system": "another"}, "ratios": ratios}}
    lines = site.with_tables(page, both).splitlines()
    assert f"| system | {found['environment']['system']} | another |" in lines
    (row,) = [line for line in lines if line.startswith(f"| {names[1]} |")]
    assert "| 7 (6 \N{EN DASH} 8) |" in row
    drawn = ET.fromstring(chart)  # noqa: S314 - our own
    assert {text.text for text in drawn.iter("{http://www.w3.org/2000/svg}text")} >= set(names)
    assert chart.count("http") == 1  # the name space
    with pytest.raises(ValueError, match="the page has no"):
        site.with_tables("no marks", found)


def test_the_site_shows_the_figures_that_it_offers() -> None:
    """The tables and the chart in the docs are those of the JSON file beside them."""
    found = json.loads(site.JSON.read_text(encoding="utf-8"))

    assert site.with_tables(page := site.PAGE.read_text(encoding="utf-8"), found) == page
    assert draw(found) == site.SVG.read_text(encoding="utf-8")
    assert found["failures"] == {}

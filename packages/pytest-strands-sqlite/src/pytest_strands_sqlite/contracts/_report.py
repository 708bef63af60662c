"""What a test run says about the contracts at its end."""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import Any

PROPERTY = "strands_contract"
"""The user property of a report that belongs to a contract: who, what kind of test, which capability."""

BASE, OPTIONAL, UNCLAIMED = "base", "optional", "not claimed"


def pytest_terminal_summary(terminalreporter: Any) -> None:
    """Add a section with a line for each class that ran a contract; nothing where none did.

    Args:
        terminalreporter: As pytest gives it to the hook of this name.
    """
    lines = summary(terminalreporter.stats)
    if lines:
        terminalreporter.section("strands contracts")
        for line in lines:
            terminalreporter.line(line)


def summary(stats: dict[str, list[Any]]) -> list[str]:
    """Return the lines for the reports of a test run, which pytest keeps by their outcome."""
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    unclaimed: dict[str, set[str]] = defaultdict(set)
    for outcome in ("passed", "failed", "error", "xfailed", "skipped"):
        for report in stats.get(outcome, ()):
            found = next((each[1] for each in getattr(report, "user_properties", ()) if each[0] == PROPERTY), None)
            if found is None:
                continue
            who, kind, capability = found
            name = f"{report.nodeid.split('::')[0]}::{who}"
            if kind == UNCLAIMED:
                counts[name]["unclaimed"] += 1
                unclaimed[name].add(capability)
            elif outcome == "passed":
                counts[name][kind] += 1
            else:
                counts[name][outcome] += 1
    return [_line(name, count, sorted(unclaimed[name])) for name, count in counts.items()]


def _line(name: str, count: Counter[str], unclaimed: list[str]) -> str:
    parts = [f"base {count[BASE]} passed", f"optional {count[OPTIONAL]} passed"]
    if failed := count["failed"] + count["error"]:
        parts.append(f"{failed} failed")
    if skipped := count["skipped"]:
        parts.append(f"{skipped} skipped")
    if known := count["xfailed"]:
        parts.append(f"known deviations {known}")
    if unclaimed:
        parts.append(f"not claimed: {', '.join(unclaimed)}")
    return f"{name}: {', '.join(parts)}"

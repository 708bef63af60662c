"""What the home page says about speed is what was measured."""

from __future__ import annotations

import json
from pathlib import Path

DOCS = Path(__file__).parents[2] / "docs"


def test_the_figures_of_the_home_page_are_those_of_the_chart() -> None:
    """Whoever runs the race again finds here what the sentence above the chart has to say."""
    rows = {row["name"]: row for row in json.loads((DOCS / "assets" / "race.json").read_text("utf-8"))["rows"]}
    turn = _medians(rows["turn"])
    read = _medians(rows["restore-1000"])
    expected = (
        f"On the machine of the chart, what one turn asks of the store takes {turn[0]} with `SQLiteSessionManager`, "
        f"{turn[1]} with `FileSessionManager` and {turn[2]} with `S3SessionManager` on a server beside it. "
        f"Reading 1,000 messages takes {read[0]}, {read[1]} and {read[2]}."
    )
    assert expected in " ".join((DOCS / "index.md").read_text("utf-8").split())


def _medians(row: dict[str, object]) -> list[str]:
    figures = {figure["name"]: figure["median"] for figure in row["figures"]}  # type: ignore[attr-defined]
    return [_words(figures[name]) for name in ("ours", "FileSessionManager", "S3SessionManager, SeaweedFS")]


def _words(seconds: float) -> str:
    value, unit = (seconds, "s") if seconds >= 1 else (1000 * seconds, "ms")
    return f"{value:.1f} {unit}" if value < 10 else f"{value:.0f} {unit}"

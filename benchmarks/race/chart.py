"""The race as a picture: how many times ours each contestant needs, on a logarithmic scale."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from typing import Any
from xml.sax.saxutils import escape

from benchmarks.race.contestants import OURS
from benchmarks.report import value_words

PANELS: Mapping[str, str] = {
    "append": "append a message: time",
    "turn": "a turn of an agent: time in the store",
    "restore-100": "read 100 messages: time",
    "restore-1000": "read 1,000 messages: time",
    "newest": "read the newest 20 messages: time",
    "image": "store an image of 1 MiB: time",
    "threads": "8 threads append: time per message",
    "processes": "4 processes append: time per message",
    "snapshot-bytes": "after many turns: bytes of file",
    "memory": "peak memory of a process",
}
"""The rows that are drawn, in pairs, each with its title."""

_WIDTH, _COLUMN, _NAME, _BAR, _VALUE = 960, 460, 190, 190, 75
_LINE, _HEAD, _MARGIN, _FOOT = 19, 42, 10, 24
_DECADES = (-2, 4)

_STYLE = """
.page{fill:#ffffff}.text{fill:#24292f}.soft{fill:#57606a}.grid{stroke:#d0d7de}.one{stroke:#57606a}
.more{fill:#c9803a}.less{fill:#3a86c9}.ours{fill:#2f9e63}.spread{stroke:#24292f}
text{font:12px system-ui,-apple-system,"Segoe UI",sans-serif}.head{font-weight:600;font-size:13px}
.end{text-anchor:end}.middle{text-anchor:middle;font-size:10px}
@media (prefers-color-scheme:dark){
.page{fill:#1e2129}.text{fill:#e6edf3}.soft{fill:#9aa4af}.grid{stroke:#3a404b}.one{stroke:#9aa4af}.spread{stroke:#e6edf3}
}
"""


def draw(found: Mapping[str, Any]) -> str:
    """Return the chart of a run as SVG; rows that the run does not have are left out."""
    rows = {row["name"]: row for row in found["rows"]}
    chosen = [(rows[name], title) for name, title in PANELS.items() if name in rows]
    body: list[str] = []
    top = float(_MARGIN + 22)
    for pair in (chosen[at : at + 2] for at in range(0, len(chosen), 2)):
        for column, (row, title) in enumerate(pair):
            body += _panel(row, title, _MARGIN + column * (_COLUMN + 2 * _MARGIN), top)
        top += max(_height(row) for row, _ in pair)
    environment = found["environment"]
    foot = (
        f"{environment['python']}, SQLite {environment['sqlite']}, {environment['file system']}, 4 KiB append +"
        f" fsync {environment['4 KiB append + fsync']}"
    )
    times = f"\N{MULTIPLICATION SIGN} {OURS}"
    head = (
        f"{times}, on a logarithmic scale: right of the line is more than ours needs, left of it less;"
        " thin lines: where one more run would be"
    )
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {top + _FOOT:.0f}" role="img">',
        f"<title>{escape(head)}</title><style>{_STYLE}</style>",
        f'<rect class="page" width="{_WIDTH}" height="{top + _FOOT:.0f}" rx="6"/>',
        _text(_MARGIN, 20, head, "soft"),
        *body,
        _text(_MARGIN, top + 14, foot, "soft"),
        "</svg>",
    ]
    return "\n".join(lines) + "\n"


def _height(row: Mapping[str, Any]) -> float:
    return _HEAD + _LINE * len(row["figures"]) + 14


def _panel(row: Mapping[str, Any], title: str, left: float, top: float) -> Iterator[str]:
    """Yield one row of the race: a grid of powers of ten, and a bar for each contestant."""
    bottom = top + _HEAD + _LINE * len(row["figures"]) - 6
    yield _text(left, top + 14, title, "text head")
    for power in range(_DECADES[0], _DECADES[1] + 1):
        x = left + _NAME + _place(10.0**power)
        kind = "grid" if power else "one"
        yield _text(x, top + 30, f"{10.0**power:g}", "soft middle")
        yield f'<line class="{kind}" x1="{x:.1f}" y1="{top + 34:.1f}" x2="{x:.1f}" y2="{bottom:.1f}"/>'
    for number, figure in enumerate(row["figures"]):
        yield from _bar(row, figure, left, top + _HEAD + _LINE * number)


def _bar(row: Mapping[str, Any], figure: Mapping[str, Any], left: float, top: float) -> Iterator[str]:
    name, against = figure["name"], figure["ratio"] or {"median": 1.0, "lower": 1.0, "upper": 1.0}
    lower, middle, upper = (_need(against[part], row["unit"]) for part in ("lower", "median", "upper"))
    start, end = sorted((_place(1.0), _place(middle)))
    kind = "ours" if name == row["reference"] else "more" if middle >= 1 else "less"
    yield _text(left + _NAME - 8, top + 10, name, "text end")
    yield (
        f'<rect class="{kind}" x="{left + _NAME + start - (2 if kind == "ours" else 0):.1f}" y="{top:.1f}"'
        f' width="{max(end - start, 4 if kind == "ours" else 1):.1f}" height="12"/>'
    )
    if lower != upper:
        ends = [left + _NAME + _place(each) for each in (lower, upper)]
        yield f'<line class="spread" x1="{min(ends):.1f}" y1="{top + 6:.1f}" x2="{max(ends):.1f}" y2="{top + 6:.1f}"/>'
    words = value_words(figure["median"], row["unit"])
    yield _text(left + _NAME + _BAR + _VALUE, top + 10, words, "soft end")


def _need(ratio: float, unit: str) -> float:
    """Return how much more of time or bytes is needed; a rate is turned over."""
    return 1 / ratio if unit == "per second" else ratio


def _place(ratio: float) -> float:
    """Return where a ratio stands on the scale; what is beyond its ends stands at its end."""
    first, last = _DECADES
    power = min(max(math.log10(ratio), first), last)
    return (power - first) / (last - first) * _BAR


def _text(x: float, y: float, words: str, kind: str) -> str:
    return f'<text class="{kind}" x="{x:.1f}" y="{y:.1f}">{escape(words)}</text>'

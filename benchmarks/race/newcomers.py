"""The rows that need new interpreters: import time and memory."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import mkdtemp
from typing import Any

from benchmarks.measure import Series, in_order
from benchmarks.race import probe
from benchmarks.race.contestants import ADK, FILES, LANGGRAPH, OPENAI, OURS
from benchmarks.race.rows import Race, Row

_PROBES = {OURS: "Ours", FILES: "Files", LANGGRAPH: "LangGraph", OPENAI: "OpenAI", ADK: "ADK"}
_PROGRAM = Path(probe.__file__)


def interpreters(race: Race) -> Iterator[Row]:
    """Measure imports, and the most memory that a process holds which stores and reads a conversation."""
    folder = race.folder / "interpreters"
    folder.mkdir()
    entered = {each.name for each in race.entered("memory")}
    names = [name for name in _PROBES if name in entered]
    for name in names:
        _run(folder, name, 0)  # compiles what it imports, as an installation does
    found: dict[str, list[dict[str, Any]]] = {name: [] for name in names}
    for number in range(race.sizes.probe_rounds):
        for name in in_order(names, number):
            found[name].append(_run(folder, name, race.sizes.probe_messages))
    seconds = [Series(name, tuple((each["import"],) for each in found[name])) for name in names]
    note = f"ours and {FILES} contain the import of strands-agents, which an agent needs in any case"
    yield race.row("import", "import in a new interpreter, everything compiled", "seconds", seconds, note)
    peaks = [Series(name, tuple((each["peak"],) for each in found[name])) for name in names]
    title = f"the most memory of a process that stores {race.sizes.probe_messages:,} messages and reads them"
    yield race.row("memory", title, "bytes", peaks)
    imported = [Series(name, tuple((each["imported"],) for each in found[name])) for name in names]
    yield race.row("memory-imported", "memory of a process after the import", "bytes", imported, kind="memory")


def _run(folder: Path, name: str, length: int) -> dict[str, Any]:
    environment = {**os.environ, "PYTHONPYCACHEPREFIX": str(folder / "bytecode")}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)
    command = [sys.executable, str(_PROGRAM), _PROBES[name], mkdtemp(dir=folder), str(length)]
    done = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)  # noqa: S603 - our own code
    found: dict[str, Any] = json.loads(done.stdout)
    return found

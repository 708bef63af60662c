"""Places that older versions wrote, for the contract suites."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

DATA = Path(__file__).parents[1] / "data"

OLD_VALUES = {
    "memory/notes/tea.md": b"# Tea\nGreen, in the morning.",
    **{
        f"snapshots/{turns}.json": json.dumps(
            {
                "scope": "agent",
                "data": {
                    "messages": [{"role": "user", "content": [{"text": f"{turn} " * 600}]} for turn in range(turns)],
                    "state": {},
                },
            }
        ).encode()
        for turns in (3, 4)
    },
}
"""What `tests/core/data/write_golden.py` stored as objects."""


def lay_schema(version: int, target: Path) -> None:
    """Put the database file that the first release with a schema version wrote at `target`."""
    shutil.copyfile(DATA / f"schema_{version}.db", target)

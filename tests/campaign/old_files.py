"""Database files of older versions, and what is in them: known from before, not from today's migrations."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from tempfile import TemporaryDirectory

from strands_sqlite_session_manager._schema import VERSION
from tests.campaign.survivors import DB, facts_of

DATA = Path(__file__).parents[1] / "core" / "data"
OLD = ["legacy_0_1_0.db", *(f"schema_{version}.db" for version in range(1, VERSION))]
FACTS = Path(__file__).with_name("old_files.json")


def put_old(old: str, folder: Path) -> dict[str, str]:
    """Copy an old file into a folder; return the facts that users must find in it, whatever happens to it."""
    shutil.copy(DATA / old, folder / DB)
    return known()[old]


def known() -> dict[str, dict[str, str]]:
    """Return the facts of each old file, as they were noted when it became old."""
    found: dict[str, dict[str, str]] = json.loads(FACTS.read_text(encoding="utf-8"))
    return found


def main() -> None:
    """Note the facts of files that have none yet: once, with a new schema version; never those of the others again."""
    facts = known() if FACTS.exists() else {}
    for old in OLD:
        if old not in facts:
            with TemporaryDirectory() as folder:
                shutil.copy(DATA / old, Path(folder, DB))
                facts[old] = facts_of(Path(folder, DB))
    FACTS.write_text(json.dumps(facts, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()

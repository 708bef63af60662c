"""The `strands-sqlite` command."""

from __future__ import annotations

import sys
from typing import NoReturn

from strands_sqlite_session_manager._standalone import stand_alone

__all__ = ["main"]


def main() -> NoReturn:
    """Run the command that the arguments of the process name, and end the process with its exit code."""
    stand_alone()
    try:
        from ._app import run  # noqa: PLC0415 - after stand_alone, and not without click
    except ModuleNotFoundError as error:
        if error.name != "click":
            raise
        sys.stderr.write("error: strands-sqlite needs click\nhint: pip install 'strands-sqlite-session-manager[cli]'\n")
        sys.exit(3)
    except KeyboardInterrupt:
        sys.exit(130)
    run()

"""Who is asked before a database is opened: in tests, what must not touch a real one."""

from __future__ import annotations

from collections.abc import Callable

Guard = Callable[[str, object], None]
"""Gets the path as it will be opened, and the user who opens it; raises where that must not be."""

GUARDS: list[Guard] = []

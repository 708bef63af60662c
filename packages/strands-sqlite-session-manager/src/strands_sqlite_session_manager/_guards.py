"""Who is asked before a database is opened or shared: in tests, what must not touch a real one."""

from __future__ import annotations

from collections.abc import Callable

Guard = Callable[[str, object], None]
"""Gets the path as it is opened, and the user who opens it or joins those who have; raises where that must not be."""

GUARDS: list[Guard] = []

"""How much the campaign tries."""

from __future__ import annotations

import os

EFFORT = int(os.environ.get("STRANDS_SQLITE_CAMPAIGN", "1"))
"""How many times as much as in the gate, each time with other values."""

LONG = EFFORT > 1
"""Whether everything is tried, such as every sync and every write, where the gate tries a few of them."""

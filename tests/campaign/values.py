"""Values that agents may keep and say, and what is the same in two of them."""

from __future__ import annotations

from typing import Any

from hypothesis import strategies as st

TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
_LARGE = (bytes(511), bytes(512), bytes(range(256)) * 4, b"\xff" * 2000)
BYTES = st.binary(max_size=3) | st.integers(0, len(_LARGE) - 1).map(lambda number: _LARGE[number])
"""Few different ones that are stored apart, so that messages share them."""

JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats() | TEXTS | BYTES,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXTS, inner, max_size=3),
    max_leaves=5,
)
OBJECTS = st.dictionaries(TEXTS, JSON, max_size=3)
TIMES = st.sampled_from(["2024-01-01T00:00:00.000000+00:00", "2025-05-05T05:05:05+02:00", "2026-01-02T03:04:05.678Z"])


def shown(value: Any) -> str:
    """Return what two values have in common that are the same: types, the order of keys, NaN and -0.0 among it."""
    return repr(value)

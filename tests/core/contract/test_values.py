"""Values: what JSON can hold comes back exactly, what it cannot is refused and changes nothing."""

from __future__ import annotations

import datetime as dt
import decimal
import enum
import pathlib
import sys
import uuid
from collections import OrderedDict, defaultdict, namedtuple
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pydantic
import pytest
from strands.types.session import Session, SessionType

from .backends import Manager
from .places import IN_CREWS, Place, changed, in_each_place, in_each_record, on_backends
from .samples import EARLY, LATE, agent, nested, outcome, said

pytestmark = pytest.mark.usefixtures("agent_a")


def circular() -> list[object]:
    """Return a list that holds itself."""
    value: list[object] = []
    value.append(value)
    return value


Pair = namedtuple("Pair", "left right")  # noqa: PYI024 - the untyped form is what callers have


class Level(enum.IntEnum):
    """An integer with a name."""

    HIGH = 3


class Color(enum.Enum):
    """A name without a number."""

    RED = "red"


class Shout(str):
    """Text of a type of its own."""

    __slots__ = ()


@dataclass
class Point:
    """A dataclass, which the SDK turns into a dict in messages and agents."""

    x: int
    y: Any = None


class Pydantic(pydantic.BaseModel):
    """A model, which Pydantic's own encoder would accept."""

    x: int = 1


class Unknown:
    """An object that nothing can encode."""


JSON_VALUES = {
    "none": None,
    "booleans": [True, False, 1, 0],
    "floats": [0.0, -0.0, 1.0, 0.1, 1e16, 1e22, 1.5e300, 5e-324, 1.7976931348623157e308, 0.1 + 0.2],
    "not-a-number": [float("nan"), float("inf"), float("-inf")],
    "integers": [2**31, 2**53 + 1, 2**63 - 1, -(2**63)],
    "beyond-64-bits": [2**63, -(2**63) - 1, 2**64, 10**400, -(10**4200)],
    "empty": ["", [], {}, [[]], {"": ""}],
    "unicode": "é e\u0301 ß 日本語 🙂👩‍👩‍👧 \u200b\u2028\u2029\ufeff\uffff\U0010ffff",
    "controls": "".join(map(chr, range(32))) + "\x7f\x80\x9f",
    "nul": ["\0", "a\0b", {"k\0": "\0"}],
    "quotes": ['"', "\\", "'", "\\u0000", "\\ud800", "</script>", "%s", "?1", "$.a"],
    "sql": "'; DROP TABLE messages; --",
    "long-text": "x" * 40_000,
    "key-order": {"z": 1, "a": 2, "M": {"2": 0, "10": 0, "1": 0}},
    "odd-keys": {"": 1, " ": 2, "a.b": 3, "$": 4, "[0]": 5, '"': 6, "🙂": 7},
    "nested-150": nested(150),
    "nested-220": nested(220),
    "nested-350": nested(350),
    "wide": {str(number): [number] for number in range(300)},
}

PYTHON_VALUES: dict[str, tuple[object, object]] = {
    "tuple": ((1, (2, [3])), [1, [2, [3]]]),
    "named-tuple": (Pair(1, "b"), [1, "b"]),
    "int-enum": (Level.HIGH, 3),
    "text-enum": (SessionType.AGENT, "AGENT"),
    "text-subclass": (Shout("hey"), "hey"),
    "ordered-dict": (OrderedDict(z=1, a=2), {"z": 1, "a": 2}),
    "keys-that-are-not-text": (
        {2: "int", 2.5: "float", True: "bool", None: "none", 10**20: "big", float("inf"): "inf"},
        {"2": "int", "2.5": "float", "true": "bool", "null": "none", "100000000000000000000": "big", "Infinity": "inf"},
    ),
    "enum-keys": ({SessionType.AGENT: 1, Level.HIGH: 2}, {"AGENT": 1, "3": 2}),
}
"""What `json.dumps` takes beside plain JSON, and what comes back."""

if sys.version_info >= (3, 12):  # before, dataclasses.asdict, and so the SDK, fails on it
    PYTHON_VALUES["default-dict"] = (defaultdict(list, {"a": [1]}), {"a": [1]})

NOT_JSON: dict[str, Callable[[], object]] = {
    "set": lambda: {1},
    "frozen-set": lambda: frozenset({1}),
    "datetime": lambda: dt.datetime.now(dt.timezone.utc),
    "date": lambda: dt.date(2024, 1, 2),
    "time-delta": lambda: dt.timedelta(1),
    "decimal": lambda: decimal.Decimal("1.5"),
    "uuid": lambda: uuid.UUID(int=1),
    "path": lambda: pathlib.Path("x"),
    "plain-enum": lambda: Color.RED,
    "complex": lambda: 1j,
    "byte-array": lambda: bytearray(b"x"),
    "memory-view": lambda: memoryview(b"x"),
    "bytes-in-a-tuple": lambda: (b"x",),
    "bytes-key": lambda: {b"k": 1},
    "tuple-key": lambda: {(1, 2): 3},
    "object": Unknown,
    "class": lambda: Unknown,
    "function": lambda: nested,
    "iterator": lambda: iter([1]),
    "range": lambda: range(3),
    "dict-view": {"a": 1}.keys,
    "exception": lambda: ValueError("x"),
    "pydantic-model": Pydantic,
    "deep-down": lambda: {"a": [{"b": {"c": {1}}}]},
    "after-good-values": lambda: ["x" * 10_000, {"fine": True}, {1}],
}
"""What `json.dumps` refuses, some of it although other encoders take it. Built anew, as some can be used only once."""

NOT_TEXT: dict[str, Callable[[], object]] = {
    "high-surrogate": lambda: "a\ud83d",
    "low-surrogate": lambda: "\ude00b",
    "pair-of-surrogates": lambda: "\ud83d\ude00",
    "surrogate-in-a-key": lambda: {"\ud800": 1},
    "surrogate-deep-down": lambda: {"a": ["fine", {"b": "\udfff"}]},
    "integer-of-5000-digits": lambda: 10**5000,
}
"""What `json.dumps` or UTF-8 refuses with a `ValueError`."""


@in_each_place
def test_json_values_come_back_exactly(manager: Manager, place: Place) -> None:
    """JSON values come back with their types and the order of their keys, in every place where they can be stored."""
    place.create(manager, JSON_VALUES)

    assert changed(place, manager, JSON_VALUES) == {}


@in_each_place
def test_json_values_come_back_exactly_from_an_update(manager: Manager, place: Place) -> None:
    """Values that replace others come back just as well."""
    place.create(manager, "other")

    place.update(manager, JSON_VALUES)

    assert changed(place, manager, JSON_VALUES) == {}


@in_each_place
def test_python_values_come_back_as_json_has_them(manager: Manager, place: Place) -> None:
    """What `json.dumps` turns into JSON is stored as it turns it: tuples, enums, keys that are not text."""
    place.create(manager, {name: value for name, (value, _) in PYTHON_VALUES.items()})

    assert changed(place, manager, {name: stored for name, (_, stored) in PYTHON_VALUES.items()}) == {}


@in_each_record
def test_dataclasses_come_back_as_dicts(manager: Manager, place: Place) -> None:
    """A dataclass in a message or an agent is stored as a dict, bytes in it included: `asdict` makes it one."""
    place.create(manager, [Point(1, Point(2, b"x"))])

    assert place.read(manager) == [{"x": 1, "y": {"x": 2, "y": b"x"}}]


def refuses(place: Place, manager: Manager, values: dict[str, Callable[[], object]], kind: str) -> None:
    """Check that creating each value, and replacing an old one by it, raises that kind of error and writes nothing."""
    expected = dict.fromkeys(values, kind)
    created = {name: outcome(place.create, manager, build()).partition(":")[0] for name, build in values.items()}
    assert created == expected
    assert place.read(manager) is None
    place.create(manager, "old")
    updated = {name: outcome(place.update, manager, build()).partition(":")[0] for name, build in values.items()}
    assert updated == expected
    assert place.read(manager) == "old"


@in_each_place
def test_values_that_are_not_json_are_refused(manager: Manager, place: Place) -> None:
    """What `json.dumps` refuses is a `TypeError`; nothing is written, and an old value stays."""
    refuses(place, manager, NOT_JSON, "TypeError")


@on_backends(IN_CREWS)
@pytest.mark.parametrize("value", [b"x", Point(1)], ids=["bytes", "dataclass"])
def test_multi_agent_values_are_plain_json(manager: Manager, place: Place, value: object) -> None:
    """A multi-agent serializes itself: bytes and dataclasses in its state are a `TypeError`."""
    with pytest.raises(TypeError):
        place.create(manager, value)

    assert place.read(manager) is None


@in_each_place
def test_values_that_utf8_or_json_cannot_write_are_refused(manager: Manager, place: Place) -> None:
    """Lone surrogates and integers too long to print are a `ValueError`; nothing is written, and an old value stays."""
    refuses(place, manager, NOT_TEXT, "ValueError")


@in_each_place
def test_circular_values_are_refused(manager: Manager, place: Place) -> None:
    """A list that holds itself is refused; nothing is written, and an old value stays."""
    with pytest.raises((ValueError, RecursionError)):
        place.create(manager, circular())
    assert place.read(manager) is None
    place.create(manager, "old")
    with pytest.raises((ValueError, RecursionError)):
        place.update(manager, circular())
    assert place.read(manager) == "old"


@pytest.mark.parametrize("part", ["created_at", "updated_at"])
def test_surrogates_in_times_are_refused(manager: Manager, part: str) -> None:
    """A lone surrogate is refused with a `ValueError` wherever it stands in a record, and nothing is written."""
    broken_agent, broken_message = agent("b"), said(0)
    broken_session = Session("broken", SessionType.AGENT, EARLY, LATE)
    for record in (broken_agent, broken_message, broken_session):
        setattr(record, part, "\ud800")

    for write in (
        lambda: manager.create_agent("s", broken_agent),
        lambda: manager.create_message("s", "a", broken_message),
        lambda: manager.create_session(broken_session),
    ):
        with pytest.raises(ValueError, match="surrogate"):
            write()
    assert manager.read_agent("s", "b") is None
    assert manager.list_messages("s", "a") == []
    assert manager.read_session("broken") is None

"""The places where a caller's value can be stored, each with a way to write it, to replace it and to read it.

Messages go to the agent `a`, which must exist.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, cast

import pytest
from strands.types.content import Message
from strands.types.session import SessionAgent, SessionMessage

from .backends import Manager
from .samples import EARLY, crew, exact, said


@dataclass(frozen=True)
class Place:
    """One place for a value, below the session `s`."""

    name: str
    create: Callable[[Manager, Any], None]
    update: Callable[[Manager, Any], None]
    read: Callable[[Manager], Any]


def _message(value: object) -> SessionMessage:
    return said(0, value=value)


def _redaction(value: object) -> SessionMessage:
    redaction = cast("Message", {"role": "user", "content": [], "value": value})
    return SessionMessage(said(0).message, 0, redaction, EARLY, EARLY)


def _state(value: object) -> SessionAgent:
    return SessionAgent("v", {"value": value}, {}, {}, EARLY, EARLY)


def _manager_state(value: object) -> SessionAgent:
    return SessionAgent("v", {}, {"value": value}, {}, EARLY, EARLY)


def _internal_state(value: object) -> SessionAgent:
    return SessionAgent("v", {}, {}, {"value": value}, EARLY, EARLY)


def _in_message(name: str, build: Callable[[object], SessionMessage], part: str) -> Place:
    def read(manager: Manager) -> object:
        found = manager.read_message("s", "a", 0)
        return None if found is None else getattr(found, part)["value"]

    return Place(
        name,
        lambda manager, value: manager.create_message("s", "a", build(value)),
        lambda manager, value: manager.update_message("s", "a", build(value)),
        read,
    )


def _in_agent(name: str, build: Callable[[object], SessionAgent]) -> Place:
    def read(manager: Manager) -> object:
        found = manager.read_agent("s", "v")
        return None if found is None else getattr(found, name)["value"]

    return Place(
        name,
        lambda manager, value: manager.create_agent("s", build(value)),
        lambda manager, value: manager.update_agent("s", build(value)),
        read,
    )


def _read_crew(manager: Manager) -> object:
    found = manager.read_multi_agent("s", "m")
    return None if found is None else found["value"]


IN_RECORDS = (
    _in_message("message", _message, "message"),
    _in_message("redact_message", _redaction, "redact_message"),
    _in_agent("state", _state),
    _in_agent("conversation_manager_state", _manager_state),
    _in_agent("_internal_state", _internal_state),
)
"""Messages and agents: the SDK encodes and decodes bytes in them."""

IN_CREWS = (
    Place(
        "multi_agent",
        lambda manager, value: manager.create_multi_agent("s", crew("m", {"value": value})),
        lambda manager, value: manager.update_multi_agent("s", crew("m", {"value": value})),
        _read_crew,
    ),
)
"""Multi-agents: the state is JSON as it stands."""

PLACES = IN_RECORDS + IN_CREWS


def on_backends(places: tuple[Place, ...]) -> pytest.MarkDecorator:
    """Run a test in each place of each backend; S3 is slow, and one place of each kind of record will do there."""
    cases = [
        pytest.param(name, place, id=f"{name}-{place.name}")
        for name in ("sqlite", "file", "s3")
        for place in places
        if name != "s3" or place.name in {"message", "state", "multi_agent"}
    ]
    return pytest.mark.parametrize(("backend", "place"), cases, indirect=["backend"])


in_each_place = on_backends(PLACES)
in_each_record = on_backends(IN_RECORDS)


def changed(place: Place, manager: Manager, expected: dict[str, Any]) -> dict[str, str]:
    """Return which of the expected values are not what is stored, and what is stored instead."""
    found = place.read(manager)
    assert list(found) == list(expected)
    return {name: exact(found[name])[:200] for name in expected if exact(found[name]) != exact(expected[name])}

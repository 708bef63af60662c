"""Every text with which the contracts let a test fail, or skip one; what was wished for stands beside each test."""

from __future__ import annotations

_QUOTED = 2000
"""So much of a value stands in a text at most."""


def broken(whom: str, wish: str, found: str, promise: str) -> str:
    """Say that a promise is broken."""
    return f"{whom} was expected to {wish}\n  {found}\n  promise:  {promise}"


def differs(expected: object, found: object) -> str:
    """Say what was expected, and what was found."""
    return f"expected: {_short(expected)}\n  found:    {_short(found)}"


def accepted(errors: str) -> str:
    """Say that something should have been refused."""
    return f"expected: {errors}\n  found:    accepted"


def refused_otherwise(errors: str, error: BaseException) -> str:
    """Say that something was refused with another error."""
    return f"expected: {errors}\n  raised:   {error!r}"


def grows(name: str, early: int, late: int) -> str:
    """Say that an append costs more than it did."""
    return f"expected: about {early} {name} each\n  found:    {late} {name} each"


def not_claimed(name: str, meaning: str) -> str:
    """Say why a test is skipped."""
    return f"not claimed: {name} ({meaning})"


def cannot_fork() -> str:
    """Say why a test of other processes is skipped."""
    return "other processes are forked, which this system cannot"


def wrong_capability(who: str, capability: object, kind: str) -> str:
    """Say that a class claims what its contract does not know."""
    return f"{who}.capabilities: {capability!r} is no {kind}"


def unknown_deviation(who: str, name: str) -> str:
    """Say that a known deviation names no test."""
    return f"{who}.known_deviations: there is no test {name}"


def not_overridden(who: str, method: str) -> str:
    """Say that a suite lacks what only its author can give."""
    return f"{who} must define {method}: see the documentation of its contract"


def in_another_process(error: str) -> str:
    """Say what another process met."""
    return f"in another process:\n{error}"


def said_nothing(seconds: float) -> str:
    """Say that another process hangs."""
    return f"the other process said nothing for {seconds:g} s"


def has_ended() -> str:
    """Say that the process that forks workers is gone."""
    return "the other process has ended"


def ended_early() -> str:
    """Say that a process that was to be killed came to its end."""
    return "the other process ended before it was killed"


def inside_a_function(qualname: str) -> str:
    """Say why another process cannot import a class."""
    return f"{qualname} stands inside a function: another process can only import what stands in a module"


def not_importable(module: str) -> str:
    """Say that another process does not find a module."""
    return f"another process cannot import {module}"


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= _QUOTED else f"{text[: _QUOTED // 2]} … {text[-_QUOTED // 2 :]}"

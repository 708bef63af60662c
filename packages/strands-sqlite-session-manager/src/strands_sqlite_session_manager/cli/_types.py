"""What the arguments of commands may be."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

import click

from ._settings import Settings
from ._text import one_line
from ._values import parse_duration, parse_moment, parse_size

if TYPE_CHECKING:
    from click.shell_completion import CompletionItem

_OFFERED = 500
"""So many sessions are looked at to complete an id."""


class _Parsed(click.ParamType):  # type: ignore[type-arg]  # generic in new releases only
    """A value that a function makes of the text; its `ValueError` is a mistake on the command line."""

    def __init__(self, name: str, parse: Callable[[str], Any], ready: type) -> None:
        self.name = name
        self._parse = parse
        self._ready = ready

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the value that the text stands for."""
        if isinstance(value, self._ready):
            return value
        try:
            return self._parse(value)
        except ValueError as error:
            self.fail(str(error), param, ctx)


def _pair(text: str) -> tuple[str, Any]:
    key, equals, value = text.partition("=")
    if not key or not equals:
        message = f"{text!r} is no pair: write KEY=VALUE"
        raise ValueError(message)
    try:
        return key, json.loads(value)
    except ValueError:
        return key, value


class _Session(click.ParamType):  # type: ignore[type-arg]  # generic in new releases only
    """The id of a session, which a shell can complete."""

    name = "session"

    def shell_complete(self, ctx: click.Context, param: click.Parameter, incomplete: str) -> list[CompletionItem]:
        """Return the sessions that begin with what is there, the newest first."""
        from click.shell_completion import CompletionItem  # noqa: PLC0415 - only shells ask

        try:
            with ctx.ensure_object(Settings).reading() as store:
                page = store.list_sessions(limit=_OFFERED)
        except (Exception, SystemExit):  # noqa: BLE001 - a shell that completes shows no errors
            return []
        return [
            CompletionItem(session.session_id, help=one_line(session.title or session.preview))
            for session in page.sessions
            if session.session_id.startswith(incomplete)
        ]


DURATION = _Parsed("duration", parse_duration, timedelta)
MOMENT = _Parsed("time", lambda text: parse_moment(text, datetime.now(timezone.utc)), datetime)
PAIR = _Parsed("key=value", _pair, tuple)
SESSION = _Session()
SIZE = _Parsed("size", parse_size, int)

"""Sizes, times and durations, as people write and read them; pure."""

from __future__ import annotations

import re
from datetime import datetime, timedelta, timezone

_SECONDS = {"s": 1, "m": 60, "h": 3600, "d": 86400, "w": 604800, "y": 31_536_000}
_DURATION = re.compile(r"(?:\d+(?:\.\d+)?[smhdwy])+")
_DURATION_PART = re.compile(r"(\d+(?:\.\d+)?)([smhdwy])")
_MONTHS = re.compile(r"(?:\d+(?:\.\d+)?[smhdwyM])+")
"""A duration with an `M`, where none without it was found: months for some, and minutes for others."""
_SIZE = re.compile(r"(\d+(?:\.\d+)?)\s*([kmgt]?)(i?)b?")
_POWERS = {"": 0, "k": 1, "m": 2, "g": 3, "t": 4}


def parse_duration(text: str) -> timedelta:
    """Return what `30d`, `12h` or `1w2d` means: s, m(inutes), h, d, w and y of 365 days.

    Raises:
        ValueError: It means nothing, or, with an `M`, months to some and minutes to others.
    """
    text = text.strip()
    if not _DURATION.fullmatch(text):
        if _MONTHS.fullmatch(text):
            message = f"{text!r} is no duration: m is minutes; write months in days, six of them as 180d"
            raise ValueError(message)
        message = f"{text!r} is no duration: write 90s, 15m, 12h, 30d, 2w or 1y"
        raise ValueError(message)
    try:
        return timedelta(seconds=sum(float(number) * _SECONDS[unit] for number, unit in _DURATION_PART.findall(text)))
    except OverflowError as error:
        message = f"{text!r} is longer than a duration can be"
        raise ValueError(message) from error


def parse_size(text: str) -> int:
    """Return how many bytes `5GB`, `500 kB` (powers of 1000), `2GiB` (powers of 1024) or `4096` are.

    Raises:
        ValueError: It is no size.
    """
    match = _SIZE.fullmatch(text.strip().lower())
    if match is None or (match[3] and not match[2]):
        message = f"{text!r} is no size: write 4096, 500kB, 5GB or 2GiB"
        raise ValueError(message)
    return int(float(match[1]) * (1024 if match[3] else 1000) ** _POWERS[match[2]])


def parse_moment(text: str, now: datetime) -> datetime:
    """Return the moment that an ISO 8601 date or time names, or that was a duration before `now`.

    Without an offset it is the time of this machine.

    Raises:
        ValueError: It is neither.
    """
    text = text.strip()
    if _MONTHS.fullmatch(text) and not _DURATION.fullmatch(text):
        parse_duration(text)  # it says what is meant
    try:
        if _DURATION.fullmatch(text):
            return now - parse_duration(text)
        return datetime.fromisoformat(re.sub("[zZ]$", "+00:00", text)).astimezone(timezone.utc)
    except (ValueError, OverflowError) as error:
        message = f"{text!r} is no time: write 2026-11-22, 2026-11-22T14:00, or 2d for two days ago"
        raise ValueError(message) from error


def size(count: int | None) -> str:
    """Return a number of bytes for people, such as `12.3 kB`."""
    if count is None:
        return ""
    value, unit = float(count), "B"
    for unit in ("B", "kB", "MB", "GB", "TB"):
        if value < 999.5 or unit == "TB":  # noqa: PLR2004 - it would be written as 1000
            break
        value /= 1000
    return f"{count} B" if unit == "B" else f"{value:.3g} {unit}"


def number(count: int | None) -> str:
    """Return a count with its thousands apart; nothing for None."""
    return "" if count is None else f"{count:,}"


def count(amount: int, what: str) -> str:
    """Return `1 message`, `2 messages`."""
    return f"{amount:,} {what}" if amount == 1 else f"{amount:,} {what}s"


def milliseconds(duration: float | None) -> str:
    """Return a latency for people: `320 ms`, `1.4 s`."""
    if duration is None:
        return ""
    return f"{duration:.0f} ms" if duration < 1000 else f"{duration / 1000:.1f} s"  # noqa: PLR2004 - a second


def local(stored: str) -> datetime | None:
    """Return a stored time in the zone of this machine; None where it is no time."""
    moment = utc(stored)
    return None if moment is None else moment.astimezone()


def utc(stored: str) -> datetime | None:
    """Return a stored time; None where it is no time."""
    try:
        moment = datetime.fromisoformat(re.sub("[zZ]$", "+00:00", stored))
    except ValueError:
        return None
    return moment.replace(tzinfo=timezone.utc) if moment.tzinfo is None else moment.astimezone(timezone.utc)


def minute(stored: str) -> str:
    """Return a stored time as local date and minute."""
    moment = local(stored)
    return stored if moment is None else f"{moment:%Y-%m-%d %H:%M}"

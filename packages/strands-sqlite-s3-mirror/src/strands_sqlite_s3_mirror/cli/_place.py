"""Where in S3 a mirror is: the options that say so, and how it is opened."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import click

from strands_sqlite_session_manager.cli._settings import Settings

if TYPE_CHECKING:
    from strands_sqlite_s3_mirror._bucket import Bucket
    from strands_sqlite_s3_mirror._places import Places
    from strands_sqlite_s3_mirror.mirror import S3Mirror

_OPTIONS = {
    "bucket": ("NAME", "The bucket."),
    "prefix": ("PREFIX", "What all keys begin with; nothing, unless told."),
    "endpoint_url": ("URL", "Where S3 is, if not at AWS."),
    "region": ("REGION", "The region of the bucket; without it, boto3 knows."),
    "profile": ("NAME", "Whose credentials: a profile of the AWS configuration; without it, boto3 finds some."),
}


@dataclass(frozen=True)
class Place:
    """A place in S3.

    Attributes:
        bucket: The bucket.
        prefix: What all keys begin with.
        endpoint_url: Where S3 is, if not at AWS.
        region: The region of the bucket.
        profile: Of the AWS configuration.
    """

    bucket: str
    prefix: str
    endpoint_url: str | None
    region: str | None
    profile: str | None

    @property
    def url(self) -> str:
        """The place, for people."""
        return f"s3://{self.bucket}/{self.prefix.strip('/')}".rstrip("/")

    @contextmanager
    def looked_at(self) -> Iterator[tuple[Bucket, Places]]:
        """Open it without a database."""
        from strands_sqlite_s3_mirror._bucket import Bucket  # noqa: PLC0415 - --help has no use for boto3
        from strands_sqlite_s3_mirror._places import Places  # noqa: PLC0415 - as above

        places = Places(self.prefix)
        bucket = Bucket(self.bucket, **self._options())
        try:
            yield bucket, places
        finally:
            bucket.close()

    @contextmanager
    def mirror(self, settings: Settings, *, create: bool = False) -> Iterator[S3Mirror]:
        """Open it with the database; only with `create` does a new one appear."""
        if not create:
            settings.require_database()
        from strands_sqlite_s3_mirror.mirror import S3Mirror  # noqa: PLC0415 - --help has no use for boto3

        with S3Mirror(settings.db_path, self.bucket, self.prefix, **self._options()) as opened:
            yield opened

    def _options(self) -> dict[str, Any]:
        """Return what it is opened with; a profile that is named wins over what boto3 would find."""
        from strands_sqlite_s3_mirror._client import session_of  # noqa: PLC0415 - --help has no use for boto3

        session = None if self.profile is None else session_of(self.profile, self.region)
        return {"boto_session": session, "endpoint_url": self.endpoint_url, "region_name": self.region}


def at_place(function: Callable[..., Any]) -> Callable[..., Any]:
    """Add the options that name a place to a command; the function gets it as `place`."""

    def run(*arguments: Any, **asked: Any) -> Any:
        place = Place(*(asked.pop(name) for name in _OPTIONS))
        return function(*arguments, place=place, **asked)

    run.__doc__ = function.__doc__
    run.__click_params__ = [*getattr(function, "__click_params__", []), *map(_option, reversed(_OPTIONS))]  # type: ignore[attr-defined]  # click looks there
    return run


def _option(name: str) -> click.Option:
    metavar, text = _OPTIONS[name]
    given: dict[str, Any] = {"bucket": {"required": True}, "prefix": {"default": ""}}
    return click.Option(
        [f"--{name.replace('_', '-')}"],
        metavar=metavar,
        envvar=f"STRANDS_SQLITE_S3_{name.upper()}",
        show_envvar=True,
        help=text,
        **given.get(name, {}),
    )

"""The command `strands-sqlite mirror`, with its subcommands."""

from __future__ import annotations

import click

from ._loading import import_, restore
from ._looking import compare, list_, verify
from ._pushing import follow, push
from ._removing import prune, redact

__all__ = ["mirror"]


class _InOurOrder(click.Group):
    """Tells its commands in the order in which they are used."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names of the commands."""
        return list(self.commands)


@click.group("mirror", cls=_InOurOrder)
def mirror() -> None:
    """Keep sessions in S3: each release's, a live copy, and the way back."""


for _command in (push, follow, list_, verify, compare, restore, import_, prune, redact):
    mirror.add_command(_command)

"""Defects to be planted into a process of writers, each of which readers must notice."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from typing import Any

import pytest

from strands_sqlite_session_manager import _blobs
from strands_sqlite_session_manager._requests import Request
from strands_sqlite_session_manager._writer import Writer


def _acknowledge_early(patch: pytest.MonkeyPatch) -> None:
    """Tell those who await a write that it is done, a moment before it is."""

    def submit(writer: Writer, operation: Any, options: Any, loop: asyncio.AbstractEventLoop) -> asyncio.Future[None]:
        future = loop.create_future()
        future.set_result(None)
        threading.Timer(0.003, writer.run, (operation, options)).start()
        return future

    patch.setattr(Writer, "submit", submit)


def _swap_results(patch: pytest.MonkeyPatch) -> None:
    """Give those who are committed together each the error of the next."""
    together = Writer._commit_together

    def commit(writer: Writer, group: list[Request]) -> None:
        together(writer, group)
        errors = [request.error for request in group]
        for request, error in zip(group, errors[1:] + errors[:1], strict=True):
            request.error = error

    patch.setattr(Writer, "_commit_together", commit)


def _free_too_early(patch: pytest.MonkeyPatch) -> None:
    """Give the bytes of an attachment up with the first message that no longer has them, not with the last."""

    def free(connection: Any, blobs: list[tuple[int]]) -> None:
        for (blob_id,) in blobs:
            connection.run("UPDATE blobs SET content = x'' WHERE blob_id = ?", (blob_id,))

    patch.setattr(_blobs, "free", free)


PLANTS: dict[str, Callable[[pytest.MonkeyPatch], None]] = {
    "acknowledged before the commit": _acknowledge_early,
    "results of a group swapped": _swap_results,
    "attachments freed too early": _free_too_early,
}

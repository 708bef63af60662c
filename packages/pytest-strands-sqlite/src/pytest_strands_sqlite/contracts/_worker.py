"""The program that forks workers: it has no threads, has imported the SDK, and reads orders, a list a line."""

from __future__ import annotations

import importlib
import importlib.util
import json
import os
import sys
import traceback
from pathlib import Path
from typing import Any

import strands.session
import strands.storage  # noqa: F401 - once here, and not in each worker; so are the suites

from . import _failures, _manager, _repository, _storage  # noqa: F401
from ._tasks import TASKS, Report


def serve() -> None:
    """Fork a worker for each order and report each end, until there are no more orders."""
    reports = os.dup(1)
    os.dup2(2, 1)  # what the code under test prints is no report

    def report(**values: Any) -> None:
        os.write(reports, json.dumps({"worker": os.getpid(), **values}).encode() + b"\n")

    for line in sys.stdin:
        orders = json.loads(line)
        workers = [pid for order in orders if (pid := _start(order, report))]
        for _ in workers:
            pid, status = os.wait()
            os.write(reports, json.dumps({"exit": status, "worker": pid}).encode() + b"\n")


def _start(order: dict[str, Any], report: Report) -> int:
    """Fork; in the worker, do what was ordered and end."""
    if pid := os.fork():
        return pid
    try:
        suite = load(**order.pop("factory"))()
        TASKS[order.pop("task")](suite, Path(order.pop("place")), report, **order)
    except BaseException:  # noqa: BLE001 - it is reported, and the worker ends in any case
        report(error=traceback.format_exc()[-3000:])
        os._exit(1)
    os._exit(0)


def load(module: str, file: str | None, qualname: str) -> Any:
    """Import the class of a suite, as this process can: by the name of its module, else from its file.

    Raises:
        ImportError: The class stands inside a function, or its module cannot be found.
    """
    if "<locals>" in qualname:
        raise ImportError(_failures.inside_a_function(qualname))
    found: Any = _load_module(module, file)
    for name in qualname.split("."):
        found = getattr(found, name)
    return found


def _load_module(name: str, file: str | None) -> object:
    try:
        found = importlib.import_module(name)
    except ImportError:
        found = None
    if found is not None and (file is None or getattr(found, "__file__", None) == file):
        return found
    spec = importlib.util.spec_from_file_location(name, file) if file is not None else None
    if spec is None or spec.loader is None:
        raise ImportError(_failures.not_importable(name))
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    return module

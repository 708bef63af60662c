"""What the contract suites have in common: a place for each test, who opens it, and how a broken promise is told."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar, Generic, TypeVar

import pytest

from . import _failures, _measures
from ._capabilities import Capability, needed_by
from ._processes import Workers, workers_of
from ._report import BASE, OPTIONAL, PROPERTY, UNCLAIMED

_Subject = TypeVar("_Subject")


class BrokenPromiseError(AssertionError):
    """A contract is not kept; the message says what was expected of whom, and what was found."""

    __module__ = "pytest_strands_sqlite.contracts"


class Contract(Generic[_Subject]):
    """The base of the contract suites; subclass one of them, not this.

    Attributes:
        capabilities: What is promised beyond what everyone must: the tests of these run too.
        known_deviations: Names of tests that are known to fail, each with the reason. They still run, and must fail.
    """

    capabilities: ClassVar[frozenset[Capability]] = frozenset()
    known_deviations: ClassVar[Mapping[str, str]] = {}
    kind: ClassVar[type[Capability]]

    def __init_subclass__(cls) -> None:
        """Check what the class declares.

        Raises:
            TypeError: A capability is of another contract, or a known deviation names no test.
        """
        super().__init_subclass__()
        for capability in cls.capabilities:
            if not isinstance(capability, cls.kind):
                raise TypeError(_failures.wrong_capability(cls.__name__, capability, cls.kind.__name__))
        for name in cls.known_deviations:
            if not hasattr(cls, name):
                raise TypeError(_failures.unknown_deviation(cls.__name__, name))

    _opened: list[_Subject]
    _request: pytest.FixtureRequest

    def close(self, subject: _Subject) -> None:
        """Let go of what a test opened; override it where this is not what `close()` does."""
        close = getattr(subject, "close", None)
        if callable(close):
            close()

    def cost(self, place: Path) -> Mapping[str, int]:
        """Return counters of what has been written so far; override it to count requests, say.

        Each counter must only grow. As it stands: the bytes that this process has written to files (on Linux), the
        bytes that are stored below `place`, and the files there.
        """
        return _measures.written(place)

    @pytest.fixture
    def place(self, tmp_path: Path) -> Path:
        """A fresh folder for each test: what is opened twice with it is the same place."""
        folder = tmp_path / "place"
        folder.mkdir()
        return folder

    @pytest.fixture(autouse=True)
    def _contract(self, request: pytest.FixtureRequest) -> Iterator[None]:
        """Run the test if it belongs to what is claimed; note what it is for the summary; close what it opened."""
        self._opened, self._request = [], request
        needed = needed_by(getattr(request, "function", None))
        unclaimed = [capability for capability in needed if capability not in self.capabilities]
        if unclaimed:
            self._note(UNCLAIMED, unclaimed[0].name)
            pytest.skip(_failures.not_claimed(unclaimed[0].name, unclaimed[0].value))
        self._note(OPTIONAL if needed else BASE, needed[0].name if needed else "")
        name = getattr(request.node, "originalname", request.node.name)
        if name in self.known_deviations:
            request.applymarker(pytest.mark.xfail(reason=self.known_deviations[name], strict=True))
        yield
        self._close_all()

    def _note(self, kind: str, name: str) -> None:
        self._request.node.user_properties.append((PROPERTY, [type(self).__name__, kind, name]))

    def _keep(self, subject: _Subject) -> _Subject:
        self._opened.append(subject)
        return subject

    def _close_all(self) -> None:
        while self._opened:
            self.close(self._opened.pop())

    @property
    def _workers(self) -> Workers:
        return workers_of(self._request.config)

    @property
    def _factory(self) -> dict[str, Any]:
        """Where another process finds this class."""
        own = type(self)
        module = sys.modules[own.__module__]
        return {"module": own.__module__, "file": getattr(module, "__file__", None), "qualname": own.__qualname__}

    def _broken(self, wish: str, found: str) -> BrokenPromiseError:
        whom = type(self._opened[-1]).__name__ if self._opened else type(self).__name__
        promise = (self._request.function.__doc__ or "").strip().splitlines()[0]
        return BrokenPromiseError(_failures.broken(whom, wish, found, promise))

    def _expect(self, wish: str, found: object, expected: object) -> None:
        """Fail unless `found` is what was wished for."""
        __tracebackhide__ = True
        if found != expected:
            raise self._broken(wish, _failures.differs(expected, found))

    @contextmanager
    def _refused(self, wish: str, *errors: type[BaseException]) -> Iterator[None]:
        """Fail unless the block raises one of the errors."""
        __tracebackhide__ = True
        names = " or ".join(error.__name__ for error in errors)
        try:
            yield
        except errors:
            return
        except Exception as error:
            raise self._broken(wish, _failures.refused_otherwise(names, error)) from error
        raise self._broken(wish, _failures.accepted(names))

    def _expect_steady(self, wish: str, place: Path, append: Callable[[int], object]) -> None:
        """Fail unless appending costs the same with a short and with a long conversation."""
        __tracebackhide__ = True
        early, late = _measures.early_and_late(lambda: self.cost(place), append)
        for name, before in early.items():
            if late[name] > _measures.bound(name, before):
                raise self._broken(wish, _failures.grows(name, before, late[name]))


def not_overridden(owner: object, name: str) -> NotImplementedError:
    """Say that a suite lacks what only its author can give."""
    return NotImplementedError(_failures.not_overridden(type(owner).__name__, name))

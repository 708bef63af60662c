"""Whatever JSON can hold comes back as it was, wherever it stands in a record."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, cast

from strands.session.session_repository import SessionRepository
from strands.types.content import Message
from strands.types.session import SessionAgent, SessionMessage

from pytest_strands_sqlite.contracts._capabilities import RepositoryCapability, needs
from pytest_strands_sqlite.contracts._records import EARLY, agent, exact, nested, said

from ._base import RepositorySection

_PLAIN: dict[str, object] = {
    "none": None,
    "booleans": [True, False, 1, 0],
    "floats": [0.0, -0.0, 1.0, 0.1, 1e22, 1.5e300, 5e-324],
    "integers": [2**31, 2**53 + 1, 2**63 - 1, -(2**63)],
    "empty": ["", [], {}, [[]], {"": ""}],
    "unicode": "é e\u0301 ß 日本語 🙂👩‍👩‍👧 \u200b\u2028\u2029\ufeff",
    "quotes": ['"', "\\", "'", "\\u0000", "\\ud800", "</script>", "%s", "?1", "$.a", "'; DROP TABLE messages; --"],
    "long": "x" * 40_000,
    "key order": {"z": 1, "a": 2, "M": {"2": 0, "10": 0, "1": 0}},
    "odd keys": {"": 1, " ": 2, "a.b": 3, "$": 4, "[0]": 5, '"': 6, "🙂": 7},
    "nested": nested(100),
    "wide": {str(number): [number] for number in range(300)},
}
_ODD: dict[str, object] = {
    "no number": [float("nan"), float("inf"), float("-inf")],
    "beyond 64 bits": [2**63, -(2**63) - 1, 10**400, -(10**4200)],
    "controls": "".join(map(chr, range(32))) + "\x7f\x80\x9f\uffff\U0010ffff",
    "nul": ["\0", "a\0b", {"k\0": "\0"}],
    "deep": nested(350),
}
_BYTES: dict[str, bytes] = {
    "empty": b"",
    "one": b"\0",
    "all": bytes(range(256)),
    "large": bytes(range(256)) * 256,
    "like text": b'{"__bytes_encoded__": true, "data": "eA=="}',
}
_NO_BYTES: dict[str, object] = {
    "no data": {"__bytes_encoded__": True},
    "false": {"__bytes_encoded__": False, "data": "aGVsbG8="},
    "one": {"__bytes_encoded__": 1, "data": "aGVsbG8="},
    "text": '{"__bytes_encoded__":true,"data":"aGVsbG8="}',
    "key": {'"__bytes_encoded__":': 1},
}
"""What resembles the form in which the SDK writes bytes as JSON."""


class Values(RepositorySection):
    """Values: in messages, in what replaces them, and in the three states of an agent."""

    def test_json_values_come_back_exactly(self, place: Path) -> None:
        """Numbers, text, lists and dicts come back with their types and in their order, in every field that has any."""
        self._check_values(place, _PLAIN)

    @needs(RepositoryCapability.ANY_JSON)
    def test_odd_json_values_come_back_exactly(self, place: Path) -> None:
        """What Python's JSON knows beyond the standard comes back: NaN, NUL, integers of any length, deep nesting."""
        self._check_values(place, _ODD)

    @needs(RepositoryCapability.BYTES)
    def test_bytes_come_back_at_any_depth(self, place: Path) -> None:
        """Bytes are read as bytes, small and large ones: as a value, in lists and dicts, several times, far down."""
        self._check_values(
            place, {name: {"list": [data, [data]], "far down": nested(40, data)} for name, data in _BYTES.items()}
        )

    @needs(RepositoryCapability.BYTES)
    def test_images_and_documents_come_back(self, place: Path) -> None:
        """Content blocks with bytes, as the SDK builds them, come back beside text and in the results of tools."""
        image = {"image": {"format": "png", "source": {"bytes": b"\x89PNG\r\n" + _BYTES["large"]}}}
        document = {"document": {"format": "pdf", "name": "d", "source": {"bytes": b"%PDF\0"}}}
        result = {"toolResult": {"toolUseId": "1", "status": "success", "content": [{"text": "see"}, image, document]}}
        record = said(0, content=[{"text": "look"}, image, document, result])
        self._with_agent(place).create_message("s", "a", record)

        found = self._reopened(place).list_messages("s", "a")

        self._expect("list the message as it was stored", found, [record])

    @needs(RepositoryCapability.BYTES)
    def test_what_only_looks_like_bytes_stays_as_it_is(self, place: Path) -> None:
        """A dict or a text that resembles the SDK's form for bytes, and is none, comes back as it was."""
        self._check_values(place, _NO_BYTES)

    def test_a_value_that_is_no_json_is_refused(self, place: Path) -> None:
        """What JSON cannot hold is a `TypeError` in a message or an agent; nothing is written, the old value stays."""
        repository = self._with_agent(place)
        repository.create_message("s", "a", said(0, value="old"))
        before = repository.read_agent("s", "a"), repository.read_message("s", "a", 0)

        for value in (object(), {1}, [{"deep": [1, object()]}]):
            with self._refused("refuse an agent that JSON cannot hold", TypeError):
                repository.create_agent("s", agent("b", value=value))
            with self._refused("refuse an update of an agent that JSON cannot hold", TypeError):
                repository.update_agent("s", agent("a", value=value))
            with self._refused("refuse a message that JSON cannot hold", TypeError):
                repository.create_message("s", "a", said(1, value=value))
            with self._refused("refuse an update of a message that JSON cannot hold", TypeError):
                repository.update_message("s", "a", said(0, value=value))

        after = repository.read_agent("s", "a"), repository.read_message("s", "a", 0)
        self._expect("keep the old values", after, before)
        self._expect("write no agent", repository.read_agent("s", "b"), None)
        self._expect("write no message", repository.read_message("s", "a", 1), None)

    def test_a_record_belongs_to_its_caller(self, place: Path) -> None:
        """Later changes to an object that was given or read change nothing that is stored."""
        repository = self._handle(place)
        record, message = agent("a", items=[1]), said(0, "stored")
        self._add_agent(repository, "s")
        repository.update_agent("s", record)
        repository.create_message("s", "a", message)
        record.state["items"].append(2)
        message.message["content"].append({"text": "later"})
        for read in (repository.read_message("s", "a", 0), *repository.list_messages("s", "a")):
            if read is not None:
                read.message["content"].append({"text": "later"})
        if (seen := repository.read_agent("s", "a")) is not None:
            seen.state["items"].append(3)

        found = repository.read_agent("s", "a")
        self._expect("keep its own copy of a message", repository.read_message("s", "a", 0), said(0, "stored"))
        self._expect("keep its own copy of an agent", found and found.state, {"items": [1]})

    def _check_values(self, place: Path, values: Mapping[str, Any]) -> None:
        """Fail unless values come back from every field, where they were new and where they replace others."""
        __tracebackhide__ = True
        repository = self._with_agent(place)
        for field, old in (("v", None), ("w", "old")):
            message, record = _records(field, values if old is None else old)
            repository.create_message("s", "a", message)
            repository.create_agent("s", record)
            if old is not None:
                message, record = _records(field, values)
                repository.update_message("s", "a", message)
                repository.update_agent("s", record)
        found = self._reopened(place)
        for field in ("v", "w"):
            for name, held in _held(found, field).items():
                changed = {key: held.get(key) for key in values if exact(held.get(key)) != exact(values[key])}
                self._expect(f"give back every value of {name}", changed, {})
                self._expect(f"keep the order of {name}", list(held), list(values))


def _records(name: str, value: object) -> tuple[SessionMessage, SessionAgent]:
    """Return a message and an agent that hold a value wherever they can."""
    instead = cast("Message", {"role": "user", "content": [], "value": value})
    message = SessionMessage(said(0, value=value).message, "vw".index(name), instead, EARLY, EARLY)
    return message, SessionAgent(name, {"value": value}, {"value": value}, {"value": value}, EARLY, EARLY)


def _held(repository: SessionRepository, name: str) -> dict[str, Any]:
    """Return what the fields of these records hold."""
    message, record = repository.read_message("s", "a", "vw".index(name)), repository.read_agent("s", name)
    fields: dict[str, Any] = {
        "a message": message and message.message,
        "what replaces a message": message and message.redact_message,
        "an agent's state": record and record.state,
        "the state of its conversation manager": record and record.conversation_manager_state,
        "its internal state": record and record._internal_state,  # noqa: SLF001 - the SDK's name of a field
    }
    return {field: (held or {"value": {}})["value"] for field, held in fields.items()}

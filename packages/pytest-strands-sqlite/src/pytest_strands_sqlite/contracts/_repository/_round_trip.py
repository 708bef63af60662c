"""What was stored is what is read, here and by whoever opens the place next."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from strands.types.content import Message
from strands.types.exceptions import SessionException
from strands.types.session import Session, SessionAgent, SessionMessage, SessionType

from pytest_strands_sqlite.contracts._capabilities import RepositoryCapability, needs
from pytest_strands_sqlite.contracts._records import EARLY, LATE, agent, crew, exact, said, session, texts

from ._base import RepositorySection

_BLOB = bytes(range(256)) * 40


@dataclass
class _NewerMessage(SessionMessage):
    of_a_newer_sdk: str = "kept"


class RoundTrip(RepositorySection):
    """Round trip: exactly what was stored, and `None` for what was not."""

    def test_a_session_comes_back(self, place: Path) -> None:
        """`create_session` returns the object it was given, and later readers get the same type and times."""
        new = Session("s", SessionType.AGENT, EARLY, LATE)
        repository = self._handle(place)

        self._expect("return the session that it was given", repository.create_session(new), new)

        again = Session("s", SessionType.AGENT, EARLY, LATE)
        self._expect("read the session as it was stored", self._reopened(place).read_session("s"), again)

    def test_an_existing_session_is_refused(self, place: Path) -> None:
        """A second `create_session` with an id raises `SessionException`, and the stored session stays."""
        repository = self._handle(place)
        repository.create_session(session("s"))

        with self._refused("refuse a second session of the same id", SessionException):
            repository.create_session(Session("s", SessionType.AGENT, LATE, LATE))

        self._expect("keep the first session", repository.read_session("s"), session("s"))

    def test_an_agent_comes_back(self, place: Path) -> None:
        """States, times and the order of keys of an agent are read as they were stored."""
        record = SessionAgent("a", {"z": [1, None, {"ä": 2.5}], "b": True}, {"n": 3}, {"i": {}}, EARLY, LATE)
        repository = self._handle(place)
        repository.create_session(session("s"))
        repository.create_agent("s", record)

        found = self._reopened(place).read_agent("s", "a")

        self._expect("read the agent as it was stored", exact(vars(found) if found else None), exact(vars(record)))

    def test_every_message_comes_back(self, place: Path) -> None:
        """Each appended message is there when the place is opened again, once, and in order."""
        words = [f"message {number}" for number in range(8)]
        self._add_texts(self._with_agent(place), *words)

        found = texts(self._reopened(place).list_messages("s", "a"))

        self._expect("list every message that was appended", found, words)

    def test_the_last_write_is_there_after_reopening(self, place: Path) -> None:
        """A call that returned has stored: nothing waits for the next call, or for a close that may not come."""
        repository = self._with_agent(place)
        self._add_texts(repository, "first", "last")

        found = texts(self._handle(place).list_messages("s", "a"))

        self._expect("show the last message to whoever opens the place now", found[-1:], ["last"])

    def test_a_message_comes_back_exactly(self, place: Path) -> None:
        """Blocks, roles, further keys and any text of a message are read as they were stored, and so are its times."""
        text = "naïve \u2028 \U0001f375 \x01 '; -- \\ \" <&> \n\t"
        blocks: list[Any] = [
            {"text": text},
            {"toolUse": {"toolUseId": "t", "name": "find", "input": {"b": [1.5, None, True], "a": {}}}},
            {"reasoningContent": {"reasoningText": {"text": "so", "signature": "x"}}},
        ]
        message = cast("Message", {"role": "assistant", "content": blocks, "metadata": {"usage": {"inputTokens": 3}}})
        repository = self._with_agent(place)
        repository.create_message("s", "a", SessionMessage(message, 0, None, EARLY, LATE))

        found = self._reopened(place).read_message("s", "a", 0)

        self._expect("read the message as it was stored", exact(found.message if found else None), exact(message))
        self._expect("keep its times", (found.created_at, found.updated_at) if found else None, (EARLY, LATE))

    def test_a_listed_message_is_the_one_that_is_read(self, place: Path) -> None:
        """`list_messages` and `read_message` give the same record."""
        repository = self._with_agent(place)
        repository.create_message("s", "a", said(0, "hello", more=[1]))

        found = repository.list_messages("s", "a")

        self._expect("list what it reads", found, [repository.read_message("s", "a", 0)])

    def test_a_redaction_comes_back_beside_the_original(self, place: Path) -> None:
        """A redacted message is shown as its replacement; the record still has both."""
        repository = self._with_agent(place)
        record = said(0, "my card is 4111")
        repository.create_message("s", "a", record)
        record.redact_message = {"role": "user", "content": [{"text": "[redacted]"}]}
        repository.update_message("s", "a", record)

        found = self._reopened(place).read_message("s", "a", 0)

        shown = found.to_message() if found else None
        self._expect("show the replacement", shown, {"role": "user", "content": [{"text": "[redacted]"}]})
        self._expect("keep one message", len(self._handle(place).list_messages("s", "a")), 1)

    def test_an_updated_message_replaces_the_old_one(self, place: Path) -> None:
        """`update_message` replaces the message and keeps when it was created, which it notes on the given object."""
        repository = self._with_agent(place)
        self._add_texts(repository, "old", "next")
        update = said(0, "new", at=LATE)
        repository.update_message("s", "a", update)

        found = self._reopened(place)
        record = found.read_message("s", "a", 0)

        self._expect("replace one message", texts(found.list_messages("s", "a")), ["new", "next"])
        self._expect("note the first time on the given record", update.created_at, EARLY)
        self._expect("keep the first time", (record.created_at, record.updated_at) if record else None, (EARLY, LATE))

    def test_an_updated_agent_replaces_the_old_one(self, place: Path) -> None:
        """`update_agent` replaces the states whole, keeps when the agent was created, and its messages."""
        repository = self._with_agent(place)
        self._add_texts(repository, "hello")
        repository.update_agent("s", agent("a", at=LATE, step=2))

        found = self._reopened(place)
        record = found.read_agent("s", "a")

        self._expect("replace the state whole", record.state if record else None, {"step": 2})
        self._expect("keep the first time", record.created_at if record else None, EARLY)
        self._expect("keep the messages", texts(found.list_messages("s", "a")), ["hello"])

    def test_a_second_creation_of_an_agent_keeps_its_messages(self, place: Path) -> None:
        """`create_agent` for an agent that exists replaces its states, and its messages stay."""
        repository = self._with_agent(place)
        self._add_texts(repository, "hello")

        repository.create_agent("s", agent("a", step=2))

        found = repository.read_agent("s", "a")
        self._expect("replace the state", found.state if found else None, {"step": 2})
        self._expect("keep the messages", texts(repository.list_messages("s", "a")), ["hello"])

    def test_what_is_missing_is_none(self, place: Path) -> None:
        """A session, agent or message that does not exist is read as `None`."""
        repository = self._with_agent(place)

        found = [
            repository.read_session("missing"),
            repository.read_agent("s", "missing"),
            repository.read_agent("missing", "a"),
            repository.read_message("s", "a", 7),
            repository.read_message("s", "missing", 0),
        ]

        self._expect("read what does not exist as None", found, [None] * 5)

    def test_an_update_of_what_is_missing_is_refused(self, place: Path) -> None:
        """`update_agent` and `update_message` raise `SessionException` for what does not exist, and create nothing."""
        repository = self._with_agent(place)

        with self._refused("refuse to update an agent that does not exist", SessionException):
            repository.update_agent("s", agent("missing"))
        with self._refused("refuse to update a message that does not exist", SessionException):
            repository.update_message("s", "a", said(7))

        self._expect("create no agent", repository.read_agent("s", "missing"), None)
        self._expect("create no message", repository.read_message("s", "a", 7), None)

    def test_a_value_that_is_no_json_is_refused(self, place: Path) -> None:
        """An agent's state that JSON cannot hold is a `TypeError`, and the stored state stays."""
        repository = self._with_agent(place)
        before = repository.read_agent("s", "a")

        with self._refused("refuse an object that JSON cannot hold", TypeError):
            repository.update_agent("s", agent("a", value=object()))

        self._expect("keep the old state", repository.read_agent("s", "a"), before)

    def test_a_record_belongs_to_its_caller(self, place: Path) -> None:
        """Later changes to an object that was given or read change nothing that is stored."""
        repository = self._with_agent(place)
        record = said(0, "stored")
        repository.create_message("s", "a", record)
        record.message["content"].append({"text": "later"})
        for read in (repository.read_message("s", "a", 0), *repository.list_messages("s", "a")):
            if read is not None:
                read.message["content"].append({"text": "later"})

        self._expect("keep its own copy", repository.read_message("s", "a", 0), said(0, "stored"))

    def test_arguments_of_a_newer_sdk_are_ignored(self, place: Path) -> None:
        """Every method takes keyword arguments that it does not know."""
        repository, newer = self._handle(place), {"of_a_newer_sdk": 1}
        repository.create_session(session("s"), **newer)
        repository.create_agent("s", agent("a"), **newer)
        repository.update_agent("s", agent("a", step=2), **newer)
        repository.create_message("s", "a", said(0), **newer)
        repository.update_message("s", "a", said(0, "new"), **newer)

        found = repository.list_messages("s", "a", **cast("Any", newer))

        self._expect("list as without them", texts(found), ["new"])
        self._expect("read as without them", repository.read_message("s", "a", 0, **newer), found[0])
        self._expect("find the session", repository.read_session("s", **newer) is not None, expected=True)
        self._expect("find the agent", repository.read_agent("s", "a", **newer) is not None, expected=True)

    def test_a_record_of_a_newer_sdk_is_read(self, place: Path) -> None:
        """A record with a field that this SDK does not know is stored, and read without it."""
        repository = self._with_agent(place)
        repository.create_message("s", "a", _NewerMessage(said(0, "hello").message, 0))

        found = texts(self._reopened(place).list_messages("s", "a"))

        self._expect("read a record of a newer SDK", found, ["hello"])

    @needs(RepositoryCapability.UNKNOWN_FIELDS)
    def test_a_field_of_a_newer_sdk_is_kept_in_storage(self, place: Path) -> None:
        """A field that this SDK does not know is stored with its record, for the SDK that does."""
        repository = self._with_agent(place)
        repository.create_message("s", "a", _NewerMessage(said(0, "hello").message, 0))

        found = self.stored_fields(place, "s", "a", 0)

        self._expect("store the field `of_a_newer_sdk`", "of_a_newer_sdk" in found, expected=True)

    @needs(RepositoryCapability.UNKNOWN_FIELDS)
    def test_a_field_of_a_newer_sdk_outlives_an_update_by_an_older_one(self, place: Path) -> None:
        """An update by an SDK that does not know a field leaves the field as it is."""
        repository = self._with_agent(place)
        repository.create_message("s", "a", _NewerMessage(said(0, "hello").message, 0))

        repository.update_message("s", "a", said(0, "new"))

        found = self.stored_fields(place, "s", "a", 0)
        self._expect("still store the field `of_a_newer_sdk`", "of_a_newer_sdk" in found, expected=True)

    @needs(RepositoryCapability.BYTES)
    def test_bytes_come_back_at_any_depth(self, place: Path) -> None:
        """Bytes in messages and in agents' states are read as bytes, small and large ones."""
        repository = self._with_agent(place)
        value = {"deep": [{"er": b"\x00\xff"}, _BLOB], "empty": b""}
        repository.create_message("s", "a", said(0, value=value))
        repository.update_agent("s", agent("a", value=value))

        found = self._reopened(place)
        message, record = found.read_message("s", "a", 0), found.read_agent("s", "a")

        self._expect(
            "give the bytes of a message back", exact(message and cast("Any", message.message)["value"]), exact(value)
        )
        self._expect("give the bytes of a state back", exact(record and record.state["value"]), exact(value))

    @needs(RepositoryCapability.APPEND_ONLY)
    def test_a_stored_message_is_not_overwritten(self, place: Path) -> None:
        """Other content under a taken message id raises `SessionException`: no writer loses another's turn."""
        repository = self._with_agent(place)
        repository.create_message("s", "a", said(0, "first"))

        with self._refused("refuse other content under the id of a stored message", SessionException):
            repository.create_message("s", "a", said(0, "second"))

        self._expect("keep the first message", texts(repository.list_messages("s", "a")), ["first"])

    @needs(RepositoryCapability.APPEND_ONLY)
    def test_a_retry_of_an_append_is_accepted(self, place: Path) -> None:
        """The same content once more under its id is a retry: accepted, and stored once."""
        repository = self._with_agent(place)
        repository.create_message("s", "a", said(0, "first"))

        repository.create_message("s", "a", said(0, "first"))

        self._expect("hold the message once", texts(repository.list_messages("s", "a")), ["first"])

    @needs(RepositoryCapability.PARENTS_REQUIRED)
    def test_a_record_without_its_parent_is_refused(self, place: Path) -> None:
        """A message of an agent, or an agent of a session, that does not exist raises `SessionException`."""
        repository = self._with_agent(place)

        with self._refused("refuse a message of an agent that does not exist", SessionException):
            repository.create_message("s", "missing", said(0))
        with self._refused("refuse an agent of a session that does not exist", SessionException):
            repository.create_agent("missing", agent("a"))

        self._expect("store no agent", repository.read_agent("missing", "a"), None)

    @needs(RepositoryCapability.MULTI_AGENT)
    def test_the_state_of_a_multi_agent_comes_back(self, place: Path) -> None:
        """What a multi-agent serializes to is read as it stands; a missing one is `None`, an empty one is not."""
        state = {"nodes": ["z", "a"], "results": {"z": {"time": 12}}, "task": None}
        repository = self._handle(place)
        repository.create_session(session("s"))
        repository.create_multi_agent("s", crew("m", state))
        repository.create_multi_agent("s", crew("empty", {}))

        found = self._reopened(place)

        self._expect("read the state as it was stored", exact(found.read_multi_agent("s", "m")), exact(state))
        self._expect("tell empty from missing", found.read_multi_agent("s", "empty"), {})
        self._expect("read a missing one as None", found.read_multi_agent("s", "missing"), None)

    @needs(RepositoryCapability.MULTI_AGENT)
    def test_an_updated_multi_agent_replaces_the_old_state(self, place: Path) -> None:
        """`update_multi_agent` replaces the state whole, and raises `SessionException` where there is none."""
        repository = self._handle(place)
        repository.create_session(session("s"))
        repository.create_multi_agent("s", crew("m", {"old": 1}))
        repository.update_multi_agent("s", crew("m", {"new": 2}))

        with self._refused("refuse to update a multi-agent that does not exist", SessionException):
            repository.update_multi_agent("s", crew("missing"))

        self._expect("replace the state whole", self._reopened(place).read_multi_agent("s", "m"), {"new": 2})

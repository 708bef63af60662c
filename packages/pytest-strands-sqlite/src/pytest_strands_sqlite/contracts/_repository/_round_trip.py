"""What was stored is what is read, here and by whoever opens the place next."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

from strands.types.content import Message
from strands.types.exceptions import SessionException
from strands.types.session import Session, SessionAgent, SessionMessage, SessionType

from pytest_strands_sqlite.contracts._capabilities import RepositoryCapability, needs
from pytest_strands_sqlite.contracts._records import EARLY, LATE, agent, exact, said, session, texts

from ._base import RepositorySection

_REDACTED: Message = {"role": "user", "content": [{"text": "[redacted]"}]}


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
        more = {"metadata": {"usage": {"inputTokens": 3}}, "of_a_newer_sdk": [None]}
        message = cast("Message", {"role": "assistant", "content": blocks, **more})
        repository = self._with_agent(place)
        repository.create_message("s", "a", SessionMessage(message, 0, None, EARLY, LATE))

        found = self._reopened(place).read_message("s", "a", 0)

        self._expect("read the message as it was stored", exact(found.message if found else None), exact(message))
        self._expect("keep its times", (found.created_at, found.updated_at) if found else None, (EARLY, LATE))

    def test_a_listed_message_is_the_one_that_is_read(self, place: Path) -> None:
        """`list_messages` and `read_message` give the same record."""
        repository = self._with_agent(place)
        record = said(0, "hello", more=[1])
        record.redact_message = _REDACTED
        repository.create_message("s", "a", record)

        found = repository.list_messages("s", "a")

        self._expect("list what it reads", found, [repository.read_message("s", "a", 0)])

    def test_a_redaction_comes_back_beside_the_original(self, place: Path) -> None:
        """A redacted message is shown as its replacement; the record still has both."""
        repository = self._with_agent(place)
        record = said(0, "my card is 4111")
        repository.create_message("s", "a", record)
        record.redact_message = _REDACTED
        for _ in range(2):
            repository.update_message("s", "a", record)

        found = self._reopened(place).read_message("s", "a", 0)

        self._expect("show the replacement", found.to_message() if found else None, _REDACTED)
        self._expect("keep the original", found.message if found else None, said(0, "my card is 4111").message)
        self._expect("keep one message", len(self._handle(place).list_messages("s", "a")), 1)

    def test_an_update_without_a_redaction_takes_it_back(self, place: Path) -> None:
        """An update replaces the redaction too: without one, the message is shown again."""
        repository = self._with_agent(place)
        record = said(0, "hello")
        record.redact_message = _REDACTED
        repository.create_message("s", "a", record)

        repository.update_message("s", "a", said(0, "hello"))

        self._expect("show the message", self._reopened(place).read_message("s", "a", 0), said(0, "hello"))

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
        update = SessionAgent("a", {"step": 2}, {}, {"n": 1}, LATE, LATE)
        repository.update_agent("s", update)

        found = self._reopened(place)

        self._expect("note the first time on the given record", update.created_at, EARLY)
        expected = SessionAgent("a", {"step": 2}, {}, {"n": 1}, EARLY, LATE)
        self._expect("replace the states whole", found.read_agent("s", "a"), expected)
        self._expect("keep the messages", texts(found.list_messages("s", "a")), ["hello"])

    def test_an_update_has_the_time_that_it_is_given(self, place: Path) -> None:
        """`updated_at` is the caller's business: an earlier time than the stored one is stored too."""
        repository = self._handle(place)
        repository.create_session(session("s"))
        repository.create_agent("s", agent("a", at=LATE))

        repository.update_agent("s", agent("a", at=EARLY))

        record = self._reopened(place).read_agent("s", "a")
        self._expect("keep both times", record and (record.created_at, record.updated_at), (LATE, EARLY))

    def test_a_second_creation_of_an_agent_keeps_its_messages(self, place: Path) -> None:
        """`create_agent` for an agent that exists replaces its record whole, times included; its messages stay."""
        repository = self._with_agent(place)
        self._add_texts(repository, "hello")
        record = SessionAgent("a", {"step": 2}, {}, {}, LATE, LATE)

        repository.create_agent("s", record)

        self._expect("replace the record", vars(repository.read_agent("s", "a") or record), vars(record))
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
            repository.read_message("missing", "a", 0),
        ]

        self._expect("read what does not exist as None", found, [None] * 6)

    def test_an_update_of_what_is_missing_is_refused(self, place: Path) -> None:
        """`update_agent` and `update_message` raise `SessionException` for what does not exist, and create nothing."""
        repository = self._with_agent(place)

        for session_id, agent_id in (("s", "missing"), ("missing", "a")):
            with self._refused("refuse to update an agent that does not exist", SessionException):
                repository.update_agent(session_id, agent(agent_id))
        for session_id, agent_id in (("s", "a"), ("s", "missing"), ("missing", "a")):
            with self._refused("refuse to update a message that does not exist", SessionException):
                repository.update_message(session_id, agent_id, said(7))

        self._expect("create no agent", repository.read_agent("s", "missing"), None)
        self._expect("create no message", repository.read_message("s", "a", 7), None)

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
    def test_an_agent_without_its_session_is_refused(self, place: Path) -> None:
        """An agent of a session that does not exist raises `SessionException`, and is not stored."""
        repository = self._handle(place)

        with self._refused("refuse an agent of a session that does not exist", SessionException):
            repository.create_agent("missing", agent("a"))

        self._expect("store no agent", repository.read_agent("missing", "a"), None)

    @needs(RepositoryCapability.PARENTS_REQUIRED)
    def test_a_message_without_its_agent_is_refused(self, place: Path) -> None:
        """A message of an agent that does not exist raises `SessionException`, and is not stored."""
        repository = self._with_agent(place)

        for session_id, agent_id in (("s", "missing"), ("missing", "a")):
            with self._refused("refuse a message of an agent that does not exist", SessionException):
                repository.create_message(session_id, agent_id, said(0))
            self._expect("store no message", repository.read_message(session_id, agent_id, 0), None)

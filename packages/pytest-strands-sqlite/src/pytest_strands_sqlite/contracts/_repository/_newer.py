"""What a newer SDK may give: arguments, and fields of records, that this one does not know."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from strands.types.session import Session, SessionAgent, SessionMessage, SessionType

from pytest_strands_sqlite.contracts._capabilities import RepositoryCapability, needs
from pytest_strands_sqlite.contracts._records import EARLY, agent, crew, said, session, texts

from ._base import RepositorySection


@dataclass
class _NewerSession(Session):
    of_a_newer_sdk: str = "kept"


@dataclass
class _NewerAgent(SessionAgent):
    of_a_newer_sdk: str = "kept"


@dataclass
class _NewerMessage(SessionMessage):
    of_a_newer_sdk: str = "kept"


class Newer(RepositorySection):
    """Newer SDKs: what is unknown hurts nobody, and arguments have the names of the interface."""

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
        if RepositoryCapability.DELETION in self.capabilities:
            cast("Any", repository).delete_session("s", **newer)
            self._expect("delete as without them", repository.read_session("s"), None)

    def test_every_argument_may_be_given_by_name(self, place: Path) -> None:
        """The names of the parameters belong to the interface: the SDK itself calls by them."""
        repository = self._handle(place)
        repository.create_session(session=session("s"))
        repository.create_agent(session_id="s", session_agent=agent("a"))
        repository.update_agent(session_id="s", session_agent=agent("a", step=2))
        repository.create_message(session_id="s", agent_id="a", session_message=said(0))
        repository.update_message(session_id="s", agent_id="a", session_message=said(0, "new"))
        if RepositoryCapability.MULTI_AGENT in self.capabilities:
            repository.create_multi_agent(session_id="s", multi_agent=crew("m", {"step": 1}))
            repository.update_multi_agent(session_id="s", multi_agent=crew("m", {"step": 2}))
            state = repository.read_multi_agent(session_id="s", multi_agent_id="m")
            self._expect("read the state of a multi-agent", state, {"step": 2})

        record = repository.read_agent(session_id="s", agent_id="a")
        found = repository.list_messages(session_id="s", agent_id="a", limit=1, offset=0)

        self._expect("find the session", repository.read_session(session_id="s"), session("s"))
        self._expect("read the agent", record and record.state, {"step": 2})
        self._expect("list the message", texts(found), ["new"])
        self._expect("read it", repository.read_message(session_id="s", agent_id="a", message_id=0), found[0])

    def test_a_record_of_a_newer_sdk_is_read(self, place: Path) -> None:
        """Records with a field that this SDK does not know are stored, and read without it."""
        repository = self._handle(place)
        repository.create_session(_NewerSession("s", SessionType.AGENT, EARLY, EARLY))
        repository.create_agent("s", _NewerAgent("a", {"k": 1}, {}, {}, EARLY, EARLY))
        repository.create_message("s", "a", _NewerMessage(said(0, "hello").message, 0, None, EARLY, EARLY))

        found = self._reopened(place)

        self._expect("read a session of a newer SDK", found.read_session("s"), session("s"))
        expected = SessionAgent("a", {"k": 1}, {}, {}, EARLY, EARLY)
        self._expect("read an agent of a newer SDK", found.read_agent("s", "a"), expected)
        self._expect("read a message of a newer SDK", found.list_messages("s", "a"), [said(0, "hello")])

    def test_what_is_no_field_is_not_stored(self, place: Path) -> None:
        """What a caller hangs on a record beside its fields, JSON or not, stays with the caller's object."""
        records: list[Any] = [session("s"), agent("a"), said(0)]
        for record in records:
            record.of_the_caller = object()
        repository = self._handle(place)
        repository.create_session(records[0])
        repository.create_agent("s", records[1])
        repository.create_message("s", "a", records[2])

        found = repository.read_session("s"), repository.read_agent("s", "a"), repository.read_message("s", "a", 0)

        self._expect("store the fields alone", found, (session("s"), agent("a"), said(0)))

    @needs(RepositoryCapability.UNKNOWN_FIELDS)
    def test_a_field_of_a_newer_sdk_is_kept_in_storage(self, place: Path) -> None:
        """A field that this SDK does not know is stored with its record, for the SDK that does."""
        self._with_agent(place).create_message("s", "a", _NewerMessage(said(0, "hello").message, 0))

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

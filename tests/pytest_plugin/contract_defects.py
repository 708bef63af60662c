"""A repository, a manager and a storage in memory that keep their contracts, and others that break them in one way."""

from __future__ import annotations

import json
import re
import threading
from pathlib import Path
from typing import Any, ClassVar

from strands.session.repository_session_manager import RepositorySessionManager
from strands.session.session_manager import SessionManager
from strands.session.session_repository import SessionRepository
from strands.storage import InMemoryStorage
from strands.types.exceptions import SessionException
from strands.types.session import Session, SessionAgent, SessionMessage

from pytest_strands_sqlite.contracts import (
    ManagerCapability,
    RepositoryCapability,
    SessionManagerContract,
    SessionRepositoryContract,
    StorageCapability,
    StorageContract,
)

Key = tuple[Any, ...]


class Repository(SessionRepository):
    """Records as JSON in a dict for each place."""

    places: ClassVar[dict[Path, dict[Key, str]]] = {}
    lock: ClassVar[threading.RLock] = threading.RLock()

    def __init__(self, place: Path) -> None:
        self.place = place
        self.rows = self.places.setdefault(place, {})

    def put(self, key: Key, value: object) -> None:
        self.rows[key] = json.dumps(value)

    def get(self, key: Key) -> Any:
        for part in key:
            if "/" in str(part):
                message = f"{part} has a slash"
                raise ValueError(message)
        if key[0] == "message" and not isinstance(key[3], int):
            message = f"{key[3]} is no integer"
            raise ValueError(message)
        return json.loads(self.rows[key]) if key in self.rows else None

    def keys(self) -> list[Key]:
        return list(self.rows)

    def need(self, key: Key) -> Any:
        if (found := self.get(key)) is None:
            message = f"{key} does not exist"
            raise SessionException(message)
        return found

    def create_session(self, session: Session, **kwargs: Any) -> Session:
        with self.lock:
            if self.get(("session", session.session_id)) is not None:
                message = f"Session {session.session_id} already exists"
                raise SessionException(message)
            self.put(("session", session.session_id), session.to_dict())
        return session

    def read_session(self, session_id: str, **kwargs: Any) -> Session | None:
        found = self.get(("session", session_id))
        return found and Session.from_dict(found)

    def delete_session(self, session_id: str, **kwargs: Any) -> None:
        self.need(("session", session_id))
        for key in [key for key in self.rows if self.is_of(key, session_id)]:
            del self.rows[key]

    def is_of(self, key: Key, session_id: str) -> bool:
        return bool(key[1] == session_id)

    def create_agent(self, session_id: str, session_agent: SessionAgent, **kwargs: Any) -> None:
        self.get(("agent", session_id, session_agent.agent_id))
        self.need(("session", session_id))
        self.put(("agent", session_id, session_agent.agent_id), session_agent.to_dict())

    def read_agent(self, session_id: str, agent_id: str, **kwargs: Any) -> SessionAgent | None:
        found = self.get(("agent", session_id, agent_id))
        return found and SessionAgent.from_dict(found)

    def update_agent(self, session_id: str, session_agent: SessionAgent, **kwargs: Any) -> None:
        session_agent.created_at = self.need(("agent", session_id, session_agent.agent_id))["created_at"]
        self.put(("agent", session_id, session_agent.agent_id), session_agent.to_dict())

    def create_message(self, session_id: str, agent_id: str, session_message: SessionMessage, **kwargs: Any) -> None:
        key = ("message", session_id, agent_id, session_message.message_id)
        self.get(key)
        self.need(("agent", session_id, agent_id))
        stored = self.get(key)
        if stored is not None and stored["message"] != session_message.to_dict()["message"]:
            message = f"message {session_message.message_id} is stored with other content"
            raise SessionException(message)
        self.put(key, session_message.to_dict())

    def read_message(self, session_id: str, agent_id: str, message_id: int, **kwargs: Any) -> SessionMessage | None:
        found = self.get(("message", session_id, agent_id, message_id))
        return found and SessionMessage.from_dict(found)

    def update_message(self, session_id: str, agent_id: str, session_message: SessionMessage, **kwargs: Any) -> None:
        key = ("message", session_id, agent_id, session_message.message_id)
        session_message.created_at = self.need(key)["created_at"]
        self.put(key, session_message.to_dict())

    def list_messages(
        self, session_id: str, agent_id: str, limit: int | None = None, offset: int = 0, **kwargs: Any
    ) -> list[SessionMessage]:
        with self.lock:
            keys = sorted((key for key in self.keys() if self.is_listed(key, session_id, agent_id)), key=self.order)
        self.get(("agent", session_id, agent_id))
        keys = keys[offset:] if limit is None else keys[offset : offset + limit]
        return [SessionMessage.from_dict(self.get(key)) for key in keys]

    def is_listed(self, key: Key, session_id: str, agent_id: str) -> bool:
        return key[:3] == ("message", session_id, agent_id)

    def order(self, key: Key) -> Any:
        return key[3]

    def create_multi_agent(self, session_id: str, multi_agent: Any, **kwargs: Any) -> None:
        self.need(("session", session_id))
        self.put(("multi", session_id, multi_agent.id), multi_agent.serialize_state())

    def read_multi_agent(self, session_id: str, multi_agent_id: str, **kwargs: Any) -> Any:
        return self.get(("multi", session_id, multi_agent_id))

    def update_multi_agent(self, session_id: str, multi_agent: Any, **kwargs: Any) -> None:
        self.need(("multi", session_id, multi_agent.id))
        self.put(("multi", session_id, multi_agent.id), multi_agent.serialize_state())


class DropsAMessage(Repository):
    """Acknowledges the fourth message of a conversation, and does not store it."""

    def create_message(self, session_id: str, agent_id: str, session_message: SessionMessage, **kwargs: Any) -> None:
        if session_message.message_id != 3:
            super().create_message(session_id, agent_id, session_message, **kwargs)


class IgnoresTheOffset(Repository):
    """Lists from the beginning where there is no limit."""

    def list_messages(
        self, session_id: str, agent_id: str, limit: int | None = None, offset: int = 0, **kwargs: Any
    ) -> list[SessionMessage]:
        return super().list_messages(session_id, agent_id, limit, 0 if limit is None else offset)


class IgnoresALimitOfZero(Repository):
    """Takes a limit of 0 for none."""

    def list_messages(
        self, session_id: str, agent_id: str, limit: int | None = None, offset: int = 0, **kwargs: Any
    ) -> list[SessionMessage]:
        return super().list_messages(session_id, agent_id, limit or None, offset)


class OverwritesSilently(Repository):
    """Stores another message over the one that has its id."""

    def create_message(self, session_id: str, agent_id: str, session_message: SessionMessage, **kwargs: Any) -> None:
        key = ("message", session_id, agent_id, session_message.message_id)
        self.get(key)
        self.need(("agent", session_id, agent_id))
        self.put(key, session_message.to_dict())


class MergesStates(Repository):
    """Adds to the state of an agent what an update has, and takes nothing out."""

    def update_agent(self, session_id: str, session_agent: SessionAgent, **kwargs: Any) -> None:
        stored = self.need(("agent", session_id, session_agent.agent_id))
        super().update_agent(session_id, session_agent)
        merged = {**session_agent.to_dict(), "state": {**stored["state"], **session_agent.to_dict()["state"]}}
        self.put(("agent", session_id, session_agent.agent_id), merged)


class KeepsARedaction(Repository):
    """Leaves the redaction of a message where an update has none."""

    def update_message(self, session_id: str, agent_id: str, session_message: SessionMessage, **kwargs: Any) -> None:
        found = self.read_message(session_id, agent_id, session_message.message_id)
        if found is not None and session_message.redact_message is None:
            session_message.redact_message = found.redact_message
        super().update_message(session_id, agent_id, session_message)


class SortsTheKeys(Repository):
    """Writes dicts in the order of their keys."""

    def put(self, key: Key, value: object) -> None:
        self.rows[key] = json.dumps(json.loads(json.dumps(value)), sort_keys=True)


class OverwritesASession(Repository):
    """Creates a session over the one that is there."""

    def create_session(self, session: Session, **kwargs: Any) -> Session:
        self.get(("session", session.session_id))
        self.put(("session", session.session_id), session.to_dict())
        return session


class BeginsAnew(Repository):
    """Finds no session, and creates it over the one that is there."""

    def read_session(self, session_id: str, **kwargs: Any) -> Session | None:
        return None

    def create_session(self, session: Session, **kwargs: Any) -> Session:
        for key in [key for key in self.rows if self.is_of(key, session.session_id)]:
            del self.rows[key]
        return super().create_session(session)


class LeaksIntoAnotherSession(Repository):
    """Lists the messages of all sessions."""

    def is_listed(self, key: Key, session_id: str, agent_id: str) -> bool:
        return key[0] == "message" and key[2] == agent_id


class LeaksIntoAnotherAgent(Repository):
    """Lists the messages of all agents of a session."""

    def is_listed(self, key: Key, session_id: str, agent_id: str) -> bool:
        return key[:2] == ("message", session_id)


class OrdersByText(Repository):
    """Puts message 10 before message 9."""

    def order(self, key: Key) -> Any:
        return str(key[3])


class LosesTheLastWrite(Repository):
    """Keeps the last message that was written to itself until something else is written."""

    def __init__(self, place: Path) -> None:
        super().__init__(place)
        self.last: dict[Key, str] = {}

    def put(self, key: Key, value: object) -> None:
        self.rows.update(self.last)
        self.last = {}
        if key[0] == "message":
            self.last = {key: json.dumps(value)}
        else:
            super().put(key, value)

    def get(self, key: Key) -> Any:
        return json.loads(self.last[key]) if key in self.last else super().get(key)

    def keys(self) -> list[Key]:
        return list({**self.rows, **self.last})


class GrowsWithEachAppend(Repository):
    """Writes the whole place to a file with each record."""

    def put(self, key: Key, value: object) -> None:
        super().put(key, value)
        (self.place / "all.json").write_text(json.dumps(list(self.rows.values())), "utf-8")


class DeletesByPrefix(Repository):
    """Deletes every session whose id begins alike."""

    def is_of(self, key: Key, session_id: str) -> bool:
        return str(key[1]).startswith(session_id)


class RepositorySuite(SessionRepositoryContract):
    """The contract for `subject`."""

    subject: ClassVar[type[Repository]] = Repository
    capabilities = frozenset(RepositoryCapability) - {
        RepositoryCapability.OTHER_PROCESSES,
        RepositoryCapability.UNKNOWN_FIELDS,
        RepositoryCapability.UPGRADES,
    }

    def open(self, place: Path) -> Repository:
        return self.subject(place)


class ManagerSuite(SessionManagerContract):
    """The contract for the SDK's manager on `subject`."""

    subject: ClassVar[type[Repository]] = Repository
    capabilities = frozenset(ManagerCapability) - {ManagerCapability.OTHER_PROCESSES, ManagerCapability.UPGRADES}

    def open(self, place: Path, session_id: str) -> SessionManager[Any]:
        return RepositorySessionManager(session_id, self.subject(place))

    def delete(self, place: Path, session_id: str) -> None:
        self.subject(place).delete_session(session_id)


class Storage(InMemoryStorage):
    """Values in a dict for each place."""

    places: ClassVar[dict[Path, dict[str, bytes]]] = {}

    def __init__(self, place: Path) -> None:
        super().__init__()
        self.place = place
        self._store = self.places.setdefault(place, {})


class DropsAValue(Storage):
    """Acknowledges the seventh value, and does not store it."""

    count = 0

    async def write(self, key: str, data: bytes) -> None:
        self.count += 1
        if self.count != 7:
            await super().write(key, data)


class KeepsTheTail(Storage):
    """Writes over the beginning of the old value."""

    async def write(self, key: str, data: bytes) -> None:
        old = await self.read(key) or b""
        await super().write(key, bytes(data) + old[len(data) :])


class EmptyIsNothing(Storage):
    """Reads an empty value as none."""

    async def read(self, key: str) -> bytes | None:
        return await super().read(key) or None


class LeaksIntoAnotherPlace(Storage):
    """Keeps the values of all places together."""

    def __init__(self, place: Path) -> None:
        super().__init__(place.parent)


class LeaksIntoAnotherNamespace(Storage):
    """Takes `s12` for a part of `s1`."""

    def namespace(self, prefix: str) -> InMemoryStorage:
        found = super().namespace(prefix)
        found._prefix = found._prefix.rstrip("/")
        return found


class TakesWildcards(Storage):
    """Takes `_` in a prefix for any character, as `LIKE` does in SQL."""

    async def list(self, query: str = "") -> list[str]:
        keys = await super().list("")
        pattern = re.escape(query.replace("//", "/").lstrip("/")).replace("_", ".")
        return [key for key in keys if re.match(pattern, key)] if ".." not in query else await super().list(query)


class OrdersByAge(Storage):
    """Lists keys in the order in which they were written."""

    async def list(self, query: str = "") -> list[str]:
        found = await super().list(query)
        return [key[len(self._prefix) :] for key in self._store if key[len(self._prefix) :] in found]


class DeletesBelow(Storage):
    """Deletes every key that begins alike."""

    async def delete(self, key: str) -> None:
        for found in await self.list(key):
            await super().delete(found)


class LosesTheLastValue(Storage):
    """Keeps the last value that was written to itself until the next one is written."""

    def __init__(self, place: Path) -> None:
        super().__init__(place)
        self._shared, self._store = self._store, dict(self._store)

    async def write(self, key: str, data: bytes) -> None:
        self._shared.update(self._store)
        await super().write(key, data)


class GrowsWithEachWrite(Storage):
    """Writes the whole place to a file with each value."""

    async def write(self, key: str, data: bytes) -> None:
        await super().write(key, data)
        (self.place / "all").write_bytes(b"".join(self._store.values()))


class StorageSuite(StorageContract):
    """The contract for `subject`."""

    subject: ClassVar[type[Storage]] = Storage
    capabilities = frozenset(StorageCapability) - {StorageCapability.OTHER_PROCESSES, StorageCapability.UPGRADES}

    def open(self, place: Path) -> Storage:
        return self.subject(place)

"""More repositories and storages that break their contracts in one way: refusals, times, copies, ends and searches."""

from __future__ import annotations

import asyncio
import json
from dataclasses import replace
from typing import Any

from strands.types.exceptions import SessionException
from strands.types.session import Session, SessionAgent, SessionMessage

from tests.pytest_plugin.contract_defects import Key, Repository, Storage


class TakesAnyId(Repository):
    """Looks at no id: slashes in them, and numbers that are none, are as good as any."""

    def get(self, key: Key) -> Any:
        return json.loads(self.rows[key]) if key in self.rows else None


class NeedsNothing(Repository):
    """Takes what has no parent, and updates and deletes what is not there."""

    def need(self, key: Key) -> Any:
        return self.get(key) or {"created_at": ""}


class KeepsTheObject(Repository):
    """Keeps the states of multi-agents as the objects that it was given."""

    def put(self, key: Key, value: Any) -> None:
        super().put(key, value)
        if key[0] == "multi":
            self.rows[("kept", *key[1:])] = value

    def read_multi_agent(self, session_id: str, multi_agent_id: str, **kwargs: Any) -> Any:
        return self.rows.get(("kept", session_id, multi_agent_id))


class WritesBeforeItLooks(Repository):
    """Finds out that a value is no JSON when something else is there already."""

    def put(self, key: Key, value: object) -> None:
        self.rows[key] = "{}"
        super().put(key, value)


class RefusesARetry(Repository):
    """Refuses a message that is stored, though it is the same."""

    def create_message(self, session_id: str, agent_id: str, session_message: SessionMessage, **kwargs: Any) -> None:
        if self.get(("message", session_id, agent_id, session_message.message_id)) is not None:
            message = "there is such a message"
            raise SessionException(message)
        super().create_message(session_id, agent_id, session_message)


class EmptiesAnAgent(Repository):
    """Deletes the messages of an agent that is created once more."""

    def create_agent(self, session_id: str, session_agent: SessionAgent, **kwargs: Any) -> None:
        super().create_agent(session_id, session_agent)
        for key in [key for key in self.rows if self.is_listed(key, session_id, session_agent.agent_id)]:
            del self.rows[key]


class KeepsTheFirstState(Repository):
    """Leaves the state of a multi-agent that is created once more."""

    def create_multi_agent(self, session_id: str, multi_agent: Any, **kwargs: Any) -> None:
        if self.read_multi_agent(session_id, multi_agent.id) is None:
            super().create_multi_agent(session_id, multi_agent)


class SharesIds(Repository):
    """Finds a multi-agent where an agent is asked for."""

    def read_agent(self, session_id: str, agent_id: str, **kwargs: Any) -> SessionAgent | None:
        found = super().read_agent(session_id, agent_id)
        state = self.read_multi_agent(session_id, agent_id)
        return found if state is None or found is None else replace(found, state=state)


class StampsASession(Repository):
    """Reads a session with times of its own."""

    def read_session(self, session_id: str, **kwargs: Any) -> Session | None:
        found = super().read_session(session_id)
        return found and replace(found, updated_at="2001-01-01T00:00:00+00:00")


class KeepsTheLatestTime(Repository):
    """Takes the later of two times for that of an update."""

    def update_agent(self, session_id: str, session_agent: SessionAgent, **kwargs: Any) -> None:
        stored = self.need(("agent", session_id, session_agent.agent_id))
        session_agent.updated_at = max(session_agent.updated_at, stored["updated_at"])
        super().update_agent(session_id, session_agent)


class RedactsForGood(Repository):
    """Puts the replacement in the place of the message itself."""

    def update_message(self, session_id: str, agent_id: str, session_message: SessionMessage, **kwargs: Any) -> None:
        super().update_message(session_id, agent_id, replace(session_message, message=session_message.to_message()))


class ListsWithoutRedactions(Repository):
    """Lists messages as they were before they were redacted."""

    def list_messages(
        self, session_id: str, agent_id: str, limit: int | None = None, offset: int = 0, **kwargs: Any
    ) -> list[SessionMessage]:
        found = super().list_messages(session_id, agent_id, limit, offset)
        return [replace(message, redact_message=None) for message in found]


class KnowsItsArguments(Repository):
    """Refuses arguments of a newer SDK."""

    def read_session(self, session_id: str) -> Session | None:  # type: ignore[override]
        return super().read_session(session_id)


class NamesItsArguments(Repository):
    """Calls an argument what nobody else calls it."""

    def read_session(self, name: str, **kwargs: Any) -> Session | None:  # type: ignore[override]
        return super().read_session(name)


class IgnoresCase(Repository):
    """Takes `A` for `a` where an agent is asked for."""

    def put(self, key: Key, value: object) -> None:
        super().put(self.folded(key), value)

    def get(self, key: Key) -> Any:
        return super().get(self.folded(key))

    def folded(self, key: Key) -> Key:
        return (key[0], key[1], key[2].lower(), *key[3:]) if key[0] == "agent" else key

    def read_agent(self, session_id: str, agent_id: str, **kwargs: Any) -> SessionAgent | None:
        return super().read_agent(session_id.lower(), agent_id)


class RaisesForAMissingMessage(Repository):
    """Has an error where there is no such message."""

    def read_message(self, session_id: str, agent_id: str, message_id: int, **kwargs: Any) -> SessionMessage | None:
        self.need(("agent", session_id, agent_id))
        return super().read_message(session_id, agent_id, message_id)


class RaisesForAnUnknownAgent(Repository):
    """Has an error for the list of an agent that does not exist."""

    def list_messages(
        self, session_id: str, agent_id: str, limit: int | None = None, offset: int = 0, **kwargs: Any
    ) -> list[SessionMessage]:
        self.need(("agent", session_id, agent_id))
        return super().list_messages(session_id, agent_id, limit, offset)


class RaisesForSilence(Repository):
    """Has an error for the list of an agent that said nothing."""

    def list_messages(
        self, session_id: str, agent_id: str, limit: int | None = None, offset: int = 0, **kwargs: Any
    ) -> list[SessionMessage]:
        found = super().list_messages(session_id, agent_id)
        if not found and self.read_agent(session_id, agent_id):
            message = "there are no messages"
            raise SessionException(message)
        return super().list_messages(session_id, agent_id, limit, offset)


class LeavesTheMessages(Repository):
    """Deletes a session, and nothing of what is in it."""

    def delete_session(self, session_id: str, **kwargs: Any) -> None:
        self.need(("session", session_id))
        del self.rows["session", session_id]


class StoresWhateverHangsThere(Repository):
    """Stores what a caller has put on a session beside its fields."""

    def create_session(self, session: Session, **kwargs: Any) -> Session:
        json.dumps(vars(session))
        return super().create_session(session)


class HasOneSession(Repository):
    """Keeps all sessions in one, whatever their ids are."""

    def put(self, key: Key, value: object) -> None:
        super().put((key[0], "", *key[2:]), value)

    def get(self, key: Key) -> Any:
        return super().get(key) or super().get((key[0], "", *key[2:]))

    def is_listed(self, key: Key, session_id: str, agent_id: str) -> bool:
        return super().is_listed(key, "", agent_id)

    def is_of(self, key: Key, session_id: str) -> bool:
        return True


class HasNoSearch(Storage):
    """Lacks a method of the protocol."""

    search = None  # type: ignore[assignment]


class IsNotMarked(Storage):
    """Says nothing of its values going with the process."""

    _ephemeral = None  # type: ignore[assignment]


class KeepsTheBuffer(Storage):
    """Keeps the buffer that it was given."""

    async def write(self, key: str, data: bytes) -> None:
        await super().write(key, data)
        if not isinstance(data, bytes):
            self._store[self._prefix + key] = data


class NamesItsKeys(Storage):
    """Calls an argument what nobody else calls it."""

    async def read(self, name: str) -> bytes | None:  # type: ignore[override]
        return await super().read(name)


class FindsNothing(Storage):
    """Finds nothing, whatever is asked for."""

    async def search(self, query: str) -> list[Any]:
        return []


class FindsEverything(Storage):
    """Finds whatever there is, where nothing has the words."""

    async def search(self, query: str) -> list[Any]:
        return await super().search(query) or await super().search("notes")


class WorstFirst(Storage):
    """Gives the best match last."""

    async def search(self, query: str) -> list[Any]:
        return (await super().search(query))[::-1]


class FindsWholeQueries(Storage):
    """Finds values that have the first word of a query."""

    async def search(self, query: str) -> list[Any]:
        return await super().search(query.split(maxsplit=1)[0]) if query.split() else []


class RefusesToDeleteNothing(Storage):
    """Has an error where nothing is to be deleted."""

    async def delete(self, key: str) -> None:
        if await self.read(key) is None:
            raise KeyError(key)
        await super().delete(key)


class TearsAValue(Storage):
    """Writes a value in two halves, between which others may read."""

    async def write(self, key: str, data: bytes) -> None:
        await super().write(key, bytes(data)[: len(data) // 2])
        await asyncio.sleep(0.01)
        await super().write(key, data)


class WritesToAllThatAreEqual(Storage):
    """Stores equal values once, and writes over them for all who have them."""

    async def write(self, key: str, data: bytes) -> None:
        old = await self.read(key)
        await super().write(key, data)
        for other in [other for other, value in self._store.items() if old and value == old]:
            self._store[other] = bytes(data)


class RaisesForNothing(Storage):
    """Has an error for a list where nothing was ever written."""

    async def list(self, query: str = "") -> list[str]:
        if not self._store:
            raise KeyError(query)
        return await super().list(query)


class DeletesWhatItSaw(Storage):
    """Takes one away, and writes back what it saw of the others: what is done meanwhile is undone."""

    async def delete(self, key: str) -> None:
        await super().delete(key)
        rest = dict(self._store)
        await asyncio.sleep(0)
        self._store.clear()
        self._store.update(rest)

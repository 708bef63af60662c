"""How the sections of the manager contract open what they test, and talk to it through real agents."""

from __future__ import annotations

from pathlib import Path
from typing import Any, ClassVar

from strands import Agent
from strands.agent.conversation_manager import NullConversationManager
from strands.session.session_manager import SessionManager

from pytest_strands_sqlite.contracts._capabilities import Capability, ManagerCapability
from pytest_strands_sqlite.contracts._contract import Contract, not_overridden
from pytest_strands_sqlite.scripted_model import ScriptedModel, Step


class ManagerSection(Contract["SessionManager[Any]"]):
    """What every section of the manager contract has: the hooks of its author, and short ways to converse."""

    kind: ClassVar[type[Capability]] = ManagerCapability

    def open(self, place: Path, session_id: str) -> SessionManager[Any]:
        """Open a session at `place`, as a new process would; the same place again must hold what was stored.

        Args:
            place: A folder that is fresh for each test, or a name for what is not kept in files. With
                `OTHER_PROCESSES` this is called in other processes, on a new object of your class: use no fixtures.
            session_id: The session, which may exist at that place.
        """
        raise not_overridden(self, "open(self, place, session_id)")

    def delete(self, place: Path, session_id: str) -> None:
        """Delete a session that nobody has open; for `DELETION`."""
        raise not_overridden(self, "delete(self, place, session_id)")

    def lay_old_place(self, place: Path) -> tuple[str, str, list[str]]:
        """Put what an older version wrote at `place`; for `UPGRADES`.

        Returns:
            A session and an agent that are stored there, and what each message says with which the agent resumes: its
            texts, and the kinds of its other blocks, with a bar between them. The agent was stored, and is resumed,
            with the SDK's default conversation manager.
        """
        raise not_overridden(self, "lay_old_place(self, place)")

    def _manager(self, place: Path, session_id: str = "s") -> SessionManager[Any]:
        return self._keep(self.open(place, session_id))

    def _agent(self, place: Path, *steps: Step, session_id: str = "s", agent_id: str = "a", **options: Any) -> Agent:
        """Return an agent on a manager of its own, as a new process would have it."""
        manager = self._manager(place, session_id)
        given = {"conversation_manager": NullConversationManager(), **options}
        return Agent(
            model=ScriptedModel(*steps), agent_id=agent_id, session_manager=manager, callback_handler=None, **given
        )

    def _resumed(self, place: Path, *steps: Step, **options: Any) -> Agent:
        """Close everything, and return an agent that resumes."""
        self._close_all()
        return self._agent(place, *steps, **options)


def said(agent: Agent) -> list[str]:
    """Return what an agent's conversation says, a text for each message."""
    return [
        "|".join(block.get("text", next(iter(block))) for block in message["content"]) for message in agent.messages
    ]

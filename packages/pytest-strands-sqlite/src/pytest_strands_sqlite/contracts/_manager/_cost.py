"""What a turn costs, and what older versions wrote."""

from __future__ import annotations

from pathlib import Path

from strands.agent.conversation_manager import SlidingWindowConversationManager

from pytest_strands_sqlite.contracts._capabilities import ManagerCapability, needs
from pytest_strands_sqlite.contracts._measures import LAST, SAMPLE

from ._base import ManagerSection, said


class Cost(ManagerSection):
    """Cost per turn, and upgrades."""

    @needs(ManagerCapability.STEADY_COST)
    def test_a_turn_costs_the_same_in_a_long_conversation(self, place: Path) -> None:
        """A turn writes about as many bytes, files and whatever `cost` counts behind 25 turns as behind 5."""
        agent = self._agent(place, *["x" * 2000] * (LAST + SAMPLE))

        def turn(number: int) -> None:
            agent(f"{number} ".ljust(2000, "x"))

        self._expect_steady("store a turn at the same cost, however long the conversation is", place, turn)

    @needs(ManagerCapability.UPGRADES)
    def test_a_place_of_an_older_version_resumes(self, place: Path) -> None:
        """What an older version stored is resumed, and the conversation can go on."""
        session_id, agent_id, words = self.lay_old_place(place)

        window = SlidingWindowConversationManager
        agent = self._agent(place, "new", session_id=session_id, agent_id=agent_id, conversation_manager=window())
        self._expect("resume what the older version stored", said(agent), words)

        agent("and now?")
        found = said(self._resumed(place, session_id=session_id, agent_id=agent_id, conversation_manager=window()))
        self._expect("go on behind what the older version stored", found, [*words, "and now?", "new"])

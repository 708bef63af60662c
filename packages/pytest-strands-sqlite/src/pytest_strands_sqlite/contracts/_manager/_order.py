"""A conversation resumes in its order, and without what was trimmed."""

from __future__ import annotations

from pathlib import Path

from strands.agent.conversation_manager import SlidingWindowConversationManager

from ._base import ManagerSection, said


class Order(ManagerSection):
    """Order and paging."""

    def test_a_long_conversation_resumes_in_order(self, place: Path) -> None:
        """Message 10 comes after message 9: messages are in the order in which they were said."""
        agent = self._agent(place, *(f"answer {number}" for number in range(8)))
        for number in range(8):
            agent(f"question {number}")

        found = said(self._resumed(place))

        expected = [f"{kind} {number}" for number in range(8) for kind in ("question", "answer")]
        self._expect("resume in the order of the conversation", found, expected)

    def test_trimmed_messages_do_not_come_back(self, place: Path) -> None:
        """An agent resumes with the window that its conversation manager had left, not with the whole history."""
        agent = self._agent(
            place,
            *(f"answer {number}" for number in range(5)),
            conversation_manager=SlidingWindowConversationManager(window_size=4),
        )
        for number in range(5):
            agent(f"question {number}")

        found = said(self._resumed(place, conversation_manager=SlidingWindowConversationManager(window_size=4)))

        self._expect("resume with what the agent had", found, said(agent))
        self._expect("leave out what was trimmed", len(found), 4)

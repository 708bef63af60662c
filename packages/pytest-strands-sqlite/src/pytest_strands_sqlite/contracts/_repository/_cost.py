"""What an append costs, at the beginning of a conversation and far from it."""

from __future__ import annotations

from pathlib import Path

from pytest_strands_sqlite.contracts._records import said

from ._base import RepositorySection


class Cost(RepositorySection):
    """Cost per append: it does not grow with the conversation."""

    def test_an_append_costs_the_same_in_a_long_conversation(self, place: Path) -> None:
        """Appending writes about as many bytes, files and whatever `cost` counts behind 25 messages as behind 5."""
        repository = self._with_agent(place)

        def append(number: int) -> None:
            repository.create_message("s", "a", said(number, f"{number} ".ljust(4000, "x")))

        self._expect_steady("append at the same cost, however long the conversation is", place, append)

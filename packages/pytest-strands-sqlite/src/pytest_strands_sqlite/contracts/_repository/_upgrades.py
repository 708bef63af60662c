"""Places that an older version wrote."""

from __future__ import annotations

from pathlib import Path

from pytest_strands_sqlite.contracts._capabilities import RepositoryCapability, needs
from pytest_strands_sqlite.contracts._records import said, texts

from ._base import RepositorySection


class Upgrades(RepositorySection):
    """Upgrades: an older place opens, with all that is in it, and can be written."""

    @needs(RepositoryCapability.UPGRADES)
    def test_a_place_of_an_older_version_opens(self, place: Path) -> None:
        """What an older version stored is read, and the conversation can go on."""
        session_id, agent_id, words = self.lay_old_place(place)

        old = self._handle(place).list_messages(session_id, agent_id)
        self._expect("list what the older version stored", texts(old), words)

        following = old[-1].message_id + 1
        self._handle(place).create_message(session_id, agent_id, said(following, "new"))
        found = texts(self._reopened(place).list_messages(session_id, agent_id))
        self._expect("append to what the older version stored", found, [*words, "new"])

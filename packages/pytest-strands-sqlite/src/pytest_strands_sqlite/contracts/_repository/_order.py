"""Messages come sorted by number, and are cut by position."""

from __future__ import annotations

from itertools import chain, product
from pathlib import Path

from pytest_strands_sqlite.contracts._records import said

from ._base import RepositorySection

_WRITTEN = (10, 0, 100, 9, 5, 1, 2)
_SORTED = sorted(_WRITTEN)
_CUTS = (1, 3, 6, 7, 100)


class Order(RepositorySection):
    """Order and paging: `list_messages` is a Python slice of the messages, sorted by number."""

    def test_messages_are_sorted_by_number(self, place: Path) -> None:
        """Messages are listed by their id as a number, 9 before 10, in whatever order they were written."""
        self._expect("list messages by number", self._listed(place), _SORTED)

    def test_an_offset_leaves_out_the_first_messages(self, place: Path) -> None:
        """`offset=n` alone leaves out the first n messages: agents resume by it, without the messages they trimmed."""
        self._expect("leave out the first three messages", self._listed(place, offset=3), _SORTED[3:])

    def test_an_offset_counts_positions_and_not_ids(self, place: Path) -> None:
        """An offset counts messages, however they are numbered, and may be larger than there are messages."""
        self._expect("leave out all messages but the last", self._listed(place, offset=6), [100])
        self._expect("list nothing behind the last message", self._listed(place, offset=7), [])

    def test_a_limit_ends_the_list(self, place: Path) -> None:
        """`limit=n` gives the first n messages at most."""
        self._expect("list two messages", self._listed(place, limit=2), _SORTED[:2])
        self._expect("list all there are", self._listed(place, limit=50), _SORTED)

    def test_a_limit_of_zero_is_an_empty_list(self, place: Path) -> None:
        """`limit=0` gives nothing; it does not mean that there is no limit."""
        self._expect("list nothing", self._listed(place, limit=0), [])

    def test_offset_and_limit_cut_as_a_python_slice_does(self, place: Path) -> None:
        """For every offset and limit the list is that slice of the messages; by position, the limit comes first."""
        for limit, offset in product(_CUTS, (0, *_CUTS)):
            wish = f"list the slice of limit={limit} and offset={offset}"
            self._expect(wish, self._listed(place, limit, offset), _SORTED[offset : offset + limit])
        repository = self._handle(place)
        by_position = [message.message_id for message in repository.list_messages("s", "a", 2, 3)]
        self._expect("take the third argument for the limit, the fourth for the offset", by_position, _SORTED[3:5])

    def test_pages_follow_each_other(self, place: Path) -> None:
        """Pages of any size, one after the other, give every message once."""
        for size in (2, 3):
            pages = [self._listed(place, limit=size, offset=start) for start in range(0, len(_SORTED), size)]
            self._expect(f"give every message once in pages of {size}", list(chain.from_iterable(pages)), _SORTED)

    def test_an_agent_that_said_nothing_has_no_messages(self, place: Path) -> None:
        """An agent without messages has an empty list."""
        self._expect("list nothing", self._with_agent(place).list_messages("s", "a"), [])

    def test_an_unknown_agent_has_no_messages(self, place: Path) -> None:
        """An agent or session that does not exist has no messages, and that is not an error."""
        repository = self._with_agent(place)

        for session_id, agent_id in (("s", "missing"), ("missing", "a")):
            found = repository.list_messages(session_id, agent_id, limit=1, offset=1)
            self._expect("list nothing for an agent that does not exist", found, [])

    def _listed(self, place: Path, limit: int | None = None, offset: int = 0) -> list[int]:
        repository = self._handle(place)
        if repository.read_session("s") is None:
            self._add_agent(repository, "s")
            for number in _WRITTEN:
                repository.create_message("s", "a", said(number))
        found = repository.list_messages(session_id="s", agent_id="a", limit=limit, offset=offset)
        return [message.message_id for message in found]

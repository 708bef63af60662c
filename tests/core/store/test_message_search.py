"""Search among messages: all words of the query, from their beginnings, wherever and in whatever script."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from strands_sqlite_session_manager._database import Database
from strands_sqlite_session_manager._schema import open_database
from strands_sqlite_session_manager.errors import DatabaseClosedError
from strands_sqlite_session_manager.message_search import MessageFilter, search_messages

from .searching import AGENT, SESSION, found, ids, marked, redact, say


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Database]:
    """An open database without messages."""
    opened = open_database(tmp_path / "sessions.db")
    yield opened
    opened.close()


TALK = (
    "What is the weather like in Zürich?",
    [{"toolUse": {"name": "look_up_forecast", "toolUseId": "t1", "input": {"place": "Zürich", "days": 3}}}],
    [{"toolResult": {"toolUseId": "t1", "status": "success", "content": [{"json": {"sky": "cloudless"}}]}}],
    [{"reasoningContent": {"reasoningText": {"text": "I should sound glad."}}}, {"text": "Sunny, all week long!"}],
    [{"document": {"format": "pdf", "name": "climate-almanac", "source": {"bytes": b"%PDF" * 200}}}, {"text": "Read"}],
)

ASKED = {
    "weather": {0},
    "WEATHER Zürich": {0},
    "zurich": {0, 1},
    "zur": {0, 1},
    "zu": set(),
    "forecast": {1},
    "look_up": {1},
    "look_up_forecast": {1},
    "up_look": set(),
    "3": {1},
    "cloudless": {2},
    "glad sunny": {3},
    "glad weather": set(),
    "is the": {0},
    "all week": {3},
    "weekend": set(),
    "almanac": {4},
    "climate-almanac": {4},
    "place": set(),
    "PDF": set(),
    "t1": set(),
    "assistant": set(),
}


@pytest.mark.parametrize("query", ASKED)
def test_all_words_from_their_beginnings(database: Database, query: str) -> None:
    """A message is found that has all words, each whole or, from three letters on, as a beginning."""
    say(database, *TALK)

    assert ids(database, query) == ASKED[query]


SCRIPTS = {
    "今天天气很好\uff0c我们去公园吧": ["天气", "公园", "今天", "天气 公园"],
    "東京の天気は晴れです": ["天気", "晴れ", "東京"],
    "오늘 날씨가 좋습니다": ["날씨", "오늘"],
    "วันนี้อากาศดี": ["อากาศ"],
    "Сегодня хорошая погода": ["погода", "ПОГОДА", "пого"],
    "مرحبا بالعالم": ["بالعالم"],
    "आज मौसम अच्छा है": ["मौसम"],
    "ﬁne \uff37\uff29\uff24\uff25 letters": ["fine", "wide", "\uff37\uff29\uff24\uff25"],
    "cafe\u0301 au lait": ["café", "cafe", "cafe\u0301"],
    "ᏣᎳᎩ ᎦᏬᏂᎯᏍᏗ": ["ᏣᎳᎩ", "ᎦᏬᏂᎯᏍᏗ"],  # Python has small letters for these, the index has none
    "Ԩ Ԫ": ["Ԩ", "Ԫ"],
}


@pytest.mark.parametrize("text", SCRIPTS)
def test_every_script_is_searched(database: Database, text: str) -> None:
    """What stands in other scripts is found, also where no spaces are between the words."""
    say(database, text, "plain words", "天 气 公 园 tomorrow")

    for query in SCRIPTS[text]:
        assert 0 in ids(database, query)
        assert 1 not in ids(database, query)


def test_characters_apart_are_no_pair(database: Database) -> None:
    """In scripts without spaces, characters must be neighbors to be found as such."""
    say(database, "天气", "天的气")

    assert ids(database, "天气") == {0}
    assert ids(database, "天") == {0, 1}


HOSTILE = (
    '"tea',
    'tea"',
    '""tea""',
    "tea*",
    "^tea",
    "-tea",
    "(tea",
    "((tea))",
    "words : tea",
    "{words}: tea",
    "tea:",
    "+tea+",
    "tea;--",
    "'tea",
    "%tea%",
    "$tea",
    ":tea",
    "tea\0",
    "tea \ud800",
    "\ufefftea",
    "tea\u200b",
    "tea\r\n",
)


@pytest.mark.parametrize("query", HOSTILE)
def test_syntax_is_plain_text(database: Database, query: str) -> None:
    """Whatever means something to FTS5 or SQL is text: the words count, the rest is nothing."""
    say(database, "tea in other words", "coffee in other words")

    assert ids(database, query) == {0}


@pytest.mark.parametrize("query", ["tea AND coffee", "tea OR coffee", "tea NOT coffee", "NEAR(tea, 2)", "tea NEAR/3 x"])
def test_operators_are_words(database: Database, query: str) -> None:
    """AND, OR, NOT and NEAR are words like others: a message must have them."""
    say(database, "tea", "coffee", "tea coffee")

    assert ids(database, query) == set()


@pytest.mark.parametrize("query", ["", " ", "?!", "...", '"', "*", "()", "—", "\0", "\ud800", "🎉"])
def test_a_query_without_words_finds_nothing(database: Database, query: str) -> None:
    """Nothing asked, nothing found."""
    say(database, *TALK)

    assert search_messages(database, query) == []


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(query=st.text(max_size=40))
def test_no_query_is_an_error(database: Database, query: str) -> None:
    """Any text may be asked."""
    if not found(database, "here"):
        say(database, "here")

    search_messages(database, query)


def test_very_long_queries_are_answered(database: Database) -> None:
    """A message that is searched by its own text, of thousands of words, is found."""
    text = " ".join(f"word{number}" for number in range(3000))
    say(database, text, "word1 word2")

    assert ids(database, text) == {0}


def test_what_a_guardrail_put_there_counts(database: Database) -> None:
    """Of a redacted message the replacement is found and shown, never the original, before and after it was indexed."""
    say(database, "my secret number", "another secret")
    redact(database, 1, "withheld early")
    assert ids(database, "secret") == {0}

    redact(database, 0, "withheld late")

    assert ids(database, "secret") == set()
    assert ids(database, "withheld") == {0, 1}
    assert "secret" not in search_messages(database, "late")[0].snippet


def test_filters_leave_out_the_rest(database: Database) -> None:
    """Session, agent, role and both times restrict what is found, each alone and together."""
    say(database, "rain", "rain", session="a", agent="x")
    say(database, "rain", session="a", agent="y", role="assistant")
    say(database, "rain", session="b", agent="x", role="assistant")
    everything = {("a", "x", 0), ("a", "x", 1), ("a", "y", 0), ("b", "x", 0)}

    assert found(database, "rain") == everything
    assert found(database, "rain", session_id="a") == {("a", "x", 0), ("a", "x", 1), ("a", "y", 0)}
    assert found(database, "rain", agent_id="x") == {("a", "x", 0), ("a", "x", 1), ("b", "x", 0)}
    assert found(database, "rain", session_id="a", agent_id="x", role="user") == {("a", "x", 0), ("a", "x", 1)}
    assert found(database, "rain", role="assistant") == {("a", "y", 0), ("b", "x", 0)}
    for nothing in ({"session_id": "c"}, {"session_id": "b", "agent_id": "y"}, {"role": "tool"}):
        assert found(database, "rain", **nothing) == set()


@pytest.mark.parametrize("order", ["relevance", "newest"])
def test_times_are_compared_as_times(database: Database, order: Any) -> None:
    """A message created at the very moment that is asked for belongs to it, however its fraction is written."""
    moment = datetime(2026, 5, 1, 12, tzinfo=timezone.utc)
    stored = [
        "12:00:00+00:00",
        "12:00:00.000+00:00",
        "12:00:00.000000+00:00",
        "12:00:00.500000+00:00",
        "12:00:01+00:00",
    ]
    say(database, *["rain"] * len(stored))
    for message_id, text in enumerate(stored):
        values = (f"2026-05-01T{text}", message_id)
        database.write(lambda c, v=values: c.run("UPDATE messages SET created_at = ? WHERE message_id = ?", v))

    def between(**where: Any) -> set[int]:
        hits = search_messages(database, "rain", MessageFilter(**where), order=order)
        return {hit.message_id for hit in hits}

    half = moment + timedelta(seconds=0.5)
    elsewhere = timezone(timedelta(hours=5))
    assert between(since=moment) == {0, 1, 2, 3, 4}
    assert between(until=moment.astimezone(elsewhere)) == {0, 1, 2}
    assert between(since=half.astimezone(elsewhere)) == {3, 4}
    assert between(since=half, until=half) == {3}


@pytest.mark.parametrize("options", [{"order": "best"}, {"limit": -1}, {"offset": -1}])
def test_misuse_is_refused(database: Database, options: Any) -> None:
    """Options that mean nothing are a ValueError, before anything is read."""
    with pytest.raises(ValueError, match=next(iter(options))):
        search_messages(database, "tea", **options)


def test_times_without_zone_are_refused() -> None:
    """A naive time could be meant anywhere."""
    with pytest.raises(ValueError, match="since"):
        MessageFilter(since=datetime(2026, 1, 1))  # noqa: DTZ001 - that is the point
    with pytest.raises(ValueError, match="until"):
        MessageFilter(until=datetime(2026, 1, 1))  # noqa: DTZ001


def test_a_closed_database_says_so(database: Database) -> None:
    """After `close` a search is an error, whatever was asked."""
    database.close()

    with pytest.raises(DatabaseClosedError):
        search_messages(database, "")


def test_pages_follow_each_other(database: Database) -> None:
    """Limit and offset cut the whole answer into pages, in both orders, without gap or overlap."""
    say(database, *[f"rain {'rain ' * (number % 4)}{number}" for number in range(25)])

    for order in ("relevance", "newest"):
        whole = search_messages(database, "rain", order=order, limit=100)  # type: ignore[arg-type]  # a literal
        pages = [search_messages(database, "rain", order=order, limit=7, offset=at) for at in range(0, 28, 7)]  # type: ignore[arg-type]
        assert [hit for page in pages for hit in page] == whole
        assert len(whole) == 25
    assert search_messages(database, "rain", limit=0) == []


def test_newest_first(database: Database) -> None:
    """By order of writing, the last is first."""
    say(database, "rain", "rain rain rain", "rain and much more besides")

    assert [hit.message_id for hit in search_messages(database, "rain", order="newest")] == [2, 1, 0]


def test_the_best_first(database: Database) -> None:
    """What has the words more often, and less besides, is better; every score is between 0 and 1."""
    say(database, "rain and a great many other words that have nothing to do with it", "rain, rain", "snow", "hail")

    hits = search_messages(database, "rain")

    assert [hit.message_id for hit in hits] == [1, 0]
    assert 0 < hits[1].score < hits[0].score < 1


def test_a_hit_says_where_it_is(database: Database) -> None:
    """Session, agent, id, role and time are those of the message."""
    say(database, "nothing")
    say(database, "rain", role="assistant")

    (hit,) = search_messages(database, "rain")

    assert (hit.session_id, hit.agent_id, hit.message_id, hit.role) == (SESSION, AGENT, 1, "assistant")
    assert datetime.now(timezone.utc) - datetime.fromisoformat(hit.created_at) < timedelta(minutes=10)
    assert hit.snippet == "rain"
    assert hit.highlights == ((0, 4),)


SNIPPETS = [
    ("The Weather in Zürich", "weath zurich", ["Weather", "Zürich"]),
    ("snake_case and snake", "snake_case", ["snake_case"]),
    ("今天天气很好", "天气很", ["天气很"]),
    ("cafe\u0301s and CAFÉ", "café", ["cafe\u0301s", "CAFÉ"]),
    ("an inn in Innsbruck", "in", ["in"]),
    ("\uff37\uff29\uff24\uff25 and wide", "wide", ["\uff37\uff29\uff24\uff25", "wide"]),
    ("İstanbul", "istanbul", ["İstanbul"]),
    ("STRASSE straße", "straße", ["straße"]),
]


@pytest.mark.parametrize(("text", "query", "words"), SNIPPETS)
def test_highlights_are_what_the_index_found(database: Database, text: str, query: str, words: list[str]) -> None:
    """What is highlighted is what matched, whatever its case, accents and width."""
    say(database, text)

    (hit,) = search_messages(database, query)

    assert hit.snippet == text
    assert marked(hit) == words


def test_a_snippet_is_the_best_part_in_one_line(database: Database) -> None:
    """About 160 characters around the place that has most of the words, cut between words, with `…` where it is cut."""
    filler = "lorem ipsum dolor sit amet " * 40
    say(database, f"rain {filler}\n\nthe rain\nand the snow {filler} snow")

    (hit,) = search_messages(database, "snow rain")

    assert "the rain and the snow" in hit.snippet
    assert marked(hit) == ["rain", "snow"]
    assert hit.snippet[0] == hit.snippet[-1] == "…"
    assert hit.snippet[1:-1] in " ".join((filler + " the rain and the snow " + filler).split())
    assert all(word in {*filler.split(), "the", "rain", "and", "snow"} for word in hit.snippet.strip("…").split())
    assert 100 < len(hit.snippet) <= 162


@pytest.mark.parametrize(
    "text", ["x" * 500 + "rain", "雨" * 400 + " rain" + "雨" * 400, "rain" + "y" * 9000, "rain " * 900]
)
def test_snippets_of_unusual_texts(database: Database, text: str) -> None:
    """Texts without spaces, words without end and words without number have snippets of the same length."""
    say(database, text)

    (hit,) = search_messages(database, "xxx" if text[0] == "x" else "rain")

    assert len(hit.snippet) <= 162
    assert all(0 <= begin < end <= len(hit.snippet) for begin, end in hit.highlights)
    assert list(hit.highlights) == sorted(hit.highlights)
    assert hit.highlights


def test_text_far_inside_a_very_long_message_is_found(database: Database) -> None:
    """A word at the end of a megabyte is found, even if the snippet shows only the beginning."""
    say(database, "lorem ipsum " * 100_000 + "needle")

    (hit,) = search_messages(database, "needle")

    assert hit.snippet.endswith("…")

"""Search: in any language, in any bytes, the best first."""

from __future__ import annotations

from typing import Any

import pytest

from .backends import Can, Store, having, oracles, ours
from .samples import chance, said, snapshot

CORPUS = {
    "drinks/green-tea.md": b"Green leaves, steeped at eighty degrees for the shortest of times.",
    "drinks/espresso.md": b"Finely ground coffee under pressure. What is left is the crema.",
    "drinks/chai.txt": b"Black tea, milk, cardamom and the patience to let it simmer.",
    "people/ada.json": b'{"name": "Ada", "likes": ["coffee", "gardens"], "about": "She keeps bees."}',
    "places/harbour": b"A harbour with seven cranes, and ferries to the islands.",
    "places/library": b"Quiet. The reading room opens at nine and closes at dusk.",
    "plans/today": b"Buy stamps, call the plumber, water the tomatoes.",
    "plans/later": b"Learn to weld; paint the fence a colour that has no name.",
}


@pytest.fixture
def library(store: Store) -> Store:
    """A storage with the corpus."""
    store.fill(CORPUS)
    return store


@having(Can.LEAVE_OUT_EXTENSIONS)
def test_the_extension_of_a_key_does_not_count(store: Store) -> None:
    """A query for `md` does not find every `.md`; what only begins with a dot is a name."""
    store.fill({"a.md": b"tea", "b/c.tar.gz": b"tea", ".hidden": b"tea", "d.e/f": b"tea", "g": b"md in the text"})

    assert store.found("md") == {"g"}
    assert store.found("gz") == set()
    assert store.found("tar") == {"b/c.tar.gz"}
    assert store.found("hidden") == {".hidden"}
    assert store.found("e") == {"d.e/f"}


@having(Can.LEAVE_OUT_STOP_WORDS)
def test_a_query_of_stop_words_finds_nothing(library: Store) -> None:
    """Words that stand in every text say nothing about what is looked for."""
    for query in ("the", "what is the", "AND", "or not", "Who is it, and why?"):
        assert library.search(query) == []


@having(Can.LEAVE_OUT_STOP_WORDS)
def test_stop_words_of_a_question_are_left_out(library: Store) -> None:
    """A question in natural language finds what it is about, and not every text with `the` in it."""
    assert library.found("What did she say about the ferries, and where do they go to?") == {"places/harbour"}


def test_results_come_best_first(library: Store) -> None:
    """What has more words of the query comes first, scores fall and are above zero: higher is better."""
    results = library.search("ferries cranes islands dusk tomatoes stamps")

    assert [result.key for result in results] == ["places/harbour", "plans/today", "places/library"]
    scores = [result.score for result in results]
    assert scores == sorted(scores, reverse=True)
    assert len(set(scores)) == 3
    assert min(scores) > 0


def test_searching_again_gives_the_same(library: Store) -> None:
    """A search changes nothing, and what nothing changed gives the same results in the same order."""
    for query in ("coffee tea harbour", "the", "plans"):
        first = library.search(query)

        assert library.search(query) == first
    assert library.contents() == CORPUS


def test_a_search_sees_every_one_of_many_changes(store: Store) -> None:
    """Between two searches, values may come, change and go as they like."""
    names = [f"n{number:02}" for number in range(40)]
    store.fill({name: f"first{name}".encode() for name in names})
    assert store.found("firstn07") == {"n07"}

    for number, name in enumerate(names):
        if number % 3 == 0:
            store.delete(name)
        elif number % 3 == 1:
            store.write(name, f"second{name}".encode())
            store.write(name, f"third{name}".encode())

    queries = " ".join(f"first{name} second{name} third{name}" for name in names)
    assert store.found(queries) == {name for number, name in enumerate(names) if number % 3}
    assert store.found("secondn01") == set()
    assert store.found("thirdn01") == {"n01"}
    assert store.found("firstn02") == {"n02"}


def test_a_value_may_be_overwritten_by_itself(store: Store) -> None:
    """Writing what is there already neither hides a value nor shows it twice."""
    for _ in range(3):
        store.write("a", b"tea")

        assert store.found("tea") == {"a"}


WORDS = (
    ("Grüße aus Köln", "köln"),
    ("un café crème", "café"),
    ("un café crème", "CRÈME"),
    ("el niño", "niño"),
    ("чёрный чай", "чай"),
    ("чёрный ЧАЙ", "чай"),
    ("πράσινο τσάι", "τσάι"),
    ("τσάι", "ΤΣΆΙ"),
    ("çay bahçesi", "çay"),
    ("trà xanh", "trà"),
    ("شاي أخضر", "شاي"),
    ("תה ירוק", "תה"),
    ("a 2024 vintage", "2024"),
    ("model x86 of room 3b", "x86"),
    ("the dark_mode switch", "dark_mode"),
    ("don't-stop", "stop don't"),
    ("\N{MATHEMATICAL BOLD SMALL A}\U00020000", "\N{MATHEMATICAL BOLD SMALL A}\U00020000"),
)
"""Contents, and a query that finds each of them."""


def test_words_of_any_language_find(store: Store) -> None:
    """Words with accents and words of other alphabets are words, in large and small letters."""
    store.write("b", b"nothing of the kind")
    missed = []
    for content, query in WORDS:
        store.write("a", content.encode())
        if store.found(query) != {"a"}:
            missed.append((content, query))

    assert missed == []


DENSE = {
    "zh": "昨天我买了红茶和牛奶",
    "ja": "毎日お茶を飲みます",
    "ko": "저는녹차를마셔요",
    "en": "nothing of the kind",
}


WITHIN = {
    "红茶": {"zh"},
    "红": {"zh"},
    "茶": {"zh", "ja"},
    "买了红茶": {"zh"},
    "お茶": {"ja"},
    "飲みます": {"ja"},
    "녹차": {"ko"},
}


@ours
def test_sqlite_finds_text_that_is_written_without_spaces(store: Store) -> None:
    """**Ours.** A query in Chinese, Japanese or Korean finds text that contains it; the SDK's search does not."""
    store.fill({key: text.encode() for key, text in DENSE.items()})

    assert {query: store.found(query) for query in WITHIN} == WITHIN


@oracles
def test_oracle_finds_text_without_spaces_as_a_whole_only(store: Store) -> None:
    """To the SDK's keyword search, what stands between two spaces is one word, in every language."""
    store.fill({key: text.encode() for key, text in DENSE.items()})

    assert store.found("红茶") == set()
    assert store.found(DENSE["zh"]) == {"zh"}


@ours
def test_sqlite_finds_words_by_their_beginning(store: Store) -> None:
    """**Ours.** A word of the query finds longer words that begin with it, and none that only contains it."""
    store.fill({"a": b"harbours and teapots", "b": b"steam"})

    assert store.found("harbour") == {"a"}
    assert store.found("tea") == {"a"}


@ours
def test_sqlite_scores_lie_between_zero_and_one(library: Store) -> None:
    """**Ours.** Scores are shares of one, and results carry no value: reading thousands is what makes searches slow."""
    results = library.search("coffee tea harbour ferries")

    assert len(results) == 5
    assert all(0 < result.score < 1 for result in results)
    assert {result.data for result in results} == {None}


@oracles
def test_oracle_scores_count_words_and_carry_values(library: Store) -> None:
    """The SDK's keyword search counts the query's words in each value, and gives the value with it."""
    results = library.search("coffee ferries harbour")

    assert {result.key: result.score for result in results} == {
        "drinks/espresso.md": 1,
        "people/ada.json": 1,
        "places/harbour": 2,
    }
    assert all(result.data == CORPUS[result.key] for result in results)


HALF_TEXT = (
    b"tea\0pot",
    b"\xff\xfe tea \x80\x81",
    chance(3000) + b" tea " + chance(3000, 2),
    b"tea\xff",
    b"\x00" * 5000 + b" tea",
    b"\xed\xa0\x80 tea \xed\xbf\xbf",
    "tea \ufffe\uffff \U0010ffff".encode(),
)


def test_binary_content_is_searched_as_far_as_it_is_text(store: Store) -> None:
    """Bytes that are no text are no words, and hide none."""
    store.fill({f"a{number}": content for number, content in enumerate(HALF_TEXT)})
    store.fill({"b": b"", "c": chance(5000, 3), "d": b"\xff"})

    assert store.found("tea") == {f"a{number}" for number in range(len(HALF_TEXT))}
    assert store.read("a2") == HALF_TEXT[2]


@pytest.mark.parametrize("boundary", [256, 2048, 4096, 65_536, 131_072])
def test_a_word_is_found_wherever_it_lies(store: Store, boundary: int) -> None:
    """A word may lie across any place at which a long value could be cut, in the middle of a character too."""
    for word in ("watermelon", "чёрный", "茶" * 9):
        for shift in (1, 4, 5):
            store.write(f"at{shift}", b"x " * ((boundary - shift) // 2) + b"." * (shift % 2) + word.encode() + b" end")

        assert store.found(word) == {"at1", "at4", "at5"}
        assert store.found("end") == {"at1", "at4", "at5"}


def test_the_messages_of_a_snapshot_are_found(store: Store) -> None:
    """A snapshot is found by what was said, by its last message and after its next turn as well."""
    messages = [said(number) for number in range(30)]
    store.write("session/s", snapshot([*messages, said(30, "Let us talk about watermelons.")]))
    assert store.found("watermelons") == {"session/s"}

    store.write("session/s", snapshot([*messages, said(30, "[redacted]"), said(31, "Rather about figs.")]))
    assert store.found("figs") == {"session/s"}
    assert store.found("watermelons") == set()


@ours
@pytest.mark.parametrize("query", [None, 3, b"tea"])
def test_only_text_is_a_query(store: Store, query: Any) -> None:
    """What is no text is a `TypeError`, as it is for a key."""
    with pytest.raises(TypeError, match="must be str"):
        store.search(query)


@ours
def test_what_has_most_of_the_words_is_found_among_hundreds_that_have_one(store: Store) -> None:
    """A text with ten words of eleven comes before all that have the eleventh, which is a little rarer."""
    words = [f"word{number}x" for number in range(10)]
    filled = {f"alpha{number}": b"alpha" for number in range(210)}
    filled |= {f"{word}{number}": word.encode() for word in words for number in range(211)}
    store.fill({**filled, "answer": " ".join(words).encode()})

    assert store.search(" ".join(["alpha", *words]))[0].key == "answer"


@ours
def test_what_others_hold_does_not_turn_the_order_around(store: Store) -> None:
    """A word that is rare in a namespace counts for more there, however common it is in another."""
    mine, other = store.namespace("mine"), store.namespace("other")
    mine.fill({"wanted": b"python", **{f"{number}": b"banana" for number in range(9)}})
    assert mine.search("python banana")[0].key == "wanted"

    other.fill({f"{number}": b"python" for number in range(300)})
    assert len(other.search("python")) == 300

    assert mine.search("python banana")[0].key == "wanted"
    assert mine.found("python") == {"wanted"}


@ours
@pytest.mark.parametrize(
    ("text", "query", "strange"),
    [
        ("Fahrt nach \u0130stanbul", "\u0130stanbul", "Stanbul"),
        ("Fahrt nach \u0130stanbul", "istanbul", "Stan"),
        ("a r\u00e9sum\u00e9", "re\u0301sume\u0301", "resupply"),
        ("a re\u0301sume\u0301", "R\u00c9SUM\u00c9", "resupply"),
        (
            "\u0939\u093f\u0928\u094d\u0926\u0940",
            "\u0939\u093f\u0928\u094d\u0926\u0940",
            "\u0939\u093e\u0925\u0940 \u0928\u0926\u0940 \u0926\u093e\u0932",
        ),
        ("\uff34\uff45\uff41", "tea", "coffee"),
    ],
    ids=["dotted i", "plain i", "marks apart in the query", "marks apart in the text", "vowel signs", "full width"],
)
def test_marks_belong_to_their_letters(store: Store, text: str, query: str, strange: str) -> None:
    """However accents and vowel signs are spelled, a word is found by itself and not by its pieces."""
    store.fill({"this": text.encode(), "that": strange.encode()})
    assert store.found(query) == {"this"}

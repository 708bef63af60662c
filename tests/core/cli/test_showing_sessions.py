"""`show`, in the terminal and for programs."""

import base64
import json
from pathlib import Path
from typing import Any

import pytest

from . import talks
from .conftest import Shell

TEXT = """\
order
agent support · 6 messages · 1,333 tokens · {size}
2026-03-01 09:00 to 2026-03-01 09:00

#0 user  2026-03-01 09:00:00
   My order A-1001 has not arrived. Where is it?

#1 assistant  09:00:01  310 → 52 tokens · 1.4 s
   ~ The customer wants to know where the parcel is.
   I'll look it up.
   → find_order(order="A-1001")

#2 tools  09:00:02
   ← find_order: {{ "status": "shipped", "carrier": "DHL", "note": "delayed by
     snow delayed by snow delayed by snow delayed by snow delayed by sn…

#3 assistant  09:00:03  420 → 31 tokens · 1.4 s
   Your parcel is on its way, delayed by snow.

#4 user  09:00:04
   This is what the box looks like:
   [image · png · {png} B]

#5 assistant  09:00:05  500 → 20 tokens · 1.4 s
   Thank you, I have added the picture.
"""


def test_a_conversation(shell: Shell, order: str) -> None:
    """`show` reads like a conversation: roles, times, tools folded, images named, tokens and latency."""
    shown = shell.out("show", order)
    size = shown.splitlines()[1].rsplit(" · ", 1)[1]
    assert shown == TEXT.format(size=size, png=len(talks.PNG))


def test_full(shell: Shell, order: str) -> None:
    """`--full` folds nothing."""
    shown = shell.out("show", order, "--full")
    assert '     {\n       "order": "A-1001"\n     }\n' in shown
    assert " ".join(shown.split()).count("delayed by snow") == 21


def test_slices(shell: Shell, order: str) -> None:
    """`--limit` and `--offset` take a slice as Python does; -2 are the last two."""
    document = shell.json("show", order, "--offset", "-2")
    assert [each["message_id"] for each in document["messages"]] == [4, 5]
    document = shell.json("show", order, "--offset", "1", "--limit", "2")
    assert [each["message_id"] for each in document["messages"]] == [1, 2]
    shell.run("show", order, "--offset", "6", code=1)


def test_more_messages_than_are_read_at_once(db: Path, shell: Shell) -> None:
    """A long session is shown whole, in order."""
    talks.store(db, "long", talks.agent("a", [talks.user(str(number)) for number in range(450)]))
    assert [each["message_id"] for each in shell.json("show", "long")["messages"]] == list(range(450))
    assert [each["message_id"] for each in shell.json("show", "long", "--limit", "300")["messages"]] == list(range(300))


def test_json(shell: Shell, order: str) -> None:
    """`--json` has the summary and the messages as they are stored; bytes are encoded as the SDK does it."""
    document = shell.json("show", order)
    assert list(document) == ["version", "session", "messages"]
    assert document["session"]["info"]["session_id"] == order
    assert document["session"]["agents"][0]["total_tokens"] == 1333
    message = document["messages"][4]
    assert {"session_id", "agent_id", "message_id", "role", "message", "redacted", "created_at"} <= message.keys()
    encoded = message["message"]["content"][1]["image"]["source"]["bytes"]
    assert encoded == {"__bytes_encoded__": True, "data": base64.b64encode(talks.PNG).decode()}
    lines = shell.out("show", order, "--jsonl").splitlines()
    assert [json.loads(line) for line in lines] == [{"version": 1, **each} for each in document["messages"]]


def test_redacted(db: Path, shell: Shell) -> None:
    """What a guardrail took out is marked, and its original is not shown."""
    messages = [talks.user("my card is 4111"), talks.assistant("Thank you.")]
    talks.store(db, "s", talks.agent("a", messages, redacted={0: talks.user("[removed]")}))
    shown = shell.out("show", "s")
    assert "#0 user  2026-03-01 09:00:00  redacted\n   [removed]\n" in shown
    assert "4111" not in shown + shell.out("show", "s", "--html") + shell.out("show", "s", "--json")


def test_several_agents(db: Path, shell: Shell) -> None:
    """Several agents are shown one after the other, or one of them with `--agent`."""
    talks.store(db, "s", talks.agent("a", [talks.user("to a")]), talks.agent("b", [talks.user("to b")]))
    shown = shell.out("show", "s")
    assert shown.index("── a ──") < shown.index("to a") < shown.index("── b ──") < shown.index("to b")
    assert "to a" not in shell.out("show", "s", "--agent", "b")
    assert "it has a, b" in shell.run("show", "s", "--agent", "c", code=2).stderr


def test_failed_tools_and_strange_blocks(db: Path, shell: Shell) -> None:
    """A tool that failed says so, and blocks that nobody knows are told by their name, never an error."""
    content = [
        talks.call("send", 7, to="x"),
        {"reasoningContent": {"redactedContent": b"123"}},
        {"document": {"format": "pdf", "name": "bill", "source": {"location": {"type": "s3", "uri": "s3://b/k"}}}},
        {"citationsContent": {"content": [{"text": "Cited."}], "citations": [{"title": "Book"}]}},
        {"cachePoint": {"type": "default"}},
        {"futureBlock": [1, 2]},
        {"toolUse": None},
        {"image": "none"},
        17,
    ]
    answers = [talks.result({"text": "no line"}, number=7, status="error"), talks.result(None, {"new": 1}, number=9)]
    strange = [talks.assistant(*content), talks.user(*answers), {"role": "user", "content": None}]
    talks.store(db, "s", talks.agent("a", strange))
    shown = shell.out("show", "s")
    for line in (
        '   → send(to="x")',
        "   ~ (encrypted by the provider, 3 B)",
        "   [document · bill · pdf · s3://b/k]",
        "   [cites Book]",
        '   [cachePoint] {"type": "default"}',
        "   [futureBlock] [1, 2]",
        "   ← send failed: no line",
        "   (nothing)",
    ):
        assert line in shown.splitlines(), line
    assert "send failed" in shell.out("show", "s", "--html")
    shell.run("show", "s", "--full")


def test_wide_characters(db: Path, shell: Shell) -> None:
    """Chinese and Japanese take two columns each, and break anywhere but before their punctuation."""
    talks.store(db, "s", talks.agent("a", [talks.user("荷物は雪のため遅れています。" * 6)]))
    lines = shell.out("show", "s").splitlines()[5:]
    assert [len(line.strip()) for line in lines] == [38, 38, 8]
    assert shell.out("show", "s", "--width", "0").splitlines()[5].strip() == "荷物は雪のため遅れています。" * 6


def test_checkpoints(shell: Shell, order: str) -> None:
    """`--checkpoints` lists where `fork` and `rewind` can go, and where tools were at work."""
    document = shell.json("show", order, "--checkpoints")
    assert [each["complete"] for each in document["checkpoints"]] == [True, False, True, True, True, True]
    assert shell.out("show", order, "--checkpoints").splitlines()[1].split("\t")[:3] == ["1", "support", "assistant"]


def test_a_file_is_there_whole_or_not_at_all(shell: Shell, order: str, tmp_path: Path) -> None:
    """`-o` writes a file for this user alone, without colours; the database is never written over."""
    target = tmp_path / "talk.txt"
    assert shell.out("show", order, "-o", str(target)) == ""
    assert "I'll look it up." in target.read_text()
    assert target.stat().st_mode & 0o077 == 0
    for suffix in ("", "-wal"):
        before = shell.db.read_bytes()
        assert "is the database" in shell.run("show", order, "-o", f"{shell.db}{suffix}", code=2).stderr
        assert shell.db.read_bytes() == before
    shell.run("show", order, "-o", str(tmp_path / "missing" / "talk.txt"), code=3)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["agents.db", "talk.txt"]


def test_output_that_is_no_file(shell: Shell, order: str) -> None:
    """`-o /dev/null` is written to, and not replaced by a file."""
    shell.run("show", order, "-o", "/dev/null")
    assert Path("/dev/null").is_char_device()


def test_no_such_session(shell: Shell, order: str) -> None:
    """A session that is not there is an error with its hint, and no traceback."""
    outcome = shell.run("show", f"{order}2", code=3)
    assert outcome.stdout == ""
    assert outcome.stderr.startswith("error: ")
    assert "Traceback" not in outcome.stderr


@pytest.mark.parametrize("option", ["--json", "--jsonl", "--checkpoints"])
def test_a_page_is_no_document(shell: Shell, order: str, option: str) -> None:
    """`--html` and what is for programs exclude each other."""
    shell.run("show", order, "--html", option, code=2)


@pytest.mark.parametrize("message", ["just text", ["a", "list"], 17, None])
def test_messages_that_are_none(db: Path, shell: Shell, message: Any) -> None:
    """What another program stored in place of a message is shown as it is."""
    talks.store(db, "s", talks.agent("a", [message, talks.user("hello")]))
    shown = shell.out("show", "s")
    assert json.dumps(message) in shown
    assert "hello" in shown
    assert "hello" in shell.out("show", "s", "--html")
    assert shell.json("show", "s")["messages"][0]["message"] == message

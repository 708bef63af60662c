"""Values that must be told apart, or refused, before they are stored."""

from __future__ import annotations

from typing import Any

import pytest
from strands.types.session import SessionAgent, SessionMessage

from strands_sqlite_session_manager import CodecError, SQLiteSessionManager, _codec


def message(*content: Any) -> SessionMessage:
    return SessionMessage({"role": "user", "content": list(content)}, 0)


@pytest.mark.parametrize("data", ["x", 7, None, ["a"]])
def test_what_looks_like_encoded_bytes_and_cannot_be_decoded_is_refused(data: Any) -> None:
    """A tool that answers with a broken marker fails its own write, not every later restore of the session."""
    fake = {"json": {"__bytes_encoded__": True, "data": data}}
    with SQLiteSessionManager("s", ":memory:") as manager:
        manager.create_agent("s", SessionAgent("a", {}, {}))
        with pytest.raises(CodecError, match="__bytes_encoded__"):
            manager.create_message("s", "a", message(fake))
        with pytest.raises(CodecError, match="__bytes_encoded__"):
            manager.update_agent("s", SessionAgent("a", {"x": fake}, {}))
        assert manager.list_messages("s", "a") == []


def test_a_stored_value_that_another_program_broke_is_a_typed_error() -> None:
    """A row that cannot be decoded says so, whatever is wrong with it."""
    with pytest.raises(CodecError, match="cannot be read"):
        _codec.loads_bytes('{"__bytes_encoded__":true,"data":"x"}')
    with pytest.raises(CodecError, match="not readable JSON"):
        _codec.loads("{")


def test_a_reference_of_the_callers_own_stays_what_it_is() -> None:
    """Content that looks like a reference to a stored binary value comes back as it was, beside the real one."""
    content = b"x" * 1000
    (text,), blobs = _codec.dumps_apart({"real": content})
    (digest,) = blobs
    fake = {"__bytes_encoded__": True, "sha256": digest, "size": len(content)}
    with SQLiteSessionManager("s", ":memory:") as manager:
        manager.create_agent("s", SessionAgent("a", {}, {}))
        record = message({"image": {"source": {"bytes": content}}}, {"json": fake})
        record.redact_message = {"role": "user", "content": [{"json": fake}]}  # type: ignore[list-item]
        manager.create_message("s", "a", record)
        (found,) = manager.list_messages("s", "a")
        assert found.message == record.message
        assert found.redact_message == record.redact_message
    assert _codec.loads_bytes(text, blobs) == {"real": content}

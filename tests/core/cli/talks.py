"""Sessions that the tests of the command look at."""

from base64 import b64decode, b64encode
from pathlib import Path
from typing import Any

from strands_sqlite_session_manager._schema import open_database
from strands_sqlite_session_manager.repository.logs import AgentLog, LogMessage, SessionLog, write_log

PNG = b64decode("iVBORw0KGgoAAAANSUhEUgAAAAgAAAAICAIAAABLbSncAAAAEklEQVR42mNgYPj/Hx9mGBkKAPGXf4GQ4vR6AAAAAElFTkSuQmCC")

DAY = "2026-03-01"


def at(second: int) -> str:
    """The time of a message so many seconds after nine o'clock."""
    return f"{DAY}T{9 + second // 3600:02}:{second // 60 % 60:02}:{second % 60:02}.000+00:00"


def user(*blocks: Any) -> dict[str, Any]:
    return {"role": "user", "content": [{"text": each} if isinstance(each, str) else each for each in blocks]}


def assistant(*blocks: Any, tokens: tuple[int, int] | None = None) -> dict[str, Any]:
    message = {**user(*blocks), "role": "assistant"}
    if tokens is not None:
        usage = {"inputTokens": tokens[0], "outputTokens": tokens[1], "totalTokens": sum(tokens)}
        message["metadata"] = {"usage": usage, "metrics": {"latencyMs": 1400}}
    return message


def call(name: str, number: int = 1, **arguments: Any) -> dict[str, Any]:
    return {"toolUse": {"toolUseId": f"t{number}", "name": name, "input": arguments}}


def result(*content: Any, number: int = 1, status: str = "success") -> dict[str, Any]:
    return {"toolResult": {"toolUseId": f"t{number}", "status": status, "content": list(content)}}


def image(data: bytes = PNG, kind: str = "png") -> dict[str, Any]:
    return {"image": {"format": kind, "source": {"bytes": data}}}


ORDER = [
    user("My order A-1001 has not arrived. Where is it?"),
    assistant(
        {"reasoningContent": {"reasoningText": {"text": "The customer wants to know where the parcel is."}}},
        "I'll look it up.",
        call("find_order", order="A-1001"),
        tokens=(310, 52),
    ),
    user(result({"json": {"status": "shipped", "carrier": "DHL", "note": "delayed by snow " * 20}})),
    assistant("Your parcel is on its way, delayed by snow.", tokens=(420, 31)),
    user("This is what the box looks like:", image()),
    assistant("Thank you, I have added the picture.", tokens=(500, 20)),
]


def _encoded(value: Any) -> Any:
    if isinstance(value, bytes):
        return {"__bytes_encoded__": True, "data": b64encode(value).decode()}
    if isinstance(value, dict):
        return {key: _encoded(each) for key, each in value.items()}
    return [_encoded(each) for each in value] if isinstance(value, list) else value


_MANAGER = '{"__name__":"NullConversationManager","removed_message_count":0}'


def agent(name: str, messages: list[Any], *, redacted: dict[int, Any] | None = None, start: int = 0) -> AgentLog:
    """An agent with messages, a second apart."""
    log = AgentLog(name, "{}", _MANAGER, "{}", at(start), at(0))
    for number, message in enumerate(messages):
        instead = _encoded((redacted or {}).get(number))
        time = at(start + number)
        log.messages.append(LogMessage(number, _encoded(message), instead, time, time))
    return log


def store(path: Path | str, session_id: str, *agents: AgentLog) -> None:
    """Write a session."""
    log = SessionLog("AGENT", at(0), at(0), agents=[*agents])
    database = open_database(path)
    try:
        database.write(lambda connection: write_log(connection, session_id, log))
    finally:
        database.close()

"""A conversation that outlives its process.

    uv run examples/quickstart.py                     a small offline model, so that it runs anywhere
    uv run examples/quickstart.py --model bedrock     a model of the SDK, with its default id
    uv run examples/quickstart.py --model ollama:llama3.1 --db orders.db

A first process asks about an order, uses a tool, and ends. A second one knows what was said. Then the transcript is
read from the file.
"""

from __future__ import annotations

import argparse
import importlib
import re
import subprocess
import sys
from collections.abc import AsyncIterator
from typing import Any

from strands import Agent, tool
from strands.models import Model

from strands_sqlite_session_manager import SQLiteSessionManager

SESSION = "quickstart"
QUESTIONS = ("Where is my order 4711?", "Which order did I ask you about, and where is it?")


@tool
def track_order(number: str) -> str:
    """Look up where an order is.

    Args:
        number: The order number.
    """
    return f"Order {number} left the warehouse this morning."


class OfflineModel(Model):
    """Stands in for a real model: calls the tool for a new order number, and remembers what it was told."""

    def update_config(self, **model_config: Any) -> None:
        """Take no settings."""

    def get_config(self) -> dict[str, Any]:
        """Return no settings."""
        return {}

    async def structured_output(self, output_model: Any, prompt: Any, *args: Any, **kwargs: Any) -> Any:
        """Refuse: this model speaks prose only."""
        message = "the offline model has no structured output"
        raise NotImplementedError(message)
        yield {}

    async def stream(self, messages: Any, *args: Any, **kwargs: Any) -> AsyncIterator[Any]:
        """Answer the last message, as the events of a real provider."""
        blocks = [block for message in messages for block in message["content"]]
        results = [block["toolResult"]["content"][0]["text"] for block in blocks if "toolResult" in block]
        number = re.search(r"\d+", blocks[-1].get("text", ""))
        yield {"messageStart": {"role": "assistant"}}
        if number:
            call = {"toolUseId": f"call-{len(messages)}", "name": "track_order"}
            yield {"contentBlockStart": {"start": {"toolUse": call}}}
            yield {"contentBlockDelta": {"delta": {"toolUse": {"input": f'{{"number": "{number[0]}"}}'}}}}
        else:
            answer = results[-1] if results else "You have not asked about an order yet."
            yield {"contentBlockDelta": {"delta": {"text": answer}}}
        yield {"contentBlockStop": {}}
        yield {"messageStop": {"stopReason": "tool_use" if number else "end_turn"}}


def choose_model(name: str) -> Model:
    """Return the offline model, or one of the SDK: the name of its module, and an id after a colon where wanted.

    Raises:
        argparse.ArgumentTypeError: The SDK has no such model, or its provider is not installed.
    """
    if name == "offline":
        return OfflineModel()
    provider, _, model_id = name.partition(":")
    try:
        module = importlib.import_module(f"strands.models.{provider}")
    except ImportError as error:
        message = f"{error}; see strands.models for the names, and install strands-agents[{provider}]"
        raise argparse.ArgumentTypeError(message) from error
    kinds = [found for found in vars(module).values() if isinstance(found, type) and issubclass(found, Model)]
    (kind,) = [found for found in kinds if found.__module__ == module.__name__]
    return kind(model_id=model_id) if model_id else kind()


def ask(question: str, arguments: argparse.Namespace) -> None:
    """Ask one question in this process."""
    with SQLiteSessionManager(SESSION, arguments.db) as manager:
        agent = Agent(model=arguments.model, tools=[track_order], session_manager=manager, callback_handler=None)
        print(f"  {len(agent.messages)} messages restored")
        print(f"  > {question}\n  {str(agent(question)).strip()}")


def describe(block: Any) -> str:
    """Return one line about a block of content."""
    if "toolUse" in block:
        return f"calls {block['toolUse']['name']}({block['toolUse']['input']})"
    if "toolResult" in block:
        return f"result: {block['toolResult']['content'][0]['text']}"
    return str(block.get("text", block))


def show(arguments: argparse.Namespace) -> None:
    """Print the transcript from the file."""
    with SQLiteSessionManager(SESSION, arguments.db) as manager:
        for record in manager.list_messages(SESSION, "default"):
            message = record.to_message()
            for block in message["content"]:
                print(f"  {record.message_id:>3} {message['role']:<9} {describe(block)}")
        print(f"\nEverything is in {manager.db_path}")


def main() -> None:
    """Run each question in a process of its own, then show what is stored."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--model", default="offline", type=choose_model, help="offline, or MODULE[:MODEL_ID] of strands.models"
    )
    parser.add_argument("--db", help="the database; default: STRANDS_SQLITE_DB_PATH, else ./sessions.db")
    parser.add_argument("--question", help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.question:
        ask(arguments.question, arguments)
        return
    for number, question in enumerate(QUESTIONS, 1):
        print(f"Process {number}", flush=True)
        if subprocess.run([sys.executable, __file__, *sys.argv[1:], "--question", question], check=False).returncode:
            sys.exit(f"process {number} failed")
    print("\nThe transcript")
    show(arguments)


if __name__ == "__main__":
    main()

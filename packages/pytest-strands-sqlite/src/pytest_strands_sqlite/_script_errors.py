"""What goes wrong between a script and the agent that it plays for."""

from strands.types.exceptions import EventLoopException

_PUBLIC = "pytest_strands_sqlite"
"""Where users import these from, and so what reports name."""


class ScriptError(EventLoopException):
    """The script and what the agent did do not fit together.

    An `EventLoopException`, because the SDK wraps every other error of a model in one once a tool has run.
    """

    __module__ = _PUBLIC

    def __init__(self, text: str) -> None:
        """Say what does not fit."""
        super().__init__(AssertionError(text))


class ScriptExhaustedError(ScriptError):
    """The agent called the model more often than the script has steps.

    The message says how long the script was, which agent called and what it sent. Add the missing step, or look for
    the call that the test did not expect, such as a retry or a structured-output round.
    """

    __module__ = _PUBLIC


class ToolNotOfferedError(ScriptError, ValueError):
    """A step calls a tool that the agent did not offer.

    The message lists what was offered. Correct the name, or give the agent the tool; for a Pydantic object, call the
    agent with `structured_output_model`. `ScriptedModel(..., check_tools=False)` lets the model call what it likes.
    """

    __module__ = _PUBLIC

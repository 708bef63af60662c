"""Test tools for Strands agents that keep their sessions in SQLite.

Importing this imports nothing of the SDK: a name brings its room when it is first used.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ._options import SessionOptions
    from ._sessions import SessionFactory
    from ._watch import LeakedSessionWarning
    from .faults import SessionFaults
    from .replay import RecordedScript, RecordedStep, record_script
    from .scripted_model import (
        Answer,
        ModelCall,
        Reasoning,
        Redaction,
        Reply,
        Script,
        ScriptedModel,
        ScriptError,
        ScriptExhaustedError,
        Step,
        ToolCall,
        ToolNotOfferedError,
    )
    from .transcripts import Line, Transcript, transcript

_ROOMS = {
    "Answer": "scripted_model",
    "LeakedSessionWarning": "_watch",
    "Line": "transcripts",
    "ModelCall": "scripted_model",
    "Reasoning": "scripted_model",
    "RecordedScript": "replay",
    "RecordedStep": "replay",
    "Redaction": "scripted_model",
    "Reply": "scripted_model",
    "Script": "scripted_model",
    "ScriptError": "scripted_model",
    "ScriptExhaustedError": "scripted_model",
    "ScriptedModel": "scripted_model",
    "SessionFactory": "_sessions",
    "SessionFaults": "faults",
    "SessionOptions": "_options",
    "Step": "scripted_model",
    "ToolCall": "scripted_model",
    "ToolNotOfferedError": "scripted_model",
    "Transcript": "transcripts",
    "record_script": "replay",
    "transcript": "transcripts",
}
_MODULES = {"contracts", "factories", "faults", "plugin", "replay", "scripted_model", "transcripts"}

__all__ = [
    "Answer",
    "LeakedSessionWarning",
    "Line",
    "ModelCall",
    "Reasoning",
    "RecordedScript",
    "RecordedStep",
    "Redaction",
    "Reply",
    "Script",
    "ScriptError",
    "ScriptExhaustedError",
    "ScriptedModel",
    "SessionFactory",
    "SessionFaults",
    "SessionOptions",
    "Step",
    "ToolCall",
    "ToolNotOfferedError",
    "Transcript",
    "record_script",
    "transcript",
]

if not TYPE_CHECKING:  # a type checker knows the names, and reports those that are none

    def __getattr__(name: str) -> object:
        """Import the room that has `name`, or is it."""
        if name in _MODULES:
            return import_module(f".{name}", __name__)
        if name not in _ROOMS:
            message = f"module {__name__!r} has no attribute {name!r}"
            raise AttributeError(message)
        value = getattr(import_module(f".{_ROOMS[name]}", __name__), name)
        globals()[name] = value
        return value


def __dir__() -> list[str]:
    """Return what the package offers, imported or not."""
    return sorted({*globals(), *__all__})

"""Test tools for Strands agents that keep their sessions in SQLite."""

from pytest_strands_sqlite.scripted_model import ModelCall, Redaction, ScriptedModel, ScriptExhaustedError, ToolCall

__all__ = [
    "ModelCall",
    "Redaction",
    "ScriptExhaustedError",
    "ScriptedModel",
    "ToolCall",
]

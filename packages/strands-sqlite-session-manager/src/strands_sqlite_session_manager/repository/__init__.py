"""Rows of sessions, agents, messages and multi-agent states, as the SDK's repository contract says.

Each operation is a function that takes the `Database` first.
"""

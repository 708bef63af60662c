"""Every text with which this package lets a test fail."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

_QUOTED = 300
"""So much of what was said stands in a text at most."""


def wrong_type(name: str, value: object, wanted: str) -> str:
    """Say that an option has a value of another type."""
    return f"strands-sqlite: {name} must be {wanted}, not {value!r}"


def unknown_value(name: str, value: object, known: Sequence[str]) -> str:
    """Say that an option has a value that is none of those that are known."""
    return f"strands-sqlite: {name} must be {' or '.join(known)}, not {value!r}"


def no_flag(name: str, error: Exception) -> str:
    """Say that an ini value is neither true nor false."""
    return f"strands-sqlite: {name} must be true or false: {error}"


def wrong_message(number: int, message: object) -> str:
    """Say that something is neither a text nor a message of the SDK."""
    return (
        f"strands-sqlite: messages[{number}] must be text, or a dict with the role user or assistant and a list as "
        f"content, not {message!r}"
    )


def no_json(name: str, error: Exception) -> str:
    """Say that JSON cannot hold an option."""
    return f"strands-sqlite: {name} must be JSON: {error}"


def wrong_config(value: object) -> str:
    """Say that the fixture `strands_sqlite_config` was overridden with something else than options."""
    return f"the fixture strands_sqlite_config must return SessionOptions, not {value!r}"


def wrong_marker(name: str, args: Sequence[object], unknown: Sequence[str], known: Sequence[str]) -> str:
    """Say that a marker has arguments that it does not know."""
    if args:
        return f"@pytest.mark.{name} takes keywords only ({', '.join(known)}), not {', '.join(map(repr, args))}"
    return f"@pytest.mark.{name} does not know {', '.join(unknown)}; it knows {', '.join(known)}"


def no_plugin() -> str:
    """Say that a fixture cannot do without the plugin."""
    return "the plugin strands_sqlite is not loaded: remove -p no:strands_sqlite"


def real_database(path: str) -> str:
    """Say that a test was about to write to the database of the user."""
    return (
        f"the test would write to {path}, which is not a database of a test: take sqlite_session_factory, give db_path "
        "a file below tmp_path, or set strands_sqlite_guard = false"
    )


def leaked(left: Iterable[tuple[str, str]]) -> str:
    """Say that databases were opened by a test and not closed: path and place of each."""
    return "\n".join(f"a user of database {path} was not closed; it was made at {place}" for path, place in left)


def both_given(option: str, other: str) -> str:
    """Say that one of two arguments would have no effect."""
    return f"agent_factory takes {option} or {other}, not both"


def no_file_to_fail() -> str:
    """Say that a fault would have no effect."""
    return (
        "session_faults has no database that could fail: the test, or a fixture of it, must name a fixture of sessions "
        "beside session_faults, or open session_faults.uri(file)"
    )


def nothing_to_lock() -> str:
    """Say that a file that does not exist cannot be locked."""
    return "there is no database to lock: make a session manager first"


def slow_by(seconds: float) -> str:
    """Say that a sync cannot take so long."""
    return f"slow_fsync takes seconds, 0 or more, not {seconds!r}"


def unreadable(error: Exception) -> str:
    """Say, in the report of a test, why it shows no conversation."""
    return f"(cannot be read: {error})"


def more_sessions(shown: int) -> str:
    """Say, in the report of a test, that it does not show all sessions."""
    return f"(the last {shown} sessions; there are more)"


def more_snapshots(shown: int) -> str:
    """Say, in the report of a test, that it does not show the snapshots of all sessions."""
    return f"(the snapshots of {shown} sessions; there are more)"


def transcript_lacks(what: str, transcript: str) -> str:
    """Say what a conversation does not have, and show it."""
    return f"{what}\n\n{transcript}"


def not_said(text: str, role: str | None) -> str:
    """Say that a text was not said."""
    return f"nobody said {text!r}" if role is None else f"the {role} did not say {text!r}"


def said(text: str, role: str, message_id: int) -> str:
    """Say that a text was said."""
    return f"the {role} said {text!r}, in message {message_id}"


def not_called(call: str, calls: Sequence[str]) -> str:
    """Say that a tool was not called, or not with these arguments."""
    return f"{call} was not called; the calls are: {', '.join(calls) or 'none'}"


def called(call: str, message_id: int) -> str:
    """Say that a tool was called."""
    return f"{call} was called, in message {message_id}"


def other_roles(found: Sequence[str], wanted: Sequence[str]) -> str:
    """Say that the messages are those of others."""
    return f"the roles are {', '.join(found) or 'none'}, not {', '.join(wanted) or 'none'}"


def other_state(expected: Mapping[str, object], states: Mapping[str, object]) -> str:
    """Say that no agent has a state."""
    shown = ", ".join(f"{agent_id}: {state!r}" for agent_id, state in states.items()) or "none"
    return f"no agent has {expected!r} in its state; the states are {shown}"


def no_agent(agent_id: str, known: Iterable[str]) -> str:
    """Say that a session has no such agent."""
    return f"there is no agent {agent_id!r}; there is: {_listed(known)}"


def no_role(role: str) -> str:
    """Say that nobody has such a role."""
    return f"role must be user or assistant, not {role!r}"


def no_transcript(kind: str) -> str:
    """Say that something holds no conversation that could be read."""
    return (
        "transcript() takes a SQLiteSessionManager, a SessionStore, a SQLiteStorage or a SnapshotSessionManager, "
        f"not a {kind}"
    )


def no_snapshots(session_id: str) -> str:
    """Say that there is no such session, neither as messages nor as snapshots."""
    return f"Session {session_id} does not exist"


def no_session(kind: str) -> str:
    """Say that a transcript needs the name of a session."""
    return f"a {kind} has no session of its own: name one with session_id"


# Scripts


def not_a_step(position: int, step: object) -> str:
    """A script was written with something that no call could answer with."""
    return f"step {position} is {step!r}, which is not a reply and not a function that returns one"


def not_a_reply(returned: object) -> str:
    """A function in a script returned something else than a reply."""
    return f"a function in the script returned {returned!r}, which is not a reply"


def says_nothing() -> str:
    """A `Reply` was made that neither says nor raises anything."""
    return "a Reply needs content or an exception to raise"


def not_content(content: object) -> str:
    """A `Reply` was made with something that a model cannot say."""
    return f"a Reply cannot say {content!r}"


def not_a_redaction_reply(reply: object) -> str:
    """A `Redaction` was made with something that a model cannot say."""
    return f"a Redaction cannot reply {reply!r}"


def redacts_nothing() -> str:
    """A `Redaction` was made that replaces neither side."""
    return "a Redaction needs a user_message, an assistant_message or both"


def negative(option: str, value: float) -> str:
    """A `Reply` was made with a time that cannot be."""
    return f"{option} is {value!r}, which is not a number of 0 or more"


def unknown_usage(names: Iterable[str], known: Iterable[str]) -> str:
    """A `Reply` was made with token counts that the SDK does not know."""
    return f"usage has no {_listed(names)}; it has: {_listed(known)}"


def nothing_to_think() -> str:
    """A `Reasoning` was made without anything in it, or with both kinds at once."""
    return "a Reasoning holds either a text, which may have a signature, or redacted bytes"


def exhausted(script: str | None, steps: int, agent_id: str | None, last: str) -> str:
    """The model was called more often than its script has steps."""
    return (
        f"all steps of {_script(script)} are used ({steps}), and {_caller(agent_id)} called again; {_shortened(last)}"
    )


def tool_not_offered(  # noqa: PLR0913 - what the sentence names
    script: str | None, position: int, agent_id: str | None, tool: str, offered: Iterable[str], *, structured: bool
) -> str:
    """A step calls a tool that the agent did not offer."""
    wanted = f"answers with a {tool}, for which" if structured else f"calls the tool {tool!r}, which"
    did = "did not ask" if structured else "did not offer"
    return f"step {position} of {_script(script)} {wanted} {_caller(agent_id)} {did}; it offered: {_listed(offered)}"


def unused(script: str | None, steps: int, unused_steps: Iterable[tuple[int, object]]) -> str:
    """A script was not used up."""
    left = [f"step {position}: {step!r}" for position, step in unused_steps]
    where = "" if script is None else f"the script of {script!r}: "
    return f"{where}{len(left)} of {steps} steps were not used: {'; '.join(left)}"


def did_not_fit(failure: str) -> str:
    """A call failed because of the script, and whoever made the call went on."""
    return f"the script did not fit a call: {failure}"


def no_structured_output(name: str, said: object) -> str:
    """Structured output was asked of the model itself, and the step does not give it."""
    return f"the step does not call the tool {name!r}, which structured output needs; it said: {said!r}"


def no_such_script(name: object, names: Iterable[str]) -> str:
    """A `Script` was asked for an agent that it has no steps for."""
    return f"no script for {name!r}; there is one for: {_listed(names)}"


def steps_are_no_list(name: str, steps: object) -> str:
    """A `Script` was given one step where a list of steps belongs."""
    return f"the steps of {name!r} are {steps!r}, which is not a list of steps"


def not_a_source(source: object) -> str:
    """A script was to be recorded from something that holds no conversation."""
    return f"{source!r} is not a SQLiteSessionManager, a SessionStore or a list of messages"


def which_session(session_ids: Iterable[str]) -> str:
    """A script was to be recorded from a store that does not hold exactly one session."""
    return f"name the session with session_id; the store holds: {_listed(session_ids)}"


def only_for_a_store() -> str:
    """A session was named where the source is one already."""
    return "session_id names a session of a SessionStore; this source holds one conversation"


def only_for_a_session() -> str:
    """An agent was named where the source is a list of messages."""
    return "agent_id names an agent of a session; a list of messages is of one agent"


def cannot_be_said(position: int, kinds: Iterable[str]) -> str:
    """A stored message holds what a script has no step for."""
    return f"message {position} holds what a script cannot say: {_listed(kinds)}"


def not_a_name(variable: str) -> str:
    """Python source was asked for under a name that Python does not allow."""
    return f"{variable!r} is not a name for a variable"


def _script(name: str | None) -> str:
    return "the script" if name is None else f"the script of {name!r}"


def _caller(agent_id: str | None) -> str:
    return "the caller" if agent_id is None else f"agent {agent_id!r}"


def _listed(names: Iterable[str]) -> str:
    return ", ".join(repr(name) for name in names) or "nothing"


def _shortened(text: str) -> str:
    return text if len(text) <= _QUOTED else f"{text[: _QUOTED - 1]}…"

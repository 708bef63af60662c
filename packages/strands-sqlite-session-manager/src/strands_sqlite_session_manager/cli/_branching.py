"""`fork` and `rewind`: another way to go on from a message."""

from __future__ import annotations

import click

from ._output import fields, print_answer
from ._plans import Consent, with_consent
from ._settings import Settings, command, refusing
from ._types import SESSION
from ._values import count

_AT = "The id of the last message that stays, as `show` has it after #; -1: before the first."


@command("fork")
@click.argument("session", type=SESSION)
@click.argument("new")
@click.option("--at", type=click.IntRange(-1), help=f"{_AT} Without it: all of them.")
@click.option("--agent", help="Whose message it is, where the session has several agents.")
def fork(settings: Settings, session: str, new: str, *, at: int | None, agent: str | None) -> None:
    """Begin the session NEW with what SESSION was.

    SESSION stays as it is. Attachments are shared, not copied.
    """
    with settings.writing() as store, refusing():
        made = store.fork_session(session, new, at=at, agent_id=agent)
    where = "" if at is None else f" at #{at}"
    line = f"forked {session}{where} into {made.session_id}: {count(made.messages, 'message')}"
    print_answer(settings, {"fork": fields(made)}, (line,))


@command("rewind")
@click.argument("session", type=SESSION)
@click.option("--at", type=click.IntRange(-1), required=True, help=_AT)
@click.option("--agent", help="Whose message it is, where the session has several agents.")
@with_consent
def rewind(_: Settings, consent: Consent, *, session: str, at: int, agent: str | None) -> None:
    """Take a session back to an earlier message.

    What came later is deleted, of all its agents.
    """
    with consent.store() as store, refusing():
        moment = store.read_checkpoint(session, at, agent)
        agents = {each.agent_id: each.messages for each in store.summarize_session(session).agents}
        others = sorted(agents.keys() - {moment.agent_id})
        removed = agents[moment.agent_id] - moment.messages
        plan = {"session_id": session, "agent_id": moment.agent_id, "at": at, "removed_messages": removed}
        lines = [f"rewind {session} to #{at}: {count(removed, 'message')} of {moment.agent_id} will be deleted"]
        if others:
            lines.append(f"what {', '.join(others)} said since then will be deleted too")
        if not consent.ask({**plan, "other_agents": others}, lines):
            return
        result = store.rewind_session(session, at=at, agent_id=agent)
    consent.done(fields(result), f"rewound {session}: {count(result.removed_messages, 'message')} deleted")

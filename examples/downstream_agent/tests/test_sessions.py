"""Many customers at one desk, in one file."""

import asyncio
from collections.abc import Callable

import pytest
from strands import Agent

from pytest_strands_sqlite import SessionFactory, ToolCall, transcript
from strands_sqlite_session_manager import SessionStore

CUSTOMERS = ["ada", "bo", "cleo", "dag"]


def test_customers_do_not_hear_each_other(desk: Callable[..., Agent], sqlite_session_factory: SessionFactory) -> None:
    """Two conversations in turns: each holds its own words and its own state, also after a restart."""
    ada = desk(ToolCall("deliver_to", {"place": "the office"}), "Noted, Ada.", "Goodbye, Ada.", customer="ada")
    bo = desk(ToolCall("find_parcel", {"number": "P-8"}), "In Bergen, Bo.", customer="bo")
    ada("To the office, please.")
    bo("Where is P-8?")
    ada("Goodbye.")
    sqlite_session_factory.restart()

    of_ada, of_bo = (transcript(sqlite_session_factory(f"customer-{name}")) for name in ("ada", "bo"))
    of_ada.assert_said("Goodbye, Ada.")
    of_ada.assert_state({"deliver_to": "the office"})
    of_ada.assert_not_said("Bo")
    of_ada.assert_not_called("find_parcel")
    of_bo.assert_called("find_parcel", {"number": "P-8"})
    of_bo.assert_not_said("Ada")
    assert desk(customer="bo").state.get("deliver_to") is None


@pytest.mark.strands_session(in_memory=False)
def test_customers_who_ask_at_once_all_get_their_answer(
    desk: Callable[..., Agent], sqlite_session_factory: SessionFactory, session_store: SessionStore
) -> None:
    """Agents that share an event loop and a file store what each of them said."""
    agents = [desk("Hello!", f"Goodbye, {customer}.", customer=customer) for customer in CUSTOMERS]

    async def ask(question: str) -> None:
        await asyncio.gather(*(agent.invoke_async(question) for agent in agents))

    asyncio.run(ask("Hi"))
    asyncio.run(ask("Bye"))
    assert {each.session_id: each.messages for each in session_store.list_sessions().sessions} == {
        f"customer-{customer}": 4 for customer in CUSTOMERS
    }
    sqlite_session_factory.restart()

    for customer in CUSTOMERS:
        said = transcript(sqlite_session_factory(f"customer-{customer}"))
        said.assert_said(f"Goodbye, {customer}.")
        said.assert_roles("user", "assistant", "user", "assistant")


def test_a_customer_who_leaves_is_forgotten(desk: Callable[..., Agent], sqlite_session_factory: SessionFactory) -> None:
    """Deleting one session leaves the others as they are."""
    desk("Hello, Ada.", customer="ada")("Hi")
    desk("Hello, Bo.", customer="bo")("Hi")
    sqlite_session_factory().delete_session("customer-ada")
    sqlite_session_factory.restart()

    assert desk(customer="ada").messages == []
    assert len(desk(customer="bo").messages) == 2

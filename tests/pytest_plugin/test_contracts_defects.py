"""Each contract catches a subject that breaks one promise, by the test that is named after it."""

from __future__ import annotations

from typing import Any

import pytest

from pytest_strands_sqlite.contracts._capabilities import needed_by
from pytest_strands_sqlite.contracts._contract import Contract
from tests.pytest_plugin import contract_defects

SUITE = """
from tests.pytest_plugin import contract_defects, {module}


class TestBroken(contract_defects.{suite}):
    subject = {module}.{subject}
"""

QUICKLY = ("-q", "--tb=no", "--assert=plain", "-p", "no:cacheprovider", "-p", "no:unraisableexception")
"""The last one collects garbage several times at the end of each run."""

REPOSITORIES: dict[str, list[str]] = {
    "Repository": [],
    "DropsAMessage": [
        "test_every_message_comes_back",
        "test_a_second_handle_sees_every_write_of_the_first",
        "test_threads_write_at_once",
        "test_two_handles_take_turns",
    ],
    "IgnoresTheOffset": [
        "test_an_offset_leaves_out_the_first_messages",
        "test_an_offset_counts_positions_and_not_ids",
    ],
    "IgnoresALimitOfZero": ["test_a_limit_of_zero_is_an_empty_list"],
    "OverwritesSilently": ["test_a_stored_message_is_not_overwritten"],
    "MergesStates": [
        "test_an_updated_agent_replaces_the_old_one",
        "test_a_record_belongs_to_its_caller",
        "test_every_call_may_come_from_a_new_thread_and_loop",
    ],
    "KeepsARedaction": ["test_an_update_without_a_redaction_takes_it_back"],
    "SortsTheKeys": [
        "test_json_values_come_back_exactly",
        "test_a_message_comes_back_exactly",
        "test_an_agent_comes_back",
        "test_an_updated_multi_agent_replaces_the_old_state",
        "test_bytes_come_back_at_any_depth",
        "test_odd_json_values_come_back_exactly",
        "test_the_state_of_a_multi_agent_comes_back",
        "test_what_only_looks_like_bytes_stays_as_it_is",
    ],
    "OverwritesASession": ["test_an_existing_session_is_refused", "test_of_two_creations_at_once_one_succeeds"],
    "LeaksIntoAnotherSession": [
        "test_sessions_do_not_see_each_other",
        "test_a_deleted_session_spares_those_with_similar_ids",
        "test_threads_write_at_once",
    ],
    "LeaksIntoAnotherAgent": ["test_agents_of_a_session_do_not_see_each_other"],
    "OrdersByText": [
        "test_messages_are_sorted_by_number",
        "test_a_limit_ends_the_list",
        "test_an_offset_counts_positions_and_not_ids",
        "test_an_offset_leaves_out_the_first_messages",
        "test_offset_and_limit_cut_as_a_python_slice_does",
        "test_pages_follow_each_other",
    ],
    "LosesTheLastWrite": [
        "test_the_last_write_is_there_after_reopening",
        "test_a_limit_ends_the_list",
        "test_a_message_comes_back_exactly",
        "test_a_record_of_a_newer_sdk_is_read",
        "test_a_second_handle_sees_every_write_of_the_first",
        "test_an_update_without_a_redaction_takes_it_back",
        "test_an_updated_message_replaces_the_old_one",
        "test_every_message_comes_back",
        "test_images_and_documents_come_back",
        "test_offset_and_limit_cut_as_a_python_slice_does",
        "test_pages_follow_each_other",
        "test_sessions_do_not_see_each_other",
        "test_threads_write_at_once",
        "test_two_handles_take_turns",
    ],
    "GrowsWithEachAppend": ["test_an_append_costs_the_same_in_a_long_conversation"],
    "DeletesByPrefix": ["test_a_deleted_session_spares_those_with_similar_ids"],
    "TakesAnyId": ["test_an_id_with_a_slash_is_refused", "test_a_message_id_that_is_no_integer_is_refused"],
    "NeedsNothing": [
        "test_a_message_without_its_agent_is_refused",
        "test_a_multi_agent_without_its_session_is_refused",
        "test_an_agent_without_its_session_is_refused",
        "test_an_update_of_what_is_missing_is_refused",
        "test_an_updated_multi_agent_replaces_the_old_state",
        "test_deleting_what_is_missing_is_refused",
    ],
    "KeepsTheObject": ["test_a_state_belongs_to_its_caller"],
    "WritesBeforeItLooks": ["test_a_value_that_is_no_json_is_refused"],
    "RefusesARetry": ["test_a_retry_of_an_append_is_accepted"],
    "EmptiesAnAgent": ["test_a_second_creation_of_an_agent_keeps_its_messages"],
    "KeepsTheFirstState": ["test_a_second_creation_of_a_multi_agent_replaces_its_state"],
    "SharesIds": ["test_an_agent_and_a_multi_agent_may_share_an_id"],
    "StampsASession": [
        "test_a_session_comes_back",
        "test_a_record_of_a_newer_sdk_is_read",
        "test_an_existing_session_is_refused",
        "test_every_argument_may_be_given_by_name",
        "test_what_is_no_field_is_not_stored",
    ],
    "KeepsTheLatestTime": ["test_an_update_has_the_time_that_it_is_given"],
    "RedactsForGood": [
        "test_a_redaction_comes_back_beside_the_original",
        "test_an_updated_message_replaces_the_old_one",
    ],
    "ListsWithoutRedactions": ["test_a_listed_message_is_the_one_that_is_read"],
    "KnowsItsArguments": ["test_arguments_of_a_newer_sdk_are_ignored"],
    "NamesItsArguments": ["test_every_argument_may_be_given_by_name"],
    "IgnoresCase": ["test_ids_are_plain_text"],
    "RaisesForAMissingMessage": ["test_what_is_missing_is_none", "test_a_message_without_its_agent_is_refused"],
    "RaisesForAnUnknownAgent": ["test_an_unknown_agent_has_no_messages"],
    "RaisesForSilence": [
        "test_an_agent_that_said_nothing_has_no_messages",
        "test_a_deleted_session_takes_everything_along",
        "test_a_message_id_that_is_no_integer_is_refused",
    ],
    "LeavesTheMessages": ["test_a_deleted_session_takes_everything_along"],
    "StoresWhateverHangsThere": ["test_what_is_no_field_is_not_stored"],
}

MANAGERS: dict[str, list[str]] = {
    "Repository": [],
    "DropsAMessage": [
        "test_a_conversation_resumes",
        "test_a_long_conversation_resumes_in_order",
        "test_a_resumed_conversation_goes_on",
        "test_a_second_handle_sees_every_turn_of_the_first",
        "test_agents_talk_at_once",
        "test_the_last_turn_is_there_after_reopening",
        "test_tool_calls_and_their_results_resume",
        "test_trimmed_messages_do_not_come_back",
    ],
    "IgnoresTheOffset": ["test_trimmed_messages_do_not_come_back"],
    "BeginsAnew": [
        "test_a_resumed_conversation_goes_on",
        "test_a_conversation_resumes",
        "test_a_deleted_session_takes_everything_along",
        "test_a_long_conversation_resumes_in_order",
        "test_a_redacted_message_stays_redacted",
        "test_a_second_handle_sees_every_turn_of_the_first",
        "test_agents_of_a_session_do_not_see_each_other",
        "test_agents_talk_at_once",
        "test_any_text_comes_back_exactly",
        "test_bytes_in_a_message_come_back",
        "test_messages_given_at_the_start_are_stored",
        "test_sessions_do_not_see_each_other",
        "test_the_last_turn_is_there_after_reopening",
        "test_the_state_of_a_graph_is_stored",
        "test_the_state_of_a_multi_agent_resumes",
        "test_the_state_of_an_agent_resumes",
        "test_tool_calls_and_their_results_resume",
        "test_trimmed_messages_do_not_come_back",
    ],
    "LeaksIntoAnotherSession": ["test_sessions_do_not_see_each_other", "test_agents_talk_at_once"],
    "LeaksIntoAnotherAgent": ["test_agents_of_a_session_do_not_see_each_other"],
    "OrdersByText": ["test_a_long_conversation_resumes_in_order"],
    "LosesTheLastWrite": [
        "test_the_last_turn_is_there_after_reopening",
        "test_a_conversation_resumes",
        "test_a_deleted_session_takes_everything_along",
        "test_a_long_conversation_resumes_in_order",
        "test_a_resumed_conversation_goes_on",
        "test_a_second_handle_sees_every_turn_of_the_first",
        "test_agents_of_a_session_do_not_see_each_other",
        "test_any_text_comes_back_exactly",
        "test_bytes_in_a_message_come_back",
        "test_messages_given_at_the_start_are_stored",
        "test_sessions_do_not_see_each_other",
        "test_tool_calls_and_their_results_resume",
    ],
    "GrowsWithEachAppend": ["test_a_turn_costs_the_same_in_a_long_conversation"],
    "DeletesByPrefix": ["test_a_deleted_session_takes_everything_along"],
    "TakesAnyId": ["test_a_session_id_with_a_slash_is_refused"],
    "HasOneSession": [
        "test_a_new_session_is_empty",
        "test_a_deleted_session_takes_everything_along",
        "test_agents_talk_at_once",
        "test_sessions_do_not_see_each_other",
    ],
}

STORAGES: dict[str, list[str]] = {
    "Storage": [],
    "DropsAValue": [
        "test_every_value_is_there_after_reopening",
        "test_a_cancelled_write_is_whole_or_not_there",
        "test_a_key_is_plain_text",
        "test_a_key_that_climbs_is_refused",
        "test_a_prefix_is_plain_text",
        "test_a_prefix_is_raw_text",
        "test_bytes_come_back_exactly",
        "test_calls_at_once_on_one_loop",
        "test_every_match_is_given",
        "test_keys_are_sorted",
        "test_slashes_are_normalised",
        "test_threads_write_at_once",
    ],
    "KeepsTheTail": [
        "test_a_write_replaces_the_whole_value",
        "test_a_cancelled_write_is_whole_or_not_there",
        "test_a_search_sees_what_is_stored_now",
    ],
    "EmptyIsNothing": [
        "test_nothing_stored_is_none_and_empty_is_a_value",
        "test_a_write_replaces_the_whole_value",
        "test_bytes_come_back_exactly",
    ],
    "LeaksIntoAnotherPlace": ["test_two_places_do_not_see_each_other"],
    "LeaksIntoAnotherNamespace": [
        "test_namespaces_do_not_see_each_other",
        "test_a_namespace_shares_the_data_of_its_parent",
        "test_a_search_stays_in_its_namespace",
        "test_namespaces_nest",
        "test_nothing_climbs_out_of_a_namespace",
        "test_the_key_that_a_namespace_is_named_after_lies_outside",
    ],
    "TakesWildcards": ["test_a_prefix_is_plain_text"],
    "OrdersByAge": [
        "test_keys_are_sorted",
        "test_a_list_follows_what_is_written_and_deleted",
        "test_a_prefix_is_plain_text",
    ],
    "DeletesBelow": [
        "test_a_deleted_value_is_gone_alone",
        "test_a_key_is_plain_text",
        "test_a_key_may_lie_below_a_key",
        "test_a_key_that_climbs_is_refused",
        "test_a_part_of_a_key_is_no_key",
        "test_slashes_are_normalised",
    ],
    "LosesTheLastValue": [
        "test_the_last_write_is_there_after_reopening",
        "test_a_deleted_value_is_gone_alone",
        "test_a_search_sees_what_is_stored_now",
        "test_a_second_handle_sees_every_write_of_the_first",
        "test_bytes_come_back_exactly",
        "test_every_value_is_there_after_reopening",
        "test_threads_write_at_once",
    ],
    "GrowsWithEachWrite": ["test_a_write_costs_the_same_among_many_values"],
    "HasNoSearch": [
        "test_it_is_a_storage",
        "test_a_namespace_shares_the_data_of_its_parent",
        "test_a_search_sees_what_is_stored_now",
        "test_a_search_stays_in_its_namespace",
        "test_a_word_finds_the_values_that_have_it",
        "test_any_word_of_a_query_finds",
        "test_every_match_is_given",
        "test_results_come_best_first",
        "test_what_nobody_wrote_is_not_found",
    ],
    "IsNotMarked": ["test_what_goes_with_the_process_is_marked"],
    "KeepsTheBuffer": ["test_a_value_belongs_to_its_caller", "test_every_argument_may_be_given_by_name"],
    "NamesItsKeys": ["test_every_argument_may_be_given_by_name"],
    "FindsNothing": [
        "test_a_word_finds_the_values_that_have_it",
        "test_a_search_sees_what_is_stored_now",
        "test_a_search_stays_in_its_namespace",
        "test_any_word_of_a_query_finds",
        "test_every_match_is_given",
        "test_results_come_best_first",
    ],
    "FindsEverything": ["test_what_nobody_wrote_is_not_found"],
    "WorstFirst": ["test_results_come_best_first"],
    "FindsWholeQueries": ["test_any_word_of_a_query_finds"],
    "RefusesToDeleteNothing": [
        "test_deleting_nothing_is_no_error",
        "test_a_part_of_a_key_is_no_key",
        "test_deletions_at_once_leave_the_others",
    ],
    "TearsAValue": [
        "test_writes_of_one_key_at_once_leave_one_whole_value",
        "test_a_cancelled_write_is_whole_or_not_there",
    ],
    "WritesToAllThatAreEqual": ["test_values_do_not_see_each_other"],
    "RaisesForNothing": [
        "test_an_empty_storage_lists_nothing",
        "test_every_argument_may_be_given_by_name",
        "test_two_places_do_not_see_each_other",
    ],
    "DeletesWhatItSaw": ["test_deletions_at_once_leave_the_others"],
}
"""For each subject the test that is named after its defect, then those that cannot do without the same promise."""

SUITES: tuple[tuple[type[Contract[Any]], dict[str, list[str]]], ...] = (
    (contract_defects.RepositorySuite, REPOSITORIES),
    (contract_defects.ManagerSuite, MANAGERS),
    (contract_defects.StorageSuite, STORAGES),
)
CASES = [
    pytest.param(suite.__name__, subject, failing, id=f"{suite.__name__}-{subject}")
    for suite, subjects in SUITES
    for subject, failing in subjects.items()
]


@pytest.mark.parametrize(("suite", "subjects"), SUITES, ids=[suite.__name__ for suite, _ in SUITES])
def test_every_test_of_a_contract_has_a_subject_that_fails_it(
    suite: type[Contract[Any]], subjects: dict[str, list[str]]
) -> None:
    """No test of a contract passes whatever it is given.

    Left out are those of capabilities that a dict in memory cannot claim: other processes, older places, other fields.
    """
    tests = {
        name
        for name in dir(suite)
        if name.startswith("test_") and set(needed_by(getattr(suite, name))) <= suite.capabilities
    }
    assert tests == {test for failing in subjects.values() for test in failing}


@pytest.mark.parametrize(("suite", "subject", "failing"), CASES)
def test_exactly_the_promises_that_are_broken_fail(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, suite: str, subject: str, failing: list[str]
) -> None:
    """A subject without a defect passes; each defect is caught by its test, and by those that need the same promise."""
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    module = "contract_defects" if hasattr(contract_defects, subject) else "contract_defects_more"
    pytester.makepyfile(SUITE.format(module=module, suite=suite, subject=subject))
    more = () if "Grows" in subject or not failing else ("-k", "not costs_the_same")

    passed, _skipped, failed = pytester.inline_run(*QUICKLY, *more).listoutcomes()

    assert passed
    assert {report.nodeid.rpartition("::")[2] for report in failed} == set(failing)

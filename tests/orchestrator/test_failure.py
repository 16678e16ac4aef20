import pytest

from orchestrator.failure import MAX_USER_ERRORS, Decision, Event, History, decide

TRUTH_TABLE = [
    # event, replaced, budget, user errors of the block, decision
    (Event.ACTOR_DIED, 0, 0, 0, Decision.FAIL),
    (Event.ACTOR_DIED, 0, 1, 0, Decision.REPLACE_AND_RETRY),
    (Event.ACTOR_DIED, 1, 1, 0, Decision.FAIL),
    (Event.ACTOR_DIED, 9, 10, 0, Decision.REPLACE_AND_RETRY),
    (Event.ACTOR_DIED, 10, 10, 0, Decision.FAIL),
    (Event.ACTOR_DIED, 11, 10, 0, Decision.FAIL),
    (Event.ACTOR_DIED, 0, 1, 1, Decision.REPLACE_AND_RETRY),
    (Event.ACTOR_DIED, 0, 1, 2, Decision.REPLACE_AND_RETRY),
    (Event.ACTOR_REFUSED, 0, 10, 0, Decision.FAIL),
    (Event.ACTOR_REFUSED, 10, 10, 0, Decision.FAIL),
    (Event.USER_ERROR, 0, 0, 1, Decision.RETRY_ELSEWHERE),
    (Event.USER_ERROR, 0, 10, 1, Decision.RETRY_ELSEWHERE),
    (Event.USER_ERROR, 10, 10, 1, Decision.RETRY_ELSEWHERE),
    (Event.USER_ERROR, 0, 0, 2, Decision.FAIL),
    (Event.USER_ERROR, 0, 10, 2, Decision.FAIL),
    (Event.USER_ERROR, 10, 10, 2, Decision.FAIL),
    (Event.USER_ERROR, 0, 10, 3, Decision.FAIL),
]


@pytest.mark.parametrize(("event", "replaced", "budget", "user_errors", "decision"), TRUTH_TABLE)
def test_the_decision_is_as_in_the_truth_table(event, replaced, budget, user_errors, decision):
    assert decide(event, History(replaced, budget, user_errors)) is decision


def test_the_truth_table_names_every_event_and_every_decision():
    assert {row[0] for row in TRUTH_TABLE} == set(Event)
    assert {row[-1] for row in TRUTH_TABLE} == set(Decision)


def test_an_exception_must_happen_twice_to_count():
    assert MAX_USER_ERRORS == 2

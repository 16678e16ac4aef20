import pytest

from orchestrator.pool.failure import (
    Decision,
    Event,
    FailureContext,
    back_off_s,
    costs_budget,
    decide,
)

# event, facts (other fields have their defaults), decision
TRUTH_TABLE = [
    (Event.ACTOR_DIED, {"replaced": 0, "budget": 0}, Decision.FAIL),
    (Event.ACTOR_DIED, {"replaced": 0, "budget": 1}, Decision.REPLACE),
    (Event.ACTOR_DIED, {"replaced": 1, "budget": 1}, Decision.FAIL),
    (Event.ACTOR_DIED, {"replaced": 9, "budget": 10}, Decision.REPLACE),
    (Event.ACTOR_DIED, {"replaced": 11, "budget": 10}, Decision.FAIL),
    (Event.ACTOR_DIED, {"budget": 10, "block_errors": 9}, Decision.REPLACE),
    (Event.ACTOR_DIED, {"budget": 10, "block_deaths": 1}, Decision.REPLACE),
    (Event.ACTOR_DIED, {"budget": 10, "block_deaths": 2}, Decision.REPLACE),
    (Event.ACTOR_DIED, {"budget": 10, "block_deaths": 3}, Decision.FAIL),
    (Event.ACTOR_DIED, {"budget": 0, "block_deaths": 1}, Decision.FAIL),
    (Event.ACTOR_PREEMPTED, {"replaced": 0, "budget": 0}, Decision.REPLACE),
    (Event.ACTOR_PREEMPTED, {"replaced": 5, "budget": 1, "block_deaths": 9}, Decision.REPLACE),
    (Event.ACTOR_REFUSED, {"budget": 10}, Decision.FAIL),
    (Event.ACTOR_REFUSED, {"budget": 10, "begun": False}, Decision.FAIL),
    (Event.ACTOR_DIFFERS, {"budget": 10, "begun": False}, Decision.FAIL),
    (Event.ACTOR_DIFFERS, {"budget": 0, "begun": True}, Decision.REPLACE),
    (Event.ACTOR_DIFFERS, {"budget": 10, "others_ready": False}, Decision.REPLACE),
    (
        Event.ACTOR_DIFFERS,
        {"replaced": 10, "budget": 10, "others_ready": False},
        Decision.FAIL,
    ),
    (Event.START_TOO_SLOW, {"budget": 1}, Decision.REPLACE),
    (Event.START_TOO_SLOW, {"replaced": 1, "budget": 1}, Decision.FAIL),
    (Event.DEADLINE_MISSED, {"budget": 0, "misses": 1}, Decision.COPY),
    (Event.DEADLINE_MISSED, {"budget": 0, "misses": 1, "proven": True}, Decision.COPY),
    (Event.DEADLINE_MISSED, {"budget": 1, "misses": 2, "proven": True}, Decision.REPLACE),
    (Event.DEADLINE_MISSED, {"budget": 1, "misses": 3, "proven": True}, Decision.REPLACE),
    (Event.DEADLINE_MISSED, {"budget": 0, "misses": 2, "proven": True}, Decision.FAIL),
    (Event.DEADLINE_MISSED, {"budget": 0, "misses": 4}, Decision.COPY),
    (Event.DEADLINE_MISSED, {"budget": 1, "misses": 5}, Decision.REPLACE),
    (Event.DEADLINE_MISSED, {"budget": 0, "misses": 5}, Decision.FAIL),
    (Event.DEADLINE_MISSED, {"budget": 1, "misses": 9, "compiling": True}, Decision.COPY),
    (Event.DEADLINE_MISSED, {"budget": 1, "misses": 0, "compiling": True}, Decision.COPY),
    (Event.CALL_LOST, {"budget": 0, "lost": 1}, Decision.RETRY),
    (Event.CALL_LOST, {"budget": 0, "lost": 7}, Decision.RETRY),
    (Event.CALL_LOST, {"budget": 1, "lost": 8}, Decision.REPLACE),
    (Event.CALL_LOST, {"budget": 0, "lost": 8}, Decision.FAIL),
    (Event.BLOCK_RAISED, {"budget": 0, "block_errors": 1}, Decision.RETRY_ELSEWHERE),
    (Event.BLOCK_RAISED, {"budget": 10, "block_errors": 2}, Decision.FAIL),
    (Event.BLOCK_RAISED, {"replaced": 9, "budget": 1, "block_errors": 1}, Decision.RETRY_ELSEWHERE),
    (Event.ANSWER_REJECTED, {"budget": 0, "block_errors": 1}, Decision.RETRY_ELSEWHERE),
    (Event.ANSWER_REJECTED, {"budget": 10, "block_errors": 2}, Decision.FAIL),
    (Event.SUM_LOST, {"budget": 0, "lost": 7}, Decision.RETRY),
    (Event.SUM_LOST, {"budget": 10, "lost": 8}, Decision.FAIL),
    (Event.COPIES_DIFFER, {"budget": 10}, Decision.FAIL),
]


@pytest.mark.parametrize(
    ("event", "facts", "decision"), TRUTH_TABLE, ids=[f"{e.name} {k}" for e, k, _ in TRUTH_TABLE]
)
def test_the_decision_is_as_in_the_truth_table(event, facts, decision):
    assert decide(event, FailureContext(**facts)) is decision


def test_neither_an_announced_loss_nor_a_refusal_beside_ready_actors_costs_the_budget():
    free = {event for event in Event if not costs_budget(event, FailureContext())}
    assert free == {Event.ACTOR_PREEMPTED, Event.ACTOR_DIFFERS}
    assert costs_budget(Event.ACTOR_DIFFERS, FailureContext(others_ready=False))


def test_the_truth_table_names_every_event_and_every_decision():
    assert {row[0] for row in TRUTH_TABLE} == set(Event)
    assert {row[-1] for row in TRUTH_TABLE} == set(Decision)


def test_the_first_new_actor_starts_at_once_and_the_next_ones_wait_longer_and_longer():
    assert [back_off_s(starts) for starts in range(1, 9)] == [0, 1, 2, 4, 8, 16, 30, 30]
    assert back_off_s(10_000) == 30

"""Contributions that actors add where they are: no Ray, no waiting."""

import re
from dataclasses import replace

import numpy as np
import pytest
from simulated_actor import WEIGHTS, blocks_of, corrupt, misshapen, with_nan
from simulated_pool import NUM_BLOCKS, check_steps, ready_pool, run, undisturbed

from orchestrator.pool.actor import Call
from orchestrator.pool.backend import CallLostError
from orchestrator.pool.step_schedule import ItemResult, StepSchedule, is_for_actors
from orchestrator.pool.work_item import leaves
from workers.wire.errors import PartLostError, PoolError
from workers.wire.protocol import Weights


def adding_pool(count, **changes):
    return ready_pool(count, reduction="actors", **changes)


def test_actors_add_and_the_driver_gets_one_sum():
    pool, backend, messages = adding_pool(8)
    contributions = pool.run(WEIGHTS, blocks_of(0, NUM_BLOCKS))
    assert [c.num_blocks for c in contributions] == [NUM_BLOCKS]
    assert sorted(total.num_blocks for _, total in backend.sums) == [4, 4, 8]
    check_steps(pool, range(5))
    assert not any(vars(pool.incidents).values())
    assert messages == []


def test_held_out_blocks_are_not_added():
    pool, backend, _ = adding_pool(2)
    held_out = [replace(block, kind="evaluate") for block in blocks_of(0, 3)]
    assert [c.index for c in pool.run(WEIGHTS, held_out)] == [0, 1, 2]
    assert backend.sums == []


def test_a_single_leaf_is_the_sum():
    pool, backend, _ = adding_pool(1)
    check_steps(pool, range(2))
    assert backend.sums == []


@pytest.mark.parametrize(
    ("num_parameters", "num_works", "reduction", "actors"),
    [
        (1_000_000, 8, "auto", False),
        (10_000_000, 1, "auto", False),
        (10_000_000, 2, "auto", True),
        (1_000_000, 13, "auto", True),
        (1_000_000, 12, "auto", False),
        (10_000_000, 8, "driver", False),
        (10, 2, "actors", True),
        (10, 1, "actors", True),
    ],
)
def test_actors_add_what_is_above_50_megabytes_a_step(num_parameters, num_works, reduction, actors):
    weights = Weights(np.zeros(num_parameters, np.float32), np.zeros(0, np.float32), 0)
    works = leaves(blocks_of(0, num_works), num_works)
    assert is_for_actors(reduction, weights, works) == actors


def test_a_sum_is_made_where_a_part_of_it_is():
    pool, backend, _ = adding_pool(8)
    check_steps(pool, [0])
    first_level = [(actor, total) for actor, total in backend.sums if total.num_blocks == 4]
    assert len(first_level) == 2
    for actor, total in first_level:
        assert {(0, total.index + i) for i in range(4)} & set(actor.ran)


def test_what_an_actor_kept_outlives_it():
    pool, backend, _ = adding_pool(8, make=lambda actor: setattr(actor, "add_s", 0.1))
    backend.at(backend.now() + 0.05, backend.actors[0].kill)  # while it adds
    check_steps(pool, [0])
    assert pool.incidents.replaced_actors == 1
    assert pool.incidents.lost_sums == 0
    assert sum((0, 0) in actor.ran for actor in backend.actors) == 1


def lose_machine_of(backend, number, at_s):
    """The first machine goes when all leaves are done, and before they are added."""
    backend.at(backend.now() + at_s, backend.actors[number].take_machine)


def test_a_lost_part_is_made_again_with_the_same_bits():
    pool, backend, messages = adding_pool(8, make=lambda actor: setattr(actor, "add_s", 0.1))
    lose_machine_of(backend, 0, 0.05)
    check_steps(pool, [0])
    assert pool.incidents.lost_sums == 1
    assert "tasks 0 to 1 of step 0 is lost (it is gone): it is computed again" in "".join(messages)
    assert sum((0, 0) in actor.ran for actor in backend.actors) == 2
    check_steps(pool, range(1, 4))
    assert pool.incidents.lost_sums == 1


def test_the_next_wait_for_a_part_is_longer_since_it_may_be_on_its_way():
    pool, backend, _ = adding_pool(8, make=lambda actor: setattr(actor, "add_s", 0.1))
    check_steps(pool, [0])
    usual = backend.waits_s[-1]
    lose_machine_of(backend, 0, 0.05)
    check_steps(pool, [1])
    assert pool.incidents.lost_sums == 1
    assert backend.waits_s[-1] == pytest.approx(2 * usual, rel=0.2)
    check_steps(pool, [2])
    assert backend.waits_s[-1] == pytest.approx(usual, rel=0.2)


def laid_out(num_leaves, schedule):
    """A step whose leaves are all done, and whose sum is queued."""
    items = leaves(blocks_of(0, num_leaves), num_leaves)
    schedule.lay_out(items, summed=True)
    for item in items:
        schedule.start(item)
        schedule.finish(item, ItemResult(None, "kept"))
    assert schedule.queued() == [schedule.root]
    return schedule, items


def test_the_parts_of_a_sum_are_let_go_once_it_is_made():
    schedule, items = laid_out(4, StepSchedule())
    assert all(schedule.result_of(item) for item in items)
    schedule.start(schedule.root)
    schedule.finish(schedule.root, ItemResult(None, "kept"))
    assert schedule.complete
    assert not any(schedule.result_of(item) for item in items)


def test_a_sum_is_not_given_out_while_one_of_its_parts_is_made_again():
    schedule, items = laid_out(4, StepSchedule())
    assert schedule.count_loss(items[2]) == 1
    assert schedule.queued() == [items[2]]
    schedule.start(items[2])
    schedule.finish(items[2], ItemResult(None, "kept"))
    assert schedule.queued() == [schedule.root]


def test_a_late_report_of_a_part_that_was_made_again_meanwhile_loses_nothing():
    pool, _, _ = adding_pool(4)
    schedule, items = laid_out(4, pool._schedule)
    late = Call(schedule.root, False, 0.0, parts=schedule.parts_of(schedule.root))
    schedule.count_loss(items[2])
    schedule.finish(items[2], ItemResult(None, "kept again"))
    schedule.start(schedule.root)
    pool._recovery.retry_lost_part(late, PartLostError("2: it is gone"))
    assert pool.incidents.lost_sums == 0
    assert schedule.result_of(items[2]).vectors == "kept again"
    assert schedule.queued() == [schedule.root]
    pool._recovery.retry_lost_part(late, PartLostError("1: it is gone"))
    assert pool.incidents.lost_sums == 1
    assert schedule.queued() == [items[1]]


def test_a_lost_sum_of_sums_is_made_again_with_its_parts():
    pool, backend, messages = adding_pool(8, make=lambda actor: setattr(actor, "add_s", 0.1))
    # The first level is done, and one of the two that did it has begun with the last.
    backend.at(backend.now() + 0.13, lambda: backend.sums[0][0].take_machine())
    check_steps(pool, [0])
    lost = [line for line in messages if "is lost" in line]
    assert len(lost) == pool.incidents.lost_sums == 1
    assert re.search(r"the sum of tasks (0 to 7|8 to 15) of step 0 is lost", lost[0])
    assert sum(total.num_blocks == 4 for _, total in backend.sums) == 3


def test_a_total_that_is_lost_before_the_driver_has_it_is_made_again():
    pool, backend, messages = adding_pool(4)
    fetched = []

    def answer(call, plain=backend.answer):
        if hasattr(call, "value") and not fetched:
            fetched.append(call)
            raise CallLostError("the machine went")
        return plain(call)

    backend.answer = answer
    check_steps(pool, range(3))
    assert pool.incidents.lost_sums == 1
    assert "the sum of tasks 0 to 15 of step 0 is lost (the machine went)" in messages[0]


def test_what_is_lost_again_and_again_ends_the_run():
    pool, backend, _ = adding_pool(4)

    def answer(call, plain=backend.answer):
        if hasattr(call, "value"):
            raise CallLostError("no route")
        return plain(call)

    backend.answer = answer
    message = r"the sum of tasks 0 to 15 of step 0 was lost 8 times .* the last time: no route"
    with pytest.raises(PoolError, match=message):
        run(pool, 0)


@pytest.mark.parametrize("spoil", [with_nan, misshapen])
def test_a_useless_part_is_never_added(spoil):
    pool, backend, messages = adding_pool(2)
    backend.actors[0].spoils = dict.fromkeys(range(NUM_BLOCKS), spoil)
    check_steps(pool, range(2))
    assert pool.incidents.rejected_answers >= 2
    assert "run again elsewhere" in messages[0]


def test_a_sum_that_is_not_finite_is_asked_of_another_actor():
    pool, backend, messages = adding_pool(8)
    once = [with_nan]
    for actor in backend.actors:
        actor.spoils_sums = once
    assert run(pool, 0) == undisturbed(0)
    assert pool.incidents.rejected_answers == 1
    assert "the sum of tasks" in messages[0]


def test_what_is_made_again_must_come_out_as_before():
    pool, backend, _ = adding_pool(8, make=lambda actor: setattr(actor, "add_s", 0.1))
    lose_machine_of(backend, 0, 0.05)

    def spoil_others():
        for actor in backend.actors[1:]:
            actor.spoils = {0: corrupt}

    backend.at(backend.now() + 0.04, spoil_others)
    with pytest.raises(PoolError, match=r"^tasks 0 to 1 of step 0 came out differently on"):
        run(pool, 0)

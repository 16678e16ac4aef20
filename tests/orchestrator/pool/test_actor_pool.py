"""The pool's logic on simulated actors, without Ray and without waiting."""

import random

import pytest
from simulated_actor import WEIGHTS, blocks_of, misshapen, with_nan
from simulated_backend import SimulatedBackend
from simulated_pool import NUM_BLOCKS, check_steps, make_pool, ready_pool, run

from orchestrator.pool.backend import Machines
from orchestrator.pool.step_schedule import StepSchedule
from workers.wire.errors import NonFiniteError, PoolError


def test_an_undisturbed_run_has_no_incidents():
    pool, backend, messages = ready_pool(3)
    check_steps(pool, range(5))
    assert len(backend.actors) == 3
    assert all(actor.ran for actor in backend.actors)
    assert not any(vars(pool.incidents).values())
    assert messages == []


def test_a_dead_actor_is_replaced_and_its_blocks_run_elsewhere_at_once():
    pool, backend, messages = ready_pool(2)
    check_steps(pool, [0])
    backend.at(backend.now() + 0.01, backend.actors[0].kill)
    before = backend.now()
    check_steps(pool, [1])
    assert backend.now() - before < 1, "the other actor does it all, before the new one is ready"
    assert len(backend.actors) == 3
    assert pool.incidents.replaced_actors == 1
    assert messages == [
        "step 1: an actor on host0 (pid 0) died: killed by the test; its blocks run elsewhere, "
        "another actor replaces it"
    ]


def test_when_all_actors_die_the_step_waits_for_new_ones():
    pool, backend, messages = ready_pool(2)
    for actor in backend.actors:
        backend.at(backend.now() + 0.01, actor.kill)
    check_steps(pool, range(3))
    assert pool.incidents.replaced_actors == 2
    assert any("another actor replaces it in 1 s" in line for line in messages)
    assert any("an actor on host2 (pid 2) has joined" in line for line in messages)


@pytest.mark.parametrize("spoil", [with_nan, misshapen, lambda contribution: None])
def test_a_useless_answer_never_reaches_theta_and_is_counted(spoil):
    pool, backend, messages = ready_pool(2)
    backend.actors[0].spoils = dict.fromkeys(range(NUM_BLOCKS), spoil)
    check_steps(pool, range(2))
    assert pool.incidents.rejected_answers >= 2
    assert pool.incidents.retried_calls == pool.incidents.rejected_answers
    assert "run again elsewhere" in messages[0]


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (with_nan, "not finite"),
        (misshapen, r"float32 \[4\] for an outer gradient of float32 \[5\]"),
    ],
)
def test_a_block_whose_answers_are_useless_on_two_actors_ends_the_run(spoil, words):
    pool, backend, _ = ready_pool(2)
    for actor in backend.actors:
        actor.spoils = {4: spoil}
    with pytest.raises(PoolError, match=rf"tasks 8 to 15 of step 0 .* on 2 actors.*{words}"):
        run(pool, 0)


def test_an_exception_on_one_actor_is_tried_on_another():
    pool, backend, _ = ready_pool(2)
    backend.actors[0].raises = dict.fromkeys(range(NUM_BLOCKS), RuntimeError("a bad machine"))
    check_steps(pool, range(2))
    assert pool.incidents.retried_calls
    assert pool.incidents.replaced_actors == 0


def test_an_exception_on_two_actors_ends_the_run_with_its_cause():
    pool, backend, _ = ready_pool(3)
    for actor in backend.actors:
        actor.raises = {4: NonFiniteError("step 0, task 9")}
    with pytest.raises(NonFiniteError, match=r"^step 0, task 9$"):
        run(pool, 0)
    assert sum((0, 4) in actor.ran for actor in backend.actors) == 2
    for actor in backend.actors:
        actor.raises = {4: KeyError("nothing")}
    with pytest.raises(PoolError, match=r"tasks 8 to 9 of step 1 failed on 2 actors: KeyError"):
        run(pool, 1)
    for actor in backend.actors:
        actor.raises = {}
    check_steps(pool, [2])


def test_what_a_step_that_failed_has_left_behind_is_not_taken_for_the_next_one():
    pool, backend, _ = ready_pool(3)
    for actor in backend.actors:
        actor.raises = {0: KeyError("nothing")}
    backend.actors[2].slow = {0: 1.0}
    with pytest.raises(PoolError, match="failed on 2 actors"):
        run(pool, 0)
    for actor in backend.actors:
        actor.raises = {}
    assert backend.actors[2].busy_until > backend.now()
    backend.actors[0].slow = backend.actors[1].slow = {1: 2.0}
    check_steps(pool, range(1, 4))


def test_a_lone_actor_gets_a_failed_block_again():
    pool, backend, _ = ready_pool(1)
    backend.actors[0].raises = {0: KeyError("nothing")}
    with pytest.raises(PoolError, match="failed on 2 actors"):
        run(pool, 0)


def test_a_block_that_kills_whoever_takes_it_ends_the_run_before_the_budget_does():
    pool, _, _ = ready_pool(2, make=lambda actor: actor.kills.add(4))
    with pytest.raises(PoolError) as refused:
        run(pool, 0)
    assert "tasks 8 to " in str(refused.value)
    assert "of step 0 killed 3 actors, one after another (do they exhaust the memory?)" in str(
        refused.value
    )
    assert pool.incidents.replaced_actors == 2


def test_the_budget_ends_the_run_in_one_line():
    pool, backend, _ = ready_pool(2, max_failures=0)
    backend.at(backend.now() + 0.01, backend.actors[0].kill)
    message = r"^1 actor was lost, workers\.max_failures = 0; the last, an actor on host0 .*test$"
    with pytest.raises(PoolError, match=message):
        check_steps(pool, range(3))


def test_the_budget_is_that_of_the_whole_run():
    pool, backend, _ = ready_pool(2, max_failures=2)
    for first in (0, 3):
        backend.at(backend.now() + 0.01, backend.alive()[0].kill)
        check_steps(pool, range(first, first + 3))
    backend.at(backend.now() + 0.01, backend.alive()[0].kill)
    with pytest.raises(PoolError, match=r"^3 actors were lost, workers\.max_failures = 2; "):
        check_steps(pool, range(6, 9))


def test_lost_calls_are_run_again_without_a_replacement():
    backend = SimulatedBackend(lambda actor: setattr(actor, "loses", 0.44), seed=1)
    pool = make_pool(backend, 2)
    check_steps(pool, range(50))
    assert pool.incidents.retried_calls > 50
    assert pool.incidents.replaced_actors <= 1


def test_an_actor_that_cannot_be_reached_is_replaced():
    pool, backend, messages = ready_pool(2)
    backend.actors[0].loses = 1.0
    check_steps(pool, range(10))
    assert pool.incidents.replaced_actors == 1
    assert "cannot be reached" in messages[0]


@pytest.mark.parametrize("reduction", ["driver", "actors"])
@pytest.mark.parametrize(
    "seed",
    [*range(12), *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(12, 100))],
)
def test_whatever_happens_the_contributions_are_those_of_the_undisturbed_run(seed, reduction):
    """A hundred seconds in which actors die, stop, lag, lose calls, and machines come and go."""
    rng = random.Random(seed)

    def make(actor):
        actor.loses, actor.task_s = rng.choice([0, 0, 0.2]), 0.2

    backend = SimulatedBackend(make, seed)
    changes = {"elastic": rng.random() < 0.5, "reduction": reduction}
    count = rng.randint(1, 5)
    pool = make_pool(backend, count, max_failures=10_000, **changes)

    def strike(what):
        def happen():
            alive = backend.alive()
            if what == "machines":
                drained = {a.node for a in alive if rng.random() < 0.2}
                backend.cluster = Machines(rng.randint(0, 8), frozenset(drained))
            elif alive:
                victim = rng.choice(alive)
                if what == "kill":
                    victim.kill(rng.random() < 0.3)
                elif what == "take machine":
                    victim.take_machine()
                elif what == "raise":
                    victim.raises = {rng.randrange(NUM_BLOCKS): RuntimeError("once")}
                    backend.at(backend.now() + 0.02, lambda: setattr(victim, "raises", {}))
                elif what == "spoil":
                    victim.spoils = {rng.randrange(NUM_BLOCKS): with_nan}
                    backend.at(backend.now() + 0.02, lambda: setattr(victim, "spoils", {}))
                else:
                    victim.stopped = True
                    backend.at(
                        backend.now() + rng.expovariate(0.3),
                        lambda: setattr(victim, "stopped", False),
                    )

        return happen

    for _ in range(rng.randint(5, 40)):
        what = rng.choice(["kill", "take machine", "stop", "stop", "machines", "raise", "spoil"])
        backend.at(rng.uniform(0, 100), strike(what))
    # Two strikes on one block, or three deaths, look like a fault of the block's own.
    allowed = ("failed on 2 actors", "killed 3 actors", "on 2 actors; the last")
    step, refusals = 0, []
    while backend.now() < 110:
        try:
            check_steps(pool, [step])
        except PoolError as error:
            refusals.append(str(error))
        step += 1
    assert step > 10
    assert bool(backend.sums) == (reduction == "actors") or count == 1
    assert all(any(words in text for words in allowed) for text in refusals)


@pytest.mark.parametrize("reduction", ["driver", "actors"])
def test_what_an_event_costs_does_not_grow_with_the_blocks_that_wait(monkeypatch, reduction):
    """Counted, not timed: looks at single items, for each item of the step."""
    looks = []

    def counting(method):
        def counted(*arguments):
            looks.append(method.__name__)
            return method(*arguments)

        return counted

    for name in ("assign", "_is_settled", "_unqueue_with_parts"):
        method = getattr(StepSchedule, name)
        monkeypatch.setattr(StepSchedule, name, counting(method))
    pool, _, _ = ready_pool(2, reduction=reduction)
    blocks = blocks_of(0, 301)  # a number that gives single blocks
    looks.clear()
    pool.run(WEIGHTS, blocks)
    assert len(looks) < 12 * len(blocks)

"""The pool's logic, on simulated actors: no Ray, no waiting."""

import random
from collections import deque
from dataclasses import replace

import pytest
from simulated_backend import WEIGHTS, SimulatedBackend, blocks_of, corrupt, misshapen, with_nan
from simulated_pool import NUM_BLOCKS, check_steps, make_pool, ready_pool, run

from orchestrator.pool.actor_pool import ActorPool
from orchestrator.pool.backend import CallLostError, CallRaisedError, Machines
from workers.wire.errors import FingerprintError, NonFiniteError, PoolError


def test_an_undisturbed_run_has_no_incidents():
    pool, backend, told = ready_pool(3)
    check_steps(pool, range(5))
    assert len(backend.actors) == 3
    assert all(actor.ran for actor in backend.actors)
    assert not any(vars(pool.incidents).values())
    assert told == []


def test_a_dead_actor_is_replaced_and_its_blocks_run_elsewhere_at_once():
    pool, backend, told = ready_pool(2)
    check_steps(pool, [0])
    backend.at(backend.now() + 0.01, backend.actors[0].kill)
    before = backend.now()
    check_steps(pool, [1])
    assert backend.now() - before < 1, "the other actor does it all, before the new one is ready"
    assert len(backend.actors) == 3
    assert pool.incidents.replaced_actors == 1
    assert told == [
        "step 1: an actor on host0 (pid 0) died: killed by the test; its blocks run elsewhere, "
        "another actor replaces it"
    ]


def test_when_all_actors_die_the_step_waits_for_new_ones():
    pool, backend, told = ready_pool(2)
    for actor in backend.actors:
        backend.at(backend.now() + 0.01, actor.kill)
    check_steps(pool, range(3))
    assert pool.incidents.replaced_actors == 2
    assert any("another actor replaces it in 1 s" in line for line in told)
    assert any("an actor on host2 (pid 2) has joined" in line for line in told)


def test_a_round_may_take_as_long_as_making_its_episodes_again():
    def slow(actor):
        actor.task_s = 1.0

    pool, backend, _ = ready_pool(2, slow)

    def run_round(step, name):
        blocks = [replace(block, round=name) for block in blocks_of(step, NUM_BLOCKS)]
        pool.run(WEIGHTS._replace(step=step), blocks)

    run_round(0, "first")
    for actor in backend.actors:
        actor.task_s = 0.01
    for _ in range(2):  # with a graph to compile, and without
        run_round(0, "fisher")
    # Longer than any deadline of what rounds have taken so far.
    backend.actors[0].slow[0] = 5.0
    run_round(0, "fisher")
    assert pool.incidents.copied_calls == 0
    backend.actors[0].slow[0] = 50.0
    run_round(0, "fisher")
    assert pool.incidents.copied_calls > 0


def test_a_stopped_actor_is_not_used_again_before_it_is_replaced():
    pool, backend, told = ready_pool(2)
    check_steps(pool, [0])
    backend.actors[0].stopped = True
    before = backend.now()
    check_steps(pool, [1])
    assert 2.0 <= backend.now() - before < 3.0, "the deadline, then the second copy"
    assert pool.incidents.copied_calls == 1
    assert set(backend.actors[0].ran[-1:]) == set(backend.actors[0].ran) & set(
        backend.actors[1].ran
    )
    assert len(backend.actors[1].ran) == len(set(backend.actors[1].ran)), (
        "nothing twice on one actor"
    )
    assert pool.incidents.replaced_actors == 0
    sent = len(backend.actors[0].ran)
    check_steps(pool, range(2, 400))
    assert len(backend.actors[0].ran) == sent
    assert backend.actors[0].ended
    assert pool.incidents.replaced_actors == 1
    assert "its blocks run a second time elsewhere" in told[0]
    assert "has not answered for 4.0 s" in told[1]


def test_a_slow_actor_that_answers_in_the_end_is_used_again_and_its_copies_are_compared():
    pool, backend, _ = ready_pool(2)
    check_steps(pool, [0])
    backend.actors[0].stopped = True
    check_steps(pool, [1])
    sent = len(backend.actors[0].ran)
    backend.at(backend.now() + 0.5, lambda: setattr(backend.actors[0], "stopped", False))
    check_steps(pool, range(2, 100))
    assert len(backend.actors[0].ran) > sent
    assert pool.incidents.replaced_actors == 0


def test_a_lone_actor_that_stops_is_replaced_after_a_few_longer_deadlines():
    pool, backend, told = ready_pool(1)
    backend.actors[0].stopped = True
    check_steps(pool, [0])
    assert 32.0 <= backend.now() - 5.0 < 40.0
    assert pool.incidents.replaced_actors == 1
    assert "has not answered for 32.0 s" in told[-2]


def test_a_block_is_late_from_when_it_is_begun_not_from_when_it_is_sent():
    pool, backend, _ = ready_pool(1, make=lambda actor: actor.slow.update({3: 1.5}))
    check_steps(pool, range(5))
    assert not any(vars(pool.incidents).values())
    assert len(backend.actors[0].ran) > 4


def test_what_a_late_actor_still_has_does_not_run_elsewhere_once_it_has_answered():
    pool, backend, _ = ready_pool(3, make=lambda actor: actor.slow.update({3: 5.0}))
    check_steps(pool, range(6))
    runs = [node for actor in backend.actors for node in actor.ran if node[0] == 3]
    assert len(runs) < 2 * NUM_BLOCKS


@pytest.mark.parametrize(("slow_s", "most"), [(5.0, 0), (50.0, 4)])
def test_blocks_that_are_slow_on_every_actor_do_not_use_up_the_budget(slow_s, most):
    pool, _, _ = ready_pool(3, make=lambda actor: actor.slow.update({3: slow_s}))
    check_steps(pool, range(6))
    assert pool.incidents.replaced_actors <= most
    assert pool.incidents.copied_calls > 0


@pytest.mark.parametrize(
    ("delay_s", "steps"),
    [(2.15, "used first"), (2.5, "a few steps later")],
    ids=lambda value: value,
)
def test_two_copies_that_differ_end_the_run_by_name(delay_s, steps):
    pool, backend, _ = ready_pool(3)
    check_steps(pool, [0])
    suspect = backend.actors[0]
    suspect.spoils = dict.fromkeys(range(NUM_BLOCKS), corrupt)
    suspect.stopped = True
    backend.at(backend.now() + delay_s, lambda: setattr(suspect, "stopped", False))
    message = r"^tasks \d+ to \d+ of step 1 came out differently on"
    with pytest.raises(PoolError, match=message):
        deque((run(pool, step) for step in range(1, 400)), maxlen=0)


@pytest.mark.parametrize("spoil", [with_nan, misshapen, lambda contribution: None])
def test_a_useless_answer_never_reaches_theta_and_is_counted(spoil):
    pool, backend, told = ready_pool(2)
    backend.actors[0].spoils = dict.fromkeys(range(NUM_BLOCKS), spoil)
    check_steps(pool, range(2))
    assert pool.incidents.rejected_answers >= 2
    assert pool.incidents.retried_calls == pool.incidents.rejected_answers
    assert "run again elsewhere" in told[0]


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


def test_an_actor_that_dies_in_its_build_uses_up_the_budget_with_growing_pauses():
    told: list[str] = []
    backend = SimulatedBackend(lambda actor: setattr(actor, "dies_in_build", True))
    pool = make_pool(backend, 1, max_failures=4, notify=told.append)
    message = (
        r"5 actors were lost, workers\.max_failures = 4; the last, an actor on host4 .* died: "
    )
    with pytest.raises(PoolError, match=message):
        pool.wait_until_ready()
    assert len(backend.actors) == 5
    assert [line.partition("replaces it")[2] for line in told] == [
        "",
        " in 1 s",
        " in 2 s",
        " in 4 s",
    ]


def test_an_exception_while_an_actor_is_built_ends_the_run_at_once():
    class Refusing(SimulatedBackend):
        def build(self, handle, examples):
            call = super().build(handle, examples)
            call.error = self.refusal
            return call

    backend = Refusing()
    backend.refusal = CallRaisedError(ValueError("no such file"))
    pool = make_pool(backend, 1)
    with pytest.raises(PoolError, match="could not be built: ValueError: no such file"):
        pool.wait_until_ready()
    assert len(backend.actors) == 1


def test_a_minute_of_building_or_compiling_is_no_miss():
    def slow_to_compile(actor):
        actor.compile_s = 60.0 if actor.number == 0 else 1.0

    backend = SimulatedBackend(lambda actor: setattr(actor, "build_s", 60.0))
    pool = make_pool(backend, 2)
    pool.wait_until_ready()
    check_steps(pool, range(3))
    assert not any(vars(pool.incidents).values())

    backend = SimulatedBackend(slow_to_compile)
    pool = ActorPool(backend, 2, max_failures=0, slow_after_s=2.0, start_limit_s=300.0)
    pool.wait_until_ready()
    check_steps(pool, range(1000))
    assert pool.incidents.replaced_actors == 0
    assert pool.incidents.copied_calls > 0, "the others need not wait for it"


def test_an_actor_that_is_not_ready_in_time_is_replaced():
    pool = make_pool(
        backend := SimulatedBackend(
            lambda actor: setattr(actor, "build_s", 500.0 / (actor.number + 1))
        ),
        1,
    )
    pool.wait_until_ready()
    assert len(backend.actors) == 2
    check_steps(pool, [0])


def test_a_run_goes_on_with_the_actors_for_which_there_is_room():
    told: list[str] = []
    backend = SimulatedBackend(
        lambda actor: vars(actor).update(placeable=actor.number < 2, task_s=0.2)
    )
    pool = make_pool(backend, 3, notify=told.append)
    pool.wait_until_ready()
    assert told == [
        "before the first step: continuing with 2 of 3 actors: the others have no machine yet, or "
        "are slow to start; they join when they are ready"
    ]
    check_steps(pool, range(100))
    assert pool.incidents.replaced_actors == 0


def test_without_any_machine_the_run_ends_and_says_so():
    backend = SimulatedBackend(lambda actor: setattr(actor, "placeable", False))
    with pytest.raises(PoolError, match="no machine has had room for an actor for 300 s"):
        make_pool(backend, 2).wait_until_ready()


def test_a_machine_that_joins_is_used_if_the_pool_is_elastic():
    for elastic in (True, False):
        pool, backend, told = ready_pool(2, elastic=elastic)
        backend.cluster = Machines(4, frozenset())
        check_steps(pool, range(300))
        assert len(backend.actors) == (4 if elastic else 2)
        assert all(actor.ran for actor in backend.actors)
        assert ("step" in "".join(told)) == elastic


def test_a_range_begins_with_its_least_uses_what_comes_and_gives_all_back():
    def make(actor):
        actor.place_s = 1.0 if actor.number == 0 else 100.0 * actor.number
        actor.task_s = 0.2

    pool, backend, told = ready_pool(4, make=make, least=1)
    assert pool.name == "1 to 4 Ray actors"
    assert backend.now() < 10, "it does not wait for the others"
    assert len(backend.actors) == 4, "which are there, for a cluster that grows on demand to see"
    check_steps(pool, range(250))
    assert pool.num_ready == 4
    assert all(actor.ran for actor in backend.actors)
    assert sum("has joined" in line for line in told) == 3
    assert pool.incidents.replaced_actors == 0
    pool.close()
    assert not backend.alive()


def test_machines_that_must_be_started_may_take_long_and_the_user_is_told():
    told: list[str] = []
    backend = SimulatedBackend(lambda actor: setattr(actor, "place_s", 1000.0))
    pool = make_pool(backend, 3, least=1, notify=told.append)
    pool.wait_until_ready()
    assert told == ["before the first step: no machine has room for an actor yet: waiting"]
    check_steps(pool, range(3))
    assert pool.incidents.replaced_actors == 0


@pytest.mark.parametrize("changes", [{"least": 1}, {"elastic": True}])
def test_where_machines_may_come_they_may_take_half_an_hour(changes):
    backend = SimulatedBackend(lambda actor: setattr(actor, "placeable", False))
    with pytest.raises(PoolError, match="no machine has had room for an actor for 1800 s"):
        make_pool(backend, 3, **changes).wait_until_ready()


def test_there_are_no_more_actors_than_blocks():
    pool, backend, _ = ready_pool(2, elastic=True)
    backend.cluster = Machines(100, frozenset())
    check_steps(pool, range(300))
    assert len(backend.actors) == NUM_BLOCKS


def test_a_drained_machine_gets_no_new_block_and_costs_no_budget():
    pool, backend, told = ready_pool(2, max_failures=0)
    check_steps(pool, [0])
    backend.cluster = Machines(2, frozenset({"node0"}))
    check_steps(pool, range(1, 100))
    assert len(backend.actors) == 3
    drained = backend.actors[0]
    assert drained.ended
    assert pool.incidents.replaced_actors == 0
    assert "host0 is being drained: an actor on host0 (pid 0) gets no more blocks" in told[0]
    sent = len(drained.ran)
    check_steps(pool, range(100, 200))
    assert len(drained.ran) == sent


def test_an_actor_whose_machine_is_drained_gets_nothing_from_then_on():
    pool, backend, told = ready_pool(3, make=lambda actor: setattr(actor, "task_s", 2.0))
    backend.cluster = Machines(3, frozenset({"node0"}))
    check_steps(pool, [0])
    assert "is being drained" in told[0]
    assert len(backend.actors[0].ran) == 2, "what it had before the notice"
    assert len(backend.actors) == 4


def test_a_drained_machine_that_goes_with_its_blocks_costs_no_budget():
    pool, backend, _ = ready_pool(2, max_failures=0)
    backend.actors[0].stopped = True
    backend.cluster = Machines(2, frozenset({"node0"}))
    backend.at(backend.now() + 3.0, backend.actors[0].kill)
    check_steps(pool, range(1, 100))
    assert len(backend.actors) == 3


def test_a_preempted_actor_costs_no_budget():
    pool, backend, _ = ready_pool(2, max_failures=1)
    backend.at(backend.now() + 0.01, lambda: backend.actors[0].kill(preempted=True))
    check_steps(pool, range(3))
    assert pool.incidents.replaced_actors == 1
    backend.at(backend.now() + 0.01, backend.actors[1].kill)
    check_steps(pool, range(3, 6))
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


def test_an_actor_with_other_bits_is_refused_at_the_start_and_avoided_later():
    other = {"fingerprint": {"cpu": "b"}}
    backend = SimulatedBackend(lambda actor: vars(actor).update(other if actor.number == 1 else {}))
    message = r"host1 \(pid 1\) would compute other bits than the driver: cpu: 'a' here, 'b' there"
    with pytest.raises(FingerprintError, match=message):
        make_pool(backend, 2).wait_until_ready()

    pool, backend, told = ready_pool(
        2, make=lambda actor: vars(actor).update(other if actor.number == 2 else {})
    )
    backend.actors[0].kill()
    check_steps(pool, range(400))
    assert len(backend.actors) == 4
    assert backend.actors[2].ran == []
    assert backend.avoided[3] == ["node2"]
    assert any("cpu: 'a' here, 'b' there" in line for line in told)


def test_lost_calls_are_run_again_without_a_replacement():
    backend = SimulatedBackend(lambda actor: setattr(actor, "loses", 0.44), seed=1)
    pool = make_pool(backend, 2)
    check_steps(pool, range(50))
    assert pool.incidents.retried_calls > 50
    assert pool.incidents.replaced_actors <= 1


def test_a_start_whose_calls_are_lost_is_asked_for_again():
    class Losing(SimulatedBackend):
        asked = 0

        def build(self, handle, examples):
            call = super().build(handle, examples)
            self.asked += 1
            if self.asked == 1:
                call.error = CallLostError("the call was lost")
            return call

    backend = Losing()
    pool = make_pool(backend, 1)
    pool.wait_until_ready()
    assert (backend.asked, len(backend.actors)) == (2, 1)
    check_steps(pool, [0])


def test_an_actor_that_cannot_be_reached_is_replaced():
    pool, backend, told = ready_pool(2)
    backend.actors[0].loses = 1.0
    check_steps(pool, range(10))
    assert pool.incidents.replaced_actors == 1
    assert "cannot be reached" in told[0]


def test_a_driver_that_stood_still_blames_nobody():
    class Sleepy(SimulatedBackend):
        def wait(self, calls, timeout_s):
            if self.sleeps and calls and timeout_s:
                self.sleeps, self._clock = False, self._clock + 100
                for actor in self.actors:
                    actor.busy_until += 100
                for call in calls:
                    call.due += 100
                return []
            return super().wait(calls, timeout_s)

    backend = Sleepy()
    backend.sleeps = False
    pool = make_pool(backend, 2)
    pool.wait_until_ready()
    backend.sleeps = True
    check_steps(pool, range(3))
    assert not backend.sleeps
    assert not any(vars(pool.incidents).values())


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

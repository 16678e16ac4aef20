"""Actors that would compute other bits: refused at the start, avoided later."""

import pytest
from simulated_backend import SimulatedBackend
from simulated_pool import check_steps, make_pool, ready_pool

from orchestrator.pool.backend import Machines
from workers.wire.errors import FingerprintError, PoolError

OTHER = {"fingerprint": {"cpu": "b"}}


def test_an_actor_with_other_bits_is_refused_at_the_start_and_avoided_later():
    backend = SimulatedBackend(lambda actor: vars(actor).update(OTHER if actor.number == 1 else {}))
    message = r"host1 \(pid 1\) would compute other bits than the driver: cpu: 'a' here, 'b' there"
    with pytest.raises(FingerprintError, match=message):
        make_pool(backend, 2).wait_until_ready()

    pool, backend, messages = ready_pool(
        2, make=lambda actor: vars(actor).update(OTHER if actor.number == 2 else {})
    )
    backend.actors[0].kill()
    check_steps(pool, range(400))
    assert len(backend.actors) == 4
    assert backend.actors[2].ran == []
    assert backend.avoided[3] == ["node2"]
    assert any("cpu: 'a' here, 'b' there" in line for line in messages)


def test_late_actors_that_are_refused_cost_no_budget_and_delay_no_other():
    pool, backend, messages = ready_pool(
        2,
        make=lambda actor: vars(actor).update(
            task_s=0.1, **(OTHER if 2 <= actor.number < 10 else {})
        ),
        max_failures=1,
        elastic=True,
    )
    backend.cluster = Machines(3, frozenset())
    backend.at(200.0, backend.actors[0].kill)
    check_steps(pool, range(400))
    refused = [line for line in messages if "would compute other bits" in line]
    assert len(refused) == 8
    assert pool.num_ready == 3
    died = next(line for line in messages if "died: " in line)
    assert died.endswith("another actor replaces it"), "at once"


def test_all_actors_that_start_on_a_machine_with_other_bits_end_together():
    def make(actor):
        if 2 <= actor.number < 6:
            late = actor.number == 5
            vars(actor).update(
                node="other",
                task_s=0.1,
                build_s=20.0 + actor.number,
                place_s=22.5 if late else 1.0,
                **OTHER,
            )

    pool, backend, messages = ready_pool(2, make=make, max_failures=0, elastic=True)
    backend.cluster = Machines(6, frozenset())
    check_steps(pool, range(500))
    others = backend.actors[2:6]
    assert all(actor.ended and not actor.ran for actor in others)
    assert sum("cpu: 'a' here, 'b' there" in line for line in messages) == 1
    assert sum("on the same machine as one that would" in line for line in messages) == 3
    assert all(avoided == ["other"] for avoided in backend.avoided[6:])
    assert pool.num_ready == 6


def test_a_run_ends_if_no_actor_is_left_and_every_machine_differs():
    pool, backend, _ = ready_pool(
        1, make=lambda actor: vars(actor).update(OTHER if actor.number else {}), max_failures=4
    )
    backend.actors[0].kill()
    with pytest.raises(FingerprintError, match="would compute other bits than the driver"):
        check_steps(pool, [0])
    assert len(backend.actors) == 5, "the budget bounds them"


def test_a_run_that_finds_no_other_machine_says_that_some_were_refused():
    pool, backend, _ = ready_pool(
        1,
        make=lambda actor: (
            vars(actor).update(OTHER, placeable=actor.number < 2) if actor.number else None
        ),
    )
    backend.actors[0].kill()
    message = r"no machine \(but 1, which would compute other bits\) has had room for an actor"
    with pytest.raises(PoolError, match=message):
        check_steps(pool, [0])

"""Pools of simulated actors, and the contributions that they must return."""

import functools

from simulated_actor import NUM_CARRIED, NUM_PARAMETERS, WEIGHTS, blocks_of, contribution_of
from simulated_backend import SimulatedBackend

from orchestrator.outer.aggregate import aggregate
from orchestrator.pool.actor_pool import ActorPool

NUM_BLOCKS = 8


def make_pool(backend, count, **changes):
    options = {"max_failures": 10, "slow_after_s": 2.0, "start_limit_s": 300.0, **changes}
    pool = ActorPool(backend, count, examples=blocks_of(0, 1), **options)
    pool.expect({"cpu": "a"})
    return pool


def total(contributions):
    gradient, carry, metrics = aggregate(contributions, NUM_PARAMETERS, NUM_CARRIED)
    return gradient.tobytes(), carry.tobytes(), metrics


@functools.lru_cache(maxsize=10_000)
def undisturbed(step):
    return total([contribution_of(block) for block in blocks_of(step, NUM_BLOCKS)])


def run(pool, step):
    return total(pool.run(WEIGHTS._replace(step=step), blocks_of(step, NUM_BLOCKS)))


def check_steps(pool, steps):
    for step in steps:
        assert run(pool, step) == undisturbed(step), f"step {step}"


def ready_pool(count, make=lambda actor: None, **changes):
    messages: list[str] = []
    backend = SimulatedBackend(make)
    pool = make_pool(backend, count, notify=messages.append, **changes)
    pool.wait_until_ready()
    return pool, backend, messages

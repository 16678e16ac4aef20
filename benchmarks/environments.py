"""Environment steps/s of meta-training a policy, beside bare stepping of the same environments.

    python benchmarks/environments.py halfcheetah-direction [--set task.normalize=0] [--rounds 3]

Bare: each environment's own `step`, one after another, with the actions that the policy took last
(the movement decides the cost of a step), and with random ones that were drawn before.
Acting: the rollouts of a step's blocks, with the policy, without inner steps. Gathering: rollouts,
normalization, baselines and inner steps. Whole: a meta-training step with the outer update. Random
episodes for normalization take time here, but do not count as steps. All run in one process with
one thread, by turns, so that a noisy machine disturbs all alike, and are measured in processor
time, which other work lengthens less, and by the clock.
"""

import argparse
import statistics
import time
from collections.abc import Callable
from typing import Any

import numpy as np

from orchestrator.config.schema import load
from workers.execution import runtime

Seconds = tuple[float, float]


class Stopwatch:
    """Seconds of the processor and of the clock, summed over calls."""

    def __init__(self) -> None:
        self.spent = np.zeros(2)

    def around(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """Return the function, timed."""

        def timed(*arguments: Any) -> Any:
            before = _now()
            try:
                return function(*arguments)
            finally:
                self.spent += _now() - before

        return timed

    def take(self) -> Any:
        """Return the seconds since the last call of this method."""
        spent, self.spent = self.spent, np.zeros(2)
        return spent


def main() -> None:
    """Print environment steps/s of each, the median over rounds, and its ratio to bare stepping."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("preset")
    parser.add_argument("--set", action="append", default=[], dest="overrides")
    parser.add_argument("--rounds", type=int, default=3)
    arguments = parser.parse_args()
    config, _ = load(arguments.preset, arguments.overrides)
    runtime.start_tensorflow(0)
    from orchestrator.loop import meta_train
    from orchestrator.outer.update import OuterUpdate
    from orchestrator.pool.base import InProcessPool
    from orchestrator.run.launch import Launch
    from workers.block import BlockRunner
    from workers.policies import rollout_adaptation
    from workers.tasks.registry import make_family

    config = config.model_copy(
        update={"outer": config.outer.model_copy(update={"steps": arguments.rounds + 1})}
    )
    acting, gathering, whole, num_steps = Stopwatch(), Stopwatch(), Stopwatch(), [0]
    done: list[Any] = []

    def counted(*arguments: Any) -> Any:
        rollout = roll_out(*arguments)
        num_steps[0] += int(rollout.mask.sum())
        done[:] = [np.moveaxis(rollout.actions, 2, 0)]
        return rollout

    roll_out = rollout_adaptation.roll_out
    rollout_adaptation.roll_out = acting.around(counted)  # type: ignore[assignment]
    rollout_adaptation.RolloutAdapter.gather = gathering.around(
        rollout_adaptation.RolloutAdapter.gather
    )  # type: ignore[method-assign]
    family = make_family(config.task)
    bare = bare_stepping(config, family)
    run = Launch(config, family, InProcessPool(BlockRunner(config.worker, family)), "")
    outer = OuterUpdate(config.outer, run.initial_state())
    steps = meta_train(config, family, run.pool, outer)
    names = ("bare", "bare, at random", "acting", "gathering", "whole")
    measured: dict[str, list[Any]] = {name: [] for name in names}
    draw = np.random.default_rng(0)
    watches = {"acting": acting, "gathering": gathering, "whole": whole}
    for number in range(arguments.rounds + 1):
        num_steps[0] = 0
        whole.around(next)(steps)
        spent = {name: watch.take() / num_steps[0] for name, watch in watches.items()}
        if number:  # the first compiles
            at_random = family.random_actions(draw, done[0].shape[:-1])
            stepped = {"bare": bare(done[0]), "bare, at random": bare(at_random)}
            for name, seconds in {**spent, **stepped}.items():
                measured[name].append(seconds)
    show(measured, num_steps[0])


def bare_stepping(config: Any, family: Any) -> Callable[[Any], Any]:
    """Return a function that steps one block's environments by given actions, without a policy.

    It takes actions [horizon, tasks, episodes, ...] and returns seconds per environment step.
    """
    from workers.wire.protocol import Draw

    num_tasks, num_episodes = config.workers.block_size, config.task.queries
    specs = family.sample(Draw(0, "test", 0), 0, num_tasks, 0, 0)
    generators = [np.random.default_rng(task) for task in range(num_tasks)]
    environments = family.environments(specs, num_episodes, generators)
    separate = getattr(environments, "_environments", None)

    def vectorized(actions: Any) -> Any:
        environments.reset()
        before = _now()
        for step_actions in actions:
            environments.step(step_actions)
        return (_now() - before) / np.prod(actions.shape[:3])

    def one_by_one(actions: Any) -> Any:
        environments.reset()
        ready = [family._actions.environment_actions(step_actions) for step_actions in actions]
        count, over, before = 0, [False] * len(separate), _now()
        for step_actions in ready:
            for number, environment in enumerate(separate):
                if not over[number]:
                    _, _, terminated, truncated, _ = environment.step(step_actions[number])
                    over[number] = terminated or truncated
                    count += 1
        return (_now() - before) / count

    return vectorized if separate is None else one_by_one


def show(measured: dict[str, list[Any]], num_steps: int) -> None:
    """Print the table."""
    print(f"{num_steps} environment steps in a meta-training step")
    for name, seconds in measured.items():
        processor, clock = np.median(1 / np.array(seconds), axis=0)
        pairs = zip(measured["bare"], seconds, strict=True)
        ratios = np.array([bare / spent for bare, spent in pairs])
        of_processor, of_clock = (statistics.median(column) for column in ratios.T)
        print(
            f"{name}: {processor:.0f} steps/s of processor time, {of_processor:.2f} x; "
            f"{clock:.0f} by the clock, {of_clock:.2f} x"
        )


def _now() -> Any:
    return np.array([time.process_time(), time.perf_counter()])


if __name__ == "__main__":
    main()

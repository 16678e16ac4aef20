"""Many outer steps in one call: theta, carry, metrics and errors of single steps."""

import re
from dataclasses import replace

import keras
import numpy as np
import pytest
from ray.train import RunConfig
from same_bits_cases import ALGORITHMS, EVERY_DAY, NORMALIZATIONS
from small_configs import sinusoid
from small_runs import in_process

from orchestrator.config import schema as configuration
from orchestrator.loop import meta_train
from orchestrator.outer import many_steps, update
from orchestrator.outer.update import OuterUpdate
from orchestrator.records.metrics_log import read_metrics
from orchestrator.run import training_run
from orchestrator.run.training_run import TrainingRun
from orchestrator.storage.storage import Storage
from orchestrator.trainer import MetaTrainer
from workers.wire.errors import NonFiniteError, TaskError
from workers.wire.tensors import sha256

STEPS = 14
RANGES = ["model.normalization=batch", "task.shots=[1,12]", "task.queries=[2,3]"]
#: Name -> overrides of a sinusoid run: each kind of outer optimizer, schedule and clipping.
OUTER = {
    "sgd": ["outer.optimizer=sgd", "outer.lr=0.1"],
    "momentum, clipped by norm": ["outer.optimizer=momentum", "outer.clip_norm=0.3"],
    "adam, cosine, warmup": ["outer.schedule=cosine", "outer.warmup_steps=3"],
    "adam, staircase": ["outer.schedule=staircase", "outer.decay_steps=3"],
    "adamw, linear, clipped by value": [
        "outer.optimizer=adamw",
        "outer.weight_decay=0.1",
        "outer.schedule=linear",
        "outer.clip_value=0.01",
    ],
    "five blocks": ["outer.meta_batch_size=9", "workers.block_size=2"],
    "batches": ["algorithm.kind=reptile", "algorithm.inner_batch=3", "algorithm.inner_steps=2"],
    "carried moments": [
        "algorithm.kind=reptile",
        "algorithm.inner_optimizer=adam",
        "algorithm.inner_moments=persistent",
    ],
    "ridge": ["algorithm.kind=ridge", "evaluation.inner_steps=[1]", *RANGES],
}
TIMES = ("seconds", "tasks_per_s")


@pytest.fixture(autouse=True)
def any_run_is_small_and_long_enough(monkeypatch):
    monkeypatch.setattr(many_steps, "CALL_S", 1e9)
    monkeypatch.setattr(many_steps, "FEWEST_STEPS", 0)


def sinusoids(*overrides):
    """Compiled: as a part of another graph, others might have other bits."""
    return in_process(sinusoid("runtime.xla=true", "runtime.execution=vectorized", *overrides))


def of_steps(launch, steps=STEPS):
    outer = launch.config.outer.model_copy(update={"steps": steps})
    return replace(launch, config=launch.config.model_copy(update={"outer": outer}))


def train(launch, **due):
    """The reports, and all that the rest of a run depends on."""
    outer = OuterUpdate(launch.config.outer, launch.initial_state())
    reports = list(meta_train(launch.config, launch.family, launch.pool, outer, **due))
    return reports, outer.state()


def up_to_five(done):
    """A validation or a checkpoint after every fifth step."""
    return min(5 - done % 5, STEPS - done)


def check_equal(launch):
    single, expected = train(launch)
    many, state = train(launch, due=up_to_five)
    assert sha256(state.theta) == sha256(expected.theta)
    assert state.step == expected.step
    for name in ("carry", "optimizer"):
        ours, other = getattr(state, name), getattr(expected, name)
        assert ours.keys() == other.keys()
        assert all(np.array_equal(ours[key], other[key]) for key in other)
    assert [(report.step, report.metrics) for report in many] == [
        (report.step, report.metrics) for report in single
    ]
    assert all(report.settled for report in single)
    # Three steps by themselves, then calls of at most four that end after steps 5, 10 and 14.
    settled = [report.step for report in many if report.settled]
    changes = launch.config.algorithm.changes_at
    assert changes or settled == [1, 2, 3, 5, 9, 10, STEPS]


@pytest.mark.parametrize("name", OUTER)
@pytest.mark.quick("five blocks")
def test_sinusoids_learn_the_same(name):
    check_equal(of_steps(sinusoids(*OUTER[name])))


@pytest.mark.slow
@pytest.mark.parametrize(
    ("algorithm", "normalization"),
    # XLA takes no query by itself.
    [each for each in EVERY_DAY if "support statistics" not in each],
)
def test_each_algorithm_and_normalization_learns_the_same(algorithm, normalization):
    small = ["model.hidden=[4]", "task.shots=2", "task.queries=2", "outer.meta_batch_size=3"]
    both = [*ALGORITHMS[algorithm], *NORMALIZATIONS[normalization]]
    check_equal(of_steps(sinusoids(*both, *small)))


def test_what_xla_does_not_compile_has_a_call_for_each_step():
    launch = of_steps(in_process(sinusoid("runtime.xla=false")))
    reports, _ = train(launch, due=up_to_five)
    assert all(report.settled for report in reports)


class Spoiled:
    """A family some of whose training steps have a task that is not a number."""

    def __init__(self, family, *steps, task=1):
        self._family, self._steps, self._task = family, steps, task

    def __getattr__(self, name):
        return getattr(self._family, name)

    def sample(self, draw, lo, hi, shots, queries):
        specs = dict(self._family.sample(draw, lo, hi, shots, queries))
        specs["spoiled"] = np.zeros(hi - lo, bool)
        specs["spoiled"][self._task] = draw.split == "train" and draw.step in self._steps
        return specs

    def build(self, specs, **keywords):
        episode = self._family.build(specs, **keywords)
        targets = np.where(specs["spoiled"][:, None, None], np.nan, episode.support_targets)
        return episode._replace(support_targets=targets.astype(np.float32))


def spoiled(*overrides, steps=(7,)):
    from workers.block import BlockRunner

    launch = of_steps(sinusoids(*overrides))
    family = Spoiled(launch.family, *steps)
    launch.pool.runner = BlockRunner(launch.config.worker, family)
    return replace(launch, family=family)


def test_a_step_that_is_not_finite_is_found_where_it_arises():
    launch = spoiled()
    outer = OuterUpdate(launch.config.outer, launch.initial_state())
    done = []
    steps = meta_train(launch.config, launch.family, launch.pool, outer, lambda done: 99)
    with pytest.raises(NonFiniteError, match="step 7, task 1: gradient not finite"):
        done.extend(report.step for report in steps)
    assert done == list(range(1, 8))
    assert outer.step == 7


def test_a_task_that_is_not_finite_is_skipped_as_by_single_steps():
    launch = spoiled("runtime.non_finite=skip")
    single, expected = train(launch)
    many, state = train(launch, due=lambda done: STEPS - done)
    assert sha256(state.theta) == sha256(expected.theta)
    assert [report.skipped_tasks for report in many] == [0] * 7 + [1] + [0] * (STEPS - 8)
    assert [report.metrics for report in many] == [report.metrics for report in single]
    assert [report.step for report in many if report.settled] == [1, 2, 3, 7, 8, STEPS]


def test_single_steps_after_calls_have_tasks_of_their_own():
    launch = spoiled("runtime.non_finite=skip", steps=(3, 8))
    _, expected = train(launch)
    many, state = train(launch, due=lambda done: STEPS - done)
    assert sha256(state.theta) == sha256(expected.theta)
    assert [report.step for report in many if report.skipped_tasks] == [4, 9]


def test_weights_that_an_update_makes_infinite_end_the_run_at_that_step(monkeypatch):
    overrides = ["outer.optimizer=sgd"]
    rate = keras.optimizers.schedules.PiecewiseConstantDecay([7], [0.01, 3e38])
    monkeypatch.setattr(update, "make_schedule", lambda settings: rate)
    messages = []
    for due in ({}, {"due": lambda done: STEPS - done}):
        with pytest.raises(NonFiniteError) as error:
            train(of_steps(sinusoids(*overrides)), **due)
        messages.append(str(error.value))
    assert messages[0] == messages[1]
    assert re.match(r"step \d+: the outer update made weights that are not finite", messages[0])


def test_an_error_of_the_family_is_reported_as_by_single_steps():
    launch = of_steps(sinusoids())

    class Raising(Spoiled):
        def build(self, specs, **keywords):
            if specs["spoiled"].any():
                raise TaskError("this task cannot be built")
            return self._family.build(specs, **keywords)

    family = Raising(launch.family, 7)
    from workers.block import BlockRunner

    launch.pool.runner = BlockRunner(launch.config.worker, family)
    with pytest.raises(TaskError, match="this task cannot be built"):
        train(replace(launch, family=family), due=lambda done: STEPS - done)


def test_a_run_has_a_row_for_each_step_and_the_same_checkpoints(tmp_path, monkeypatch):
    shas, rows = [], []
    for name, calls in (("single", 0), ("many", 1)):
        launch = sinusoids(f"outer.steps={STEPS}", "evaluation.every=6", "checkpoint.every=4")
        storage = Storage(str(tmp_path / name))
        run = TrainingRun(launch.config, storage, launch, None)
        with monkeypatch.context() as patch:
            if not calls:
                patch.setattr(training_run, "steps_until_due", lambda config, done: 1)
            steps = [progress.report for progress in run.steps()]
        assert [report.step for report in steps] == list(range(1, STEPS + 1))
        run.flush()
        shas.append(run.theta_sha256)
        rows.append(
            [
                {name: row[name] for name in row if name not in TIMES}
                for row in read_metrics(storage)
            ]
        )
        # Validated steps are by themselves.
        expected = {1, 2, 3, 4, 5, 6, 8, 11, 12, 13, 14} if calls else set(range(1, STEPS + 1))
        assert {report.step for report in steps if report.settled} == expected
        run.close()
    assert shas[0] == shas[1]
    assert rows[0] == rows[1]


def test_between_two_calls_a_run_can_be_left_and_resumed(tmp_path):
    launch = sinusoids(f"outer.steps={STEPS}")
    run = TrainingRun(launch.config, Storage(str(tmp_path)), launch, None)
    for progress in run.steps():
        if progress.report.step == 5:  # within a call
            break
    name = run.save()
    run.flush()
    assert run.saved_step == len(read_metrics(run.storage))
    assert name.endswith(f"{run.saved_step:08d}")
    assert run.saved_step > 5
    run.close()


def test_no_task_is_drawn_for_a_step_after_the_last(monkeypatch):
    launch = of_steps(sinusoids())
    steps, sample = [], type(launch.family).sample

    def recorded(self, draw, *sizes):
        steps.append(draw.step)
        return sample(self, draw, *sizes)

    monkeypatch.setattr(type(launch.family), "sample", recorded)
    train(launch, due=lambda done: 4)
    assert sorted(set(steps)) == list(range(STEPS))


def test_slow_steps_are_called_one_by_one(monkeypatch):
    monkeypatch.setattr(many_steps, "CALL_S", 0.0)
    reports, _ = train(of_steps(sinusoids()), due=up_to_five)
    assert all(report.settled for report in reports)


@pytest.mark.parametrize(
    ("limit", "value"), [("_MOST_BYTES", 0), ("_MOST_BLOCKS", 0), ("FEWEST_STEPS", STEPS + 1)]
)
def test_large_steps_are_not_called_nor_few_ones(monkeypatch, limit, value):
    launch = of_steps(sinusoids())
    monkeypatch.setattr(many_steps, limit, value)
    monkeypatch.setattr(many_steps.ManySteps, "_make_graph", lambda *_: pytest.fail("a graph"))
    single, _ = train(launch, due=up_to_five)
    assert all(report.settled for report in single)


def test_the_command_makes_such_calls(tmp_path, monkeypatch):
    """Its pool is a watched one."""
    calls = []
    run = many_steps.ManySteps.run

    def counted(self, first):
        done = run(self, first)
        calls.append(len(done.metrics) if done else 1)
        return done

    monkeypatch.setattr(many_steps.ManySteps, "run", counted)
    few = {"outer.steps": STEPS, "evaluation.tasks": 2, "evaluation.validation_tasks": 2}
    config, _ = configuration.load("sinusoid", {**few, "workers.count": 0, "model.hidden": [4]})
    place = RunConfig(storage_path=str(tmp_path), name="run")
    result = MetaTrainer(config, run_config=place).fit()
    assert len(result.metrics_dataframe) == STEPS
    assert calls[:3] == [1, 1, 1]
    assert max(calls) == 4

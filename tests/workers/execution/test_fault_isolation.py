"""A block's tasks one by one: which of them fails, and the sum without it."""

import dataclasses
import functools
import pickle
import re

import numpy as np
import pytest
import tensorflow as tf
from small_families import part, sinusoid_settings, train_block
from small_tasks import at

from workers.block import BlockRunner
from workers.execution.fault_isolation import sum_finite, task_error
from workers.meta_parameters import initial
from workers.settings.worker import ActorSettings, RuntimeSettings
from workers.tasks.sinusoid import SinusoidFamily
from workers.wire.combine import combine
from workers.wire.errors import MetatrainError, NonFiniteError, TaskError
from workers.wire.tensors import to_vector

MAP = {"execution": "map", "xla": False}


def small(non_finite="skip", **runtime):
    settings = sinusoid_settings(
        runtime=RuntimeSettings(**{**MAP, "non_finite": non_finite, **runtime}),
    )
    return settings, SinusoidFamily(settings.task)


@functools.cache
def _shared(settings):
    settings = ActorSettings.model_validate_json(settings)
    return BlockRunner(settings, SinusoidFamily(settings.task))


def runner_of(settings):
    """Make a runner, traced once for all tests: it keeps no training state."""
    return _shared(settings.model_dump_json())


def poisoned(block, *tasks):
    """The block, with tasks whose targets are too large for a gradient."""
    specs = {name: values.copy() for name, values in block.specs.items()}
    specs["amplitude"][list(tasks)] = 1e38
    return dataclasses.replace(block, specs=specs)


@pytest.mark.parametrize(
    "runtime", [MAP, {"execution": "vectorized", "xla": True}], ids=["map", "shipped"]
)
def test_a_task_that_is_not_finite_is_left_out_and_counted(runtime):
    settings, family = small(**runtime)
    runner, weights = runner_of(settings), at(to_vector(initial(settings, family).theta))
    block = train_block(settings, family, 0, 4)
    ours = runner.run(weights, poisoned(block, 1, 3))
    assert (ours.num_tasks, ours.num_skipped) == (2, 2)
    one, other = (runner.run(weights, part(block, task, task + 1)) for task in (0, 2))
    np.testing.assert_array_equal(ours.gradient, one.gradient + other.gradient)
    for name, value in ours.metrics.items():
        assert value == one.metrics[name] + other.metrics[name]
    again = runner.run(weights, poisoned(block, 1, 3))
    np.testing.assert_array_equal(ours.gradient, again.gradient)


def test_a_whole_block_that_is_not_finite_weighs_nothing_in_its_node():
    settings, family = small()
    runner, weights = runner_of(settings), at(to_vector(initial(settings, family).theta))
    block = train_block(settings, family, 0, 4)
    first, second = part(block, 0, 2), dataclasses.replace(part(block, 2, 4), index=1)
    nothing = runner.run(weights, poisoned(first, 0, 1))
    assert (nothing.num_tasks, nothing.num_skipped) == (0, 2)
    assert not nothing.gradient.any()
    rest = runner.run(weights, second)
    both = combine([nothing, rest])
    assert (both.num_tasks, both.num_skipped) == (2, 2)
    np.testing.assert_array_equal(both.gradient, rest.gradient)
    assert both.metrics["loss_after"] == rest.metrics["loss_after"]


def test_without_the_policy_the_first_such_task_ends_the_run():
    settings, family = small("fail")
    runner, weights = BlockRunner(settings, family), at(to_vector(initial(settings, family).theta))
    block = poisoned(train_block(settings, family, 0, 4), 1, 3)
    with pytest.raises(NonFiniteError, match="step 3, task 1: gradient not finite"):
        runner.run(weights, block)


def test_weights_that_are_not_finite_are_refused_under_either_policy():
    settings, family = small("skip")
    runner, theta = runner_of(settings), to_vector(initial(settings, family).theta)
    block = train_block(settings, family, 0, 4)
    with pytest.raises(NonFiniteError, match="the weights are not finite at step 3"):
        runner.run(at(theta * np.nan), block)


class Refusing(SinusoidFamily):
    """A family that raises on tasks with a negative phase, or only on several tasks together."""

    together = False

    def build(self, specs, *, global_labels=False):
        if self.together and len(specs["phase"]) > 1:
            raise MemoryError("too many\nat once")
        if (specs["phase"] < 0).any():
            raise RuntimeError("no such\nphase")
        return super().build(specs, global_labels=global_labels)


def run_refused(together):
    settings, _ = small()
    family = Refusing(settings.task)
    family.together = together
    runner, weights = BlockRunner(settings, family), at(to_vector(initial(settings, family).theta))
    block = train_block(settings, family, 4, 8)
    if not together:
        block.specs["phase"][2] = -1.5
    with pytest.raises(TaskError) as refused:
        runner.run(weights, block)
    return str(refused.value)


def test_an_exception_names_the_task_its_spec_the_seed_and_the_place():
    first, _, trace = run_refused(together=False).partition("\n")
    assert first.startswith("step 3, task 6: RuntimeError: no such (spec: amplitude [")
    assert "phase [-1.5]" in first
    assert first.endswith("; seed: 0; kind: train)")
    assert "test_fault_isolation.py" in trace
    assert "raise RuntimeError" in trace


def test_what_tensorflow_says_of_an_exception_in_a_graph_is_cut_to_what_happened():
    settings, family = small()
    runner, weights = BlockRunner(settings, family), at(to_vector(initial(settings, family).theta))
    block = train_block(settings, family, 0, 3)
    graph = runner.training.of_one_task

    def picky(*arguments):
        one = graph(*arguments)

        def checked(task):
            tf.debugging.assert_less(task.support_targets, 100.0, message="beyond the sensor")
            return one(task)

        return checked

    runner.training.of_one_task = picky
    block.specs["amplitude"][1] = 1000.0
    with pytest.raises(TaskError) as refused:
        runner.run(weights, block)
    first, _, trace = str(refused.value).partition("\n")
    assert first.startswith("step 3, task 1: InvalidArgumentError: assertion failed: [beyond the")
    assert "amplitude [1000.]" in first
    assert "test_fault_isolation.py" in trace
    assert "site-packages" not in trace
    assert "\n\n" not in trace


def test_an_exception_of_several_tasks_together_names_them_all():
    first = run_refused(together=True).partition("\n")[0]
    assert first.startswith("step 3, tasks 4 to 7 together: MemoryError: too many (spec: ")


def test_the_error_survives_pickling():
    error = TaskError("one line\nTraceback")
    assert str(pickle.loads(pickle.dumps(error))) == str(error)
    assert isinstance(error, MetatrainError)


@pytest.mark.parametrize("skip", [False, True])
def test_tasks_that_are_finite_one_by_one_are_all_taken_where_others_might_be_skipped(skip):
    """In one batch they were not, as when a diverging policy acts differently in a batch."""
    settings, family = small()
    block, weights = train_block(settings, family, 0, 3), at(np.zeros(2, np.float32))

    def sums_of(weights, single):
        return np.full(2, single.lo, np.float32), weights.carry, {"loss_after": np.float64(1)}

    if not skip:
        with pytest.raises(NonFiniteError, match="each of them is"):
            sum_finite(sums_of, weights, block, skip)
        return
    total = sum_finite(sums_of, weights, block, skip)
    assert (total.num_tasks, total.num_skipped, total.metrics["loss_after"]) == (3, 0, 3)
    np.testing.assert_array_equal(total.gradient, [3, 3])


def test_an_error_without_a_message_is_told_with_its_place():
    try:
        raise AssertionError
    except AssertionError as error:
        line = str(task_error("the model raised ", error)).partition("\n")[0]
    place = r"at test_fault_isolation.py, line \d+: raise AssertionError"
    assert re.fullmatch(f"the model raised AssertionError: {place}", line)
    bare = str(task_error("raised ", ValueError())).partition("\n")[0]
    assert bare == "raised ValueError: without a message"

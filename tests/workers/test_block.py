import os
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
import warm_commands
from small_blocks import CASES, MAP, RECIPE, VECTORIZED, assert_close, assert_same_bits, setup
from small_families import (
    WAYS,
    NoiseFamily,
    held_out_block,
    make_family,
    noise_settings,
    part,
    sinusoid_settings,
    train_block,
)
from small_tasks import at

from workers.algorithms.joint import JointAlgorithm
from workers.algorithms.maml import MamlAlgorithm
from workers.algorithms.reptile import ReptileAlgorithm
from workers.inner.batches import draw_batches
from workers.meta_parameters import num_train_outputs
from workers.models.linear import LinearModel
from workers.settings.worker import RuntimeSettings
from workers.wire.protocol import Block, Draw, Recipe

# Convolutions take long to vectorize, and by default they are not.
SLOW = {"maml, conv4"}


@pytest.mark.parametrize(
    ("case", "runtime"),
    [("maml, batch", MAP), ("maml, sinusoid", VECTORIZED)],
    ids=["map", "vectorized"],
)
def test_a_block_has_the_same_bits_again_and_on_another_runner(case, runtime):
    settings = CASES[case]
    runner, family, theta = setup(settings, runtime)
    block = train_block(settings, family, 0, 4)
    before = theta.copy()
    first = runner.run(at(theta), block)
    runner.run(at(theta + 1), train_block(settings, family, 4, 8))
    runner.run(at(theta), held_out_block(settings, family, "evaluate", 4, RECIPE))
    assert_same_bits(runner.run(at(theta), block), first)
    another, *_ = setup(settings, runtime, make_family(settings))
    assert_same_bits(another.run(at(theta), block), first)
    np.testing.assert_array_equal(theta, before)


@pytest.mark.quick("ridge, sinusoid", "maml, sinusoid", "maml, batch", "joint")
@pytest.mark.parametrize(
    "case",
    [pytest.param(case, marks=[pytest.mark.slow] * (case in SLOW)) for case in CASES],
)
def test_a_block_is_the_sum_of_its_tasks_mapped_or_vectorized(case):
    settings = CASES[case]
    runner, family, theta = setup(settings)
    block = train_block(settings, family, 0, 4)
    whole = runner.run(at(theta), block)
    parts = [runner.run(at(theta), part(block, task, task + 1)) for task in range(4)]
    vectorized = setup(settings, VECTORIZED)[0].run(at(theta), block)

    assert whole.gradient.shape == theta.shape
    assert whole.gradient.dtype == np.float32
    assert whole.num_tasks == 4
    assert np.linalg.norm(whole.gradient) > 1e-4
    assert_close(sum(each.gradient for each in parts), whole.gradient)
    assert_close(vectorized.gradient, whole.gradient)
    expected = {"loss_before", "loss_after"} | ({"accuracy"} if family.loss != "mse" else set())
    assert whole.metrics.keys() == vectorized.metrics.keys() == expected
    for name, total in whole.metrics.items():
        assert total.shape == ()
        np.testing.assert_allclose(sum(each.metrics[name] for each in parts), total, rtol=1e-5)
        np.testing.assert_allclose(vectorized.metrics[name], total, rtol=1e-5)


@pytest.mark.parametrize("case", ["maml, sinusoid", "ridge, sinusoid"])
@pytest.mark.quick("maml, sinusoid")
def test_the_shipped_execution_agrees_with_the_plain_one(case):
    """Dense models run vectorized under XLA."""
    settings = CASES[case]
    runner, family, theta = setup(settings, RuntimeSettings())
    plain = setup(settings)[0]
    traces = set()
    for step in range(2):
        block = train_block(settings, family, 0, 4, step)
        moved = at(theta * np.float32(1 + step / 100))
        assert_close(runner.run(moved, block).gradient, plain.run(moved, block).gradient)
        traces.add(runner.num_traces)
    assert len(traces) == 1


@pytest.mark.parametrize(
    ("name", "xla"),
    [
        *(pytest.param("maml, batch", xla, marks=pytest.mark.slow) for xla in (False, True)),
        ("maml, sinusoid", True),
        ("joint", False),
    ],
)
def test_one_derivative_for_many_tasks_is_the_sum_of_theirs(name, xla):
    settings = CASES[name]
    runner, family, theta = setup(settings, RuntimeSettings(execution="vectorized", xla=xla))
    plain = setup(settings)[0]
    block = train_block(settings, family, 0, 64)
    together, one_by_one = (each.run(at(theta), block) for each in (runner, plain))
    assert_close(together.gradient, one_by_one.gradient)
    for metric, value in one_by_one.metrics.items():
        np.testing.assert_allclose(together.metrics[metric], value, rtol=1e-4)


# XLA dumps each program that it compiles into the folder of argument 1.
_MANY_STEPS = """
import sys
from pathlib import Path
sys.path += {folders}
from workers.execution.runtime import start_tensorflow
start_tensorflow(0)
import numpy as np
from test_block import CASES, RuntimeSettings, at, setup, train_block
settings = CASES["maml, batch"]
runner, family, theta = setup(settings, RuntimeSettings())
for tasks in (4, 64):
    for step in range(5):
        block = train_block(settings, family, 0, tasks, step)
        runner.run(at(theta * np.float32(1 + step)), block)
        print(len({{file.name.split(".")[0] for file in Path(sys.argv[1]).glob("module_*")}}))
"""


@pytest.mark.slow
def test_xla_compiles_once_whatever_theta_is(tmp_path):
    """Both with a derivative for each task and with one for all."""
    script = tmp_path / "steps.py"
    here = Path(__file__).parent
    fakes = here.parent / "fakes"
    folders = [str(folder) for folder in (here, fakes, fakes / "tasks")]
    script.write_text(_MANY_STEPS.format(folders=folders))
    environment = {**os.environ, "XLA_FLAGS": f"--xla_dump_to={tmp_path}"}
    result = warm_commands.run(tmp_path, tmp_path, environment=environment, script=script)
    assert result.returncode == 0, result.stderr
    assert result.stdout.split() == ["1"] * 5 + ["2"] * 5


def test_a_block_of_one_task_is_mapped_with_xla_too():
    settings = sinusoid_settings()
    plain, family, theta = setup(settings, MAP)
    compiled, _, _ = setup(settings, RuntimeSettings(execution="map", xla=True))
    for block in (
        train_block(settings, family, 4, 5),
        held_out_block(settings, family, "predict", 1, RECIPE),
    ):
        ours, theirs = (runner.run(at(theta), block) for runner in (compiled, plain))
        np.testing.assert_allclose(ours.gradient, theirs.gradient, rtol=1e-4, atol=1e-5)
        for name, values in theirs.metrics.items():
            np.testing.assert_allclose(ours.metrics[name], values, rtol=1e-4, atol=1e-5)


def test_nothing_is_traced_twice_for_a_kind_and_shape():
    settings = sinusoid_settings(model=LinearModel())
    runner, family, theta = setup(settings, family=make_family(settings))
    for step in range(5):
        runner.run(at(theta + step), train_block(settings, family, 0, 4, step))
        for kind in ("evaluate", "predict"):
            recipe = Recipe(inner_lr=0.01 * (step + 1), inner_steps=2)
            runner.run(at(theta), held_out_block(settings, family, kind, 2, recipe))
    assert runner.num_traces == 3


def test_the_reported_support_loss_is_the_mean_whatever_inner_loss_is_descended():
    before = []
    for inner_loss in ("mean", "sum_over_shots"):
        algorithm = MamlAlgorithm(inner_lr=0.1, first_order=True, inner_loss=inner_loss)
        settings = noise_settings(model=LinearModel(), algorithm=algorithm)
        runner, family, theta = setup(settings)
        metrics = runner.run(at(theta), train_block(settings, family, 0, 2)).metrics
        before.append(metrics["loss_before"])
    np.testing.assert_allclose(before[0], before[1], rtol=1e-6)


def test_inner_batches_decide_what_each_inner_step_sees():
    algorithm = ReptileAlgorithm(inner_lr=0.1, inner_steps=2, inner_batch=2)
    settings = noise_settings(algorithm=algorithm, model=LinearModel())
    runner, family, theta = setup(settings)
    block = train_block(settings, family, 0, 2)
    whole = runner.run(at(theta), block).gradient

    def with_batches(batches):
        specs = {**block.specs, "batches": batches}
        return runner.run(at(theta), Block("train", 3, 0, 0, 2, specs)).gradient

    batches = draw_batches(Draw(0, "train", 3), 0, 2, WAYS * settings.task.shots, 2, 2)
    everything = np.tile(np.arange(WAYS * settings.task.shots), (2, 1, 1))
    assert_close(with_batches(everything), whole)
    assert np.linalg.norm(with_batches(batches) - whole) > 1e-3 * np.linalg.norm(whole)


def test_a_read_only_theta_is_as_good():
    """Ray's arrays are read-only."""
    settings = CASES["maml, sinusoid"]
    runner, family, theta = setup(settings)
    block = train_block(settings, family, 0, 4)
    expected = runner.run(at(theta), block)
    theta.setflags(write=False)
    assert_same_bits(runner.run(at(theta), block), expected)


def test_outputs_are_the_training_classes_for_joint_classification_alone():
    family = NoiseFamily()
    assert num_train_outputs(noise_settings(), family) == WAYS
    assert num_train_outputs(CASES["joint"], family) == family.num_train_classes
    regression = sinusoid_settings(algorithm=JointAlgorithm())
    assert num_train_outputs(regression, make_family(regression)) == 1


def test_tensorflow_runs_on_one_thread_here():
    assert tf.config.threading.get_intra_op_parallelism_threads() == 1
    assert tf.config.threading.get_inter_op_parallelism_threads() == 1

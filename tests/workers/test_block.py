import functools
import os
from pathlib import Path

import numpy as np
import pytest
import tensorflow as tf
import warm_commands
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
from workers.block import BlockRunner
from workers.inner.batches import draw_batches
from workers.meta_parameters import initial, num_train_outputs
from workers.models.conv4 import Conv4Model
from workers.models.linear import LinearModel
from workers.models.mlp import MlpModel
from workers.settings.worker import ActorSettings, RuntimeSettings
from workers.wire.errors import NonFiniteError
from workers.wire.protocol import Block, Draw, Recipe
from workers.wire.tensors import to_vector

MAP = RuntimeSettings(execution="map", xla=False)
VECTORIZED = RuntimeSettings(execution="vectorized", xla=False)
CASES = {
    "maml, sinusoid": sinusoid_settings(),
    "maml, batch": noise_settings(),
    "fomaml, layer": noise_settings(
        model=LinearModel(normalization="layer"),
        algorithm=MamlAlgorithm(inner_lr=0.1, first_order=True, inner_loss="sum_over_shots"),
    ),
    "reptile, adam": sinusoid_settings(
        algorithm=ReptileAlgorithm(inner_steps=3, inner_optimizer="adam")
    ),
    "joint": noise_settings(model=MlpModel(hidden=(8,)), algorithm=JointAlgorithm()),
    "maml, conv4": noise_settings(model=Conv4Model(filters=4)),
}
# Convolutions take long to vectorize, and by default they are not.
SLOW = {"maml, conv4"}
# All blocks have four tasks and all held-out ones two inner steps, unless numbers matter: every
# shape is a graph of its own.
RECIPE = Recipe(inner_lr=0.1, inner_steps=2)


def setup(settings, runtime=MAP, family=None):
    """A runner, its family, and theta. With our own families, a runner that has its graphs."""
    if family is None:
        runner, family = shared(settings.model_dump_json(), runtime.model_dump_json())
    else:
        runner = BlockRunner(settings.model_copy(update={"runtime": runtime}), family)
    return runner, family, to_vector(initial(settings, family).theta)


@functools.cache
def shared(settings, runtime):
    """Traced once for all tests: a runner keeps no training state."""
    settings = ActorSettings.model_validate_json(settings)
    runner, family, _ = setup(
        settings, RuntimeSettings.model_validate_json(runtime), make_family(settings)
    )
    return runner, family


def assert_close(ours, theirs):
    assert np.linalg.norm(ours - theirs) < 2e-5 * np.linalg.norm(theirs)


def assert_same_bits(one, other):
    assert one.gradient.tobytes() == other.gradient.tobytes()
    assert one.metrics.keys() == other.metrics.keys()
    for name, values in one.metrics.items():
        assert values.tobytes() == other.metrics[name].tobytes()


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


@pytest.mark.parametrize("case", ["maml, sinusoid", "joint"])
def test_evaluation_agrees_mapped_or_vectorized(case):
    """How layers are vectorized is seen in training, above."""
    settings = CASES[case]
    runner, family, theta = setup(settings)
    block = held_out_block(settings, family, "evaluate", 4, RECIPE)
    mapped = runner.run(at(theta), block)
    vectorized = setup(settings, VECTORIZED)[0].run(at(theta), block)
    assert mapped.gradient.shape == (0,)
    names = {"loss"} | ({"accuracy"} if family.loss != "mse" else set())
    assert mapped.metrics.keys() == vectorized.metrics.keys() == names
    for name, values in mapped.metrics.items():
        assert values.shape == (4, RECIPE.inner_steps + 1)
        np.testing.assert_allclose(vectorized.metrics[name], values, rtol=1e-4)


def test_the_shipped_execution_agrees_with_the_plain_one():
    """Dense models run vectorized under XLA."""
    settings = CASES["maml, sinusoid"]
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


@pytest.mark.parametrize(("num_tasks", "inner_steps"), [(1, 0), (4, 2)])
def test_a_prediction_is_the_outputs_on_the_queries_per_task_and_inner_step(num_tasks, inner_steps):
    settings = CASES["maml, batch"]
    runner, family, theta = setup(settings)
    recipe = Recipe(0.1, inner_steps)
    predicted = runner.run(
        at(theta), held_out_block(settings, family, "predict", num_tasks, recipe)
    )
    evaluated = runner.run(
        at(theta), held_out_block(settings, family, "evaluate", num_tasks, recipe)
    )
    queries = settings.task.queries * WAYS
    outputs = predicted.metrics.pop("outputs")
    assert predicted.metrics == {}
    assert outputs.shape == (num_tasks, inner_steps + 1, queries, WAYS)
    targets = np.repeat(np.arange(WAYS), settings.task.queries)
    accuracy = np.mean(outputs.argmax(-1) == targets, axis=-1)
    np.testing.assert_allclose(evaluated.metrics["accuracy"], accuracy)
    logs = outputs - np.log(np.sum(np.exp(outputs), axis=-1, keepdims=True))
    loss = -np.mean(logs[..., np.arange(queries), targets], axis=-1)
    np.testing.assert_allclose(evaluated.metrics["loss"], loss, rtol=1e-5)


@pytest.mark.parametrize("case", ["maml, batch", "fomaml, layer", "reptile, adam"])
def test_evaluation_scores_what_training_adapts_to(case):
    """On the same tasks, with the same rate and steps, both see the same queries at the end."""
    settings = CASES[case]
    runner, family, theta = setup(settings)
    train = train_block(settings, family, 0, 4)
    recipe = Recipe(settings.algorithm.inner_lr, settings.algorithm.inner_steps)
    evaluate = Block("evaluate", train.step, 0, 0, 4, train.specs, recipe)
    loss = runner.run(at(theta), evaluate).metrics["loss"]
    after = runner.run(at(theta), train).metrics["loss_after"]
    np.testing.assert_allclose(loss[:, -1].sum(), after, rtol=1e-5)
    assert abs(loss[:, 0].sum() - after) > 1e-4


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


@pytest.mark.parametrize("index", [0, -1], ids=["first layer", "head"])
@pytest.mark.parametrize("runtime", [MAP, VECTORIZED], ids=["map", "vectorized"])
def test_weights_that_are_not_finite_are_refused_by_name(runtime, index):
    settings = CASES["maml, sinusoid"]
    runner, family, theta = setup(settings, runtime)
    theta[index] = np.nan
    with pytest.raises(NonFiniteError, match="the weights are not finite at step 7"):
        runner.run(at(theta), train_block(settings, family, 0, 4, step=7))


def test_an_exploding_inner_rate_is_refused_by_step_and_task():
    settings = sinusoid_settings(model=LinearModel(), algorithm=MamlAlgorithm(inner_lr=1e30))
    runner, family, theta = setup(settings)
    with pytest.raises(NonFiniteError, match="step 7, task 4: gradient not finite"):
        runner.run(at(theta), train_block(settings, family, 4, 6, step=7))


@pytest.mark.parametrize("runtime", [MAP, RuntimeSettings()], ids=["map", "shipped"])
def test_the_one_task_that_explodes_is_named(runtime):
    settings = CASES["maml, sinusoid"]
    runner, family, theta = setup(settings, runtime)
    block = train_block(settings, family, 4, 8, step=7)
    block.specs["amplitude"][2] = 1e30
    with pytest.raises(NonFiniteError, match="step 7, task 6: gradient not finite") as raised:
        runner.run(at(theta), block)
    assert "loss_before" in str(raised.value)


def test_joint_names_the_task_by_training_classes_too():
    class OneBadTask(NoiseFamily):
        def build(self, specs, *, global_labels=False):
            episode = super().build(specs, global_labels=global_labels)
            episode.query_inputs[specs["query_seeds"][:, 0, 0] == 0] = np.inf
            return episode

    settings = CASES["joint"]
    runner, family, theta = setup(settings, family=OneBadTask())
    block = train_block(settings, family, 0, 3, step=7)
    block.specs["query_seeds"][1, 0, 0] = 0
    with pytest.raises(NonFiniteError, match="step 7, task 1: gradient not finite"):
        runner.run(at(theta), block)


def test_finite_tasks_whose_sum_overflows_are_named_together():
    settings = sinusoid_settings(
        model=LinearModel(), algorithm=MamlAlgorithm(inner_lr=1e-30, first_order=True)
    )
    runner, family, theta = setup(settings)
    block = train_block(settings, family, 2, 4, step=7)
    # The gradient of task i is about -2 mean(y) = 2e38 for the bias: finite, but not twice.
    block.specs.update(
        {
            "amplitude": np.full(2, -1e38),
            "phase": np.full(2, -np.pi / 2),
            "support_x": np.zeros((2, 5)),
            "query_x": np.zeros((2, 5)),
        }
    )
    with pytest.raises(NonFiniteError, match="step 7, tasks 2 to 3: their sum is not finite"):
        runner.run(at(theta), block)


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

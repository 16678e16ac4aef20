"""Convolutional policies: their networks, what they learn, and where they are refused."""

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("gymnasium")

from workers.algorithms.maml import MamlAlgorithm
from workers.block import BlockRunner
from workers.meta_parameters import initial
from workers.models.policies.cnn import CategoricalCnnModel, GaussianCnnModel
from workers.models.registry import make_model
from workers.settings.environments.gym_task import GymTask
from workers.settings.environments.varied import Varied
from workers.settings.worker import ActorSettings, RuntimeSettings
from workers.tasks.registry import make_family
from workers.wire.protocol import Block, Draw, Recipe, Weights
from workers.wire.tensors import to_vector

FOLDER = str(Path(__file__).parents[2] / "fakes/tasks")
SMALL = {"filters": (2,), "hidden": (4,)}


def problem(model, name="Camera", inner_lr=3.0, **task):
    vary = {"inverted": Varied(choice=(0, 1))} if name == "Camera" else {}
    task = {"environment": f"small_gym:{name}", "folder": FOLDER, "vary": vary, **task}
    settings = ActorSettings(
        task=GymTask(**{"horizon": 3, "shots": 30, **task}),
        model=model,
        algorithm=MamlAlgorithm(inner_lr=inner_lr),
        runtime=RuntimeSettings(xla=False),
    )
    family = make_family(settings.task)
    start = initial(settings, family)
    weights = Weights(to_vector(start.theta), to_vector(start.carry), 0)
    return BlockRunner(settings, family), weights, family


def run(problem, kind, lo=0, hi=4, recipe=None):
    runner, weights, family = problem
    specs = family.sample(Draw(0, "train", 0), lo, hi, 0, 0)
    return runner.run(weights, Block(kind, 0, 0, lo, hi, specs, recipe))


def test_a_convolution_halves_the_image_and_scales_what_it_sees():
    model = make_model(CategoricalCnnModel(filters=(2, 3), hidden=(4,)), (6, 8, 1), 5)
    shapes = dict(zip(model.names, model.shapes, strict=True))
    assert shapes["conv1/kernel"] == (3, 3, 2, 3)
    assert shapes["dense0/kernel"] == (2 * 2 * 3, 4)
    assert shapes["head/kernel"] == (4, 5)
    unscaled = make_model(
        CategoricalCnnModel(filters=(2, 3), hidden=(4,), input_scale=1), (6, 8, 1), 5
    )
    weights, image = model.initial_weights(), np.full((1, 6, 8, 1), 255.0, np.float32)
    np.testing.assert_allclose(
        model.apply(weights, [], image)[0], unscaled.apply(weights, [], image / 255)[0], rtol=1e-5
    )


def test_a_policy_learns_what_images_ask_for():
    """The side on which the spot is, or the other: one inner step finds out which."""
    pair = problem(CategoricalCnnModel(**SMALL))
    before, _, after = run(pair, "evaluate", recipe=Recipe(3.0, 2)).metrics["return"].mean(axis=0)
    assert after > before + 0.5
    assert np.linalg.norm(run(pair, "train").gradient) > 0


def test_an_image_policy_s_task_does_not_depend_on_its_block():
    pair = problem(CategoricalCnnModel(**SMALL))
    whole = run(pair, "evaluate", recipe=Recipe(3.0, 1)).metrics["return"]
    parts = [
        run(pair, "evaluate", lo, hi, Recipe(3.0, 1)).metrics["return"]
        for lo, hi in [(0, 1), (1, 4)]
    ]
    np.testing.assert_array_equal(whole, np.concatenate(parts))


def test_actions_that_are_numbers_have_a_head_of_means_and_deviations():
    model = make_model(GaussianCnnModel(**SMALL, initial_std=0.5), (6, 8, 3), 4)
    outputs = model.apply(model.initial_weights(), [], np.zeros((2, 6, 8, 3), np.float32))[0]
    np.testing.assert_allclose(outputs[:, 2:], np.log(0.5), rtol=1e-6)
    assert model.names[-1] == "head/log_std"


def test_images_get_a_convolutional_policy_by_default():
    table = {"environment": "small_gym:Camera", "folder": FOLDER}
    assert GymTask.default_model(table)["kind"] == "categorical_cnn"
    assert GymTask.default_model({**table, "environment": "small_gym:Switch"})["kind"] == "mlp"


@pytest.mark.parametrize(
    ("model", "task", "error"),
    [
        (CategoricalCnnModel(), {"name": "Switch"}, r"sees images .* observations are \[1\]; use"),
        (
            CategoricalCnnModel(),
            {"name": "Slope"},
            r"observations are \[2\]; use model.kind = 'mlp",
        ),
        (GaussianCnnModel(), {}, r"takes one of \d+ actions; use model.kind = 'categorical_cnn'"),
        (CategoricalCnnModel(), {"normalize": 2}, "set model.input_scale = 1"),
    ],
)
def test_a_policy_that_does_not_fit_is_refused(model, task, error):
    with pytest.raises(ValueError, match=error) as raised:
        problem(model, **task)
    assert "\n" not in str(raised.value).splitlines()[0]


def test_actions_that_are_numbers_are_refused_where_logits_are_given(monkeypatch):
    import gymnasium
    import small_gym

    monkeypatch.setattr(small_gym.Camera, "action_space", gymnasium.spaces.Box(-1.0, 1.0, (1,)))
    monkeypatch.setattr(small_gym.Camera, "step", lambda self, a: (self._seen(), 0.0, 0, 1, {}))
    with pytest.raises(
        ValueError, match=r"environment takes numbers; use model.kind = 'gaussian_cnn"
    ):
        problem(CategoricalCnnModel(**SMALL))

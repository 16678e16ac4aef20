import numpy as np
import pytest

from workers.settings.losses.loss_settings import LossSettings
from workers.settings.sinusoid_task import SinusoidTask
from workers.tasks.registry import make_family
from workers.tasks.sinusoid import SinusoidFamily
from workers.wire.protocol import Draw, take

DRAW = Draw(seed=3, split="train", step=7)
SETTINGS = SinusoidTask(amplitude=(1, 2), phase=(-1, 1), inputs=(4, 8))
FAMILY = SinusoidFamily(SETTINGS)


def test_the_registry_makes_it():
    assert isinstance(make_family(SETTINGS), SinusoidFamily)


def test_the_loss_is_the_squared_error_unless_another_is_named():
    assert (FAMILY.loss, FAMILY.loss_settings, FAMILY.num_outputs) == ("mse", LossSettings(), 1)
    other = SinusoidFamily(SinusoidTask(loss="gaussian_nll"))
    assert (other.loss, other.num_outputs) == ("gaussian_nll", 2)
    own = SinusoidFamily(SinusoidTask(loss="my_losses:pinball", outputs_per_target=3))
    assert (own.loss, own.num_outputs, own.loss_settings.targets) == (
        "my_losses:pinball",
        3,
        "numbers",
    )
    with pytest.raises(ValueError, match="'auto', 'mse', 'gaussian_nll', or 'module:function'"):
        SinusoidTask(loss="cross_entropy")


def test_specs_fill_their_ranges():
    specs = FAMILY.sample(DRAW, 0, 500, 10, 10)
    assert specs.keys() == {"amplitude", "phase", "support_x", "query_x"}
    for name, (low, high) in {
        "amplitude": (1, 2),
        "phase": (-1, 1),
        "support_x": (4, 8),
        "query_x": (4, 8),
    }.items():
        values = specs[name]
        assert low <= values.min() < low + 0.05 * (high - low)
        assert high - 0.05 * (high - low) < values.max() <= high
        assert abs(values.mean() - (low + high) / 2) < 0.1 * (high - low)


@pytest.mark.parametrize(("lo", "hi"), [(0, 1), (3, 7), (9, 10), (4, 4)])
def test_a_task_is_the_same_in_whatever_block(lo, hi):
    whole = take(FAMILY.sample(DRAW, 0, 10, 5, 3), lo, hi)
    part = FAMILY.sample(DRAW, lo, hi, 5, 3)
    assert part.keys() == whole.keys()
    for name, values in whole.items():
        np.testing.assert_array_equal(part[name], values)


@pytest.mark.parametrize("other", [Draw(4, "train", 7), Draw(3, "train", 8), Draw(3, "test", 7)])
def test_another_seed_step_or_split_is_another_task(other):
    one, two = (FAMILY.sample(draw, 0, 1, 5, 5)["phase"] for draw in (DRAW, other))
    assert one != two


def test_support_and_query_lie_on_the_tasks_own_curve():
    specs = FAMILY.sample(DRAW, 0, 20, 5, 3)
    episode = FAMILY.build(specs)
    assert episode.support_inputs.shape == episode.support_targets.shape == (20, 5, 1)
    assert episode.query_inputs.shape == episode.query_targets.shape == (20, 3, 1)
    assert {part.dtype for part in episode} == {np.dtype(np.float32)}
    for task in range(20):
        amplitude, phase = specs["amplitude"][task], specs["phase"][task]
        for inputs, targets, x in (
            (episode.support_inputs[task], episode.support_targets[task], "support_x"),
            (episode.query_inputs[task], episode.query_targets[task], "query_x"),
        ):
            np.testing.assert_allclose(inputs[:, 0], specs[x][task], rtol=1e-6)
            curve = amplitude * np.sin(specs[x][task] - phase)
            np.testing.assert_allclose(targets[:, 0], curve, atol=1e-6)


def test_a_seeds_task_never_changes():
    specs = FAMILY.sample(DRAW, 2, 3, 2, 1)
    assert {name: values.tolist() for name, values in specs.items()} == {
        "amplitude": [1.6905526574912955],
        "phase": [0.908075972438356],
        "support_x": [[7.708879347224601, 4.7273596581796316]],
        "query_x": [[6.4575167669516915]],
    }
    targets = FAMILY.build(specs).support_targets
    np.testing.assert_allclose(targets.ravel(), [0.836505115, -1.05996966], rtol=1e-6)


def test_the_showcase_is_the_same_task_on_an_even_grid():
    specs = FAMILY.sample(DRAW, 0, 3, 5, 2)
    shown = FAMILY.showcase(specs)
    for name in ("amplitude", "phase", "support_x"):
        np.testing.assert_array_equal(shown[name], specs[name])
    grid = FAMILY.build(shown).query_inputs
    assert grid.shape[0] == 3
    assert grid.shape[1] >= 100
    np.testing.assert_allclose(grid[1, [0, -1], 0], [4, 8])
    np.testing.assert_allclose(np.diff(grid[0, :, 0]), 4 / (grid.shape[1] - 1), rtol=1e-3)
    assert specs["query_x"].shape == (3, 2)


def test_the_protocol_names_the_ranges():
    protocol = FAMILY.protocol("test")
    assert protocol["amplitude"] == [1, 2]
    assert protocol["phase"] == [-1, 1]
    assert protocol["inputs"] == [4, 8]

"""Observations, normalized by a task's own random episodes."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from small_policies import TASK, held_out_block_of, runner_of, settings_of, weights_of

from workers.policies.observation_normalizer import fit_normalizer
from workers.settings.environments.gym_task import GymTask
from workers.settings.environments.navigation_task import NavigationTask
from workers.settings.environments.varied import Varied
from workers.settings.worker import RuntimeSettings
from workers.tasks.environments.navigation import NavigationFamily, Points
from workers.tasks.registry import make_family
from workers.wire.protocol import Block, Draw, Recipe, take

FOLDER = str(Path(__file__).parents[2] / "fakes/tasks")
LONG = NavigationTask(horizon=40, reached=0.0)


def gym_family(name, horizon=30, **vary):
    pytest.importorskip("gymnasium")
    varied = {key: Varied(**value) for key, value in vary.items()}
    task = GymTask(environment=f"small_gym:{name}", folder=FOLDER, vary=varied, horizon=horizon)
    return make_family(task)


def slopes():
    return gym_family("Slope", steepness={"uniform": [-3.0, 3.0]}, length={"uniform": [1.0, 9.0]})


FAMILIES = {"navigation": lambda: NavigationFamily(LONG), "gym": slopes}


def sampled(family, num_tasks=5, step=0):
    return family.sample(Draw(0, "train", step), 0, num_tasks, 0, 0)


def seen_by(normalizer, family, num_tasks):
    """Normalize the same few observations in each task."""
    few = np.random.default_rng(0).normal(size=(1, 6, *family.input_shape))
    return normalizer(
        np.tile(few, (num_tasks, 1, *[1] * len(family.input_shape))).astype(np.float32)
    )


@pytest.mark.parametrize("name", FAMILIES)
def test_what_a_task_looks_like_does_not_depend_on_the_tasks_beside_it(name):
    family = FAMILIES[name]()
    specs = sampled(family)
    together = seen_by(fit_normalizer(family, specs, 3), family, 5)
    assert len({array.tobytes() for array in together}) == 5
    for task in range(5):
        alone = fit_normalizer(family, take(specs, task, task + 1), 3)
        np.testing.assert_array_equal(seen_by(alone, family, 1)[0], together[task])
    order = [3, 0, 4]
    others = fit_normalizer(family, {key: values[order] for key, values in specs.items()}, 3)
    np.testing.assert_array_equal(seen_by(others, family, 3), together[order])


class Recorded(NavigationFamily):
    """An environment that records its observations."""

    def environments(self, specs, num_episodes, generators):
        self.made = made = []

        class Kept(Points):
            def reset(self):
                made.append(super().reset())
                return made[-1]

            def step(self, actions):
                moved = super().step(actions)
                made.append(moved[0])
                return moved

        return Kept(self._settings, specs["goal"], num_episodes)


def test_random_episodes_of_a_task_have_mean_0_and_deviation_1_in_it():
    family = Recorded(LONG)
    normalizer = fit_normalizer(family, sampled(family), 6)
    observed = np.stack(family.made[:-1], axis=2)
    assert observed.shape == (5, 6, 40, 2)
    normalized = normalizer(observed)
    assert normalized.dtype == np.float32
    np.testing.assert_allclose(normalized.mean((1, 2)), 0, atol=1e-6)
    np.testing.assert_allclose(normalized.std((1, 2)), 1, atol=1e-6)
    assert np.abs(observed.std((1, 2)) - 1).min() > 0.1


def test_a_number_that_never_varies_keeps_its_unit():
    family = NavigationFamily(NavigationTask(horizon=1))
    normalizer = fit_normalizer(family, sampled(family), 3)
    few = np.full((5, 2, 2), 0.3, np.float32)
    np.testing.assert_array_equal(normalizer(few), few)


def test_a_number_that_hardly_varies_keeps_its_unit_too():
    family = NavigationFamily(NavigationTask(horizon=40, reached=0.0, max_step=1e-6))
    normalizer = fit_normalizer(family, sampled(family), 3)
    assert np.abs(normalizer.mean).max() > 0
    np.testing.assert_array_equal(normalizer.deviation, np.ones((5, 2), np.float32))


def test_what_comes_after_an_episode_counts_for_nothing():
    """An episode of Switch shows 0, 1, 2, and ends long before its horizon."""
    family = gym_family("Switch")
    shown = np.tile(np.float32([0, 1, 2])[:, None], (5, 1, 1))
    normalized = fit_normalizer(family, sampled(family), 2)(shown)[0, :, 0]
    np.testing.assert_allclose(normalized, np.sqrt(1.5) * np.array([-1, 0, 1]), rtol=1e-6)


def test_what_random_actions_never_lead_to_is_bounded():
    family = NavigationFamily(LONG)
    normalized = fit_normalizer(family, sampled(family), 3)(np.full((5, 1, 2), -1e6, np.float32))
    np.testing.assert_array_equal(normalized, np.full((5, 1, 2), -10.0))


def test_without_random_episodes_observations_are_seen_as_they_are():
    family = NavigationFamily(LONG)
    few = np.full((5, 1, 2), 1e6, np.float32)
    np.testing.assert_array_equal(fit_normalizer(family, sampled(family), 0)(few), few)


def test_random_actions_are_what_the_environment_takes():
    rng = np.random.default_rng(0)
    few = gym_family("Switch").random_actions(rng, (50, 4))
    assert (few.shape, set(few.ravel())) == ((50, 4, 1), {0.0, 1.0})
    numbers = slopes().random_actions(rng, (50, 4))
    assert numbers.shape == (50, 4, 1)
    assert -1 <= numbers.min() < -0.9
    assert 0.9 < numbers.max() <= 1


NORMALIZED = settings_of(task=TASK.model_copy(update={"normalize": 2}))


def block_of(settings, lo, hi):
    specs = NavigationFamily(settings.task).sample(Draw(0, "train", 2), lo, hi, 0, 0)
    return Block("train", 2, 0, lo, hi, specs)


def gathered(settings, runner, lo, hi):
    weights = weights_of(settings)
    tasks, _ = runner._gather(weights, runner._constants(weights), block_of(settings, lo, hi))
    return tasks


def test_policies_act_on_and_learn_from_what_is_normalized():
    runner = runner_of(NORMALIZED)
    tasks = gathered(NORMALIZED, runner, 0, 3)
    family = NavigationFamily(NORMALIZED.task)
    normalizer = fit_normalizer(family, block_of(NORMALIZED, 0, 3).specs, 2)
    begins = normalizer(np.zeros((3, 1, 2), np.float32))[:, 0]
    assert np.abs(begins).min() > 1e-3
    first = np.asarray(tasks.support_inputs)[:, 0], np.asarray(tasks.query_inputs)[:, 0]
    for inputs in first:
        np.testing.assert_array_equal(inputs, begins)
    # The outputs that were acted by are those for the normalized observations.
    model, layout = runner.train_model, runner.training.theta_layout
    theta = layout.split(weights_of(NORMALIZED).theta)
    outputs, _ = model.apply(theta, [], first[0])
    acted_outputs = np.asarray(tasks.support_targets)[:, 0, -4:]
    np.testing.assert_allclose(outputs.numpy(), acted_outputs, rtol=1e-4, atol=1e-5)


def test_normalized_tasks_have_the_same_bits_in_blocks_of_any_size():
    one_by_one = NORMALIZED.model_copy(
        update={"runtime": RuntimeSettings(execution="map", xla=False)}
    )
    runner = runner_of(one_by_one)
    whole = gathered(one_by_one, runner, 0, 3)
    for lo, hi in ((0, 1), (1, 2), (2, 3)):
        part = gathered(one_by_one, runner, lo, hi)
        for ours, all_of_them in zip(part, whole, strict=True):
            np.testing.assert_array_equal(np.asarray(ours), np.asarray(all_of_them)[lo:hi])


def test_an_actor_that_lost_a_step_normalizes_as_before():
    runner, weights = runner_of(NORMALIZED), weights_of(NORMALIZED)
    block = block_of(NORMALIZED, 0, 3)
    runner.run(weights, block)
    asked_weights = weights._replace(now=weights.theta, argument=np.zeros(0, np.float32))
    line = replace(block, round="line_search")
    first = runner.run(asked_weights, line)
    runner.episodes.clear()
    assert first.metrics == runner.run(asked_weights, line).metrics


def test_pictures_have_the_environments_own_units():
    block = held_out_block_of(NORMALIZED, "predict", Recipe(0.05, 1))
    observations = runner_of(NORMALIZED).run(weights_of(NORMALIZED), block).metrics["outputs"]
    np.testing.assert_array_equal(observations[:, :, :, 0], np.zeros_like(observations[:, :, :, 0]))


def test_held_out_tasks_are_normalized_too():
    block = held_out_block_of(NORMALIZED, "evaluate", Recipe(0.05, 1))
    plain = settings_of()
    weights = weights_of(plain)
    ours, theirs = (
        runner_of(settings).run(weights, block).metrics["return"]
        for settings in (NORMALIZED, plain)
    )
    assert not np.equal(ours, theirs).any()

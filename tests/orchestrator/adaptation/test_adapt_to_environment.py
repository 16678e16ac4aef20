"""A run's policy adapts to an environment of somebody's own, from Python and from the shell."""

import json
import sys
import zipfile
from pathlib import Path

import keras
import numpy as np
import pytest
import small_configs
from inline_command import metatrain
from shown_protocol import protocol_in
from small_configs import SWITCH
from small_learners import FIRST_ORDER, run_of

pytest.importorskip("gymnasium")

from orchestrator.cli import export_command
from orchestrator.learner import Learner
from workers.wire.errors import NonFiniteError, TaskError

pytestmark = pytest.mark.usefixtures("shared_runners")

ENVIRONMENTS = Path(__file__).parents[2] / "fakes/tasks"
GOAL = {"goal": (0.3, -0.2)}


# All blocks are of two tasks: each kind of them is traced once.
PAIRS = ["outer.meta_batch_size=4", "evaluation.validation_tasks=4", FIRST_ORDER]


def navigation():
    return small_configs.navigation(*PAIRS)


def gym(*overrides):
    return small_configs.gym(*PAIRS, *overrides)


@pytest.fixture(autouse=True)
def _beside_the_environments(monkeypatch):
    monkeypatch.chdir(ENVIRONMENTS)
    monkeypatch.syspath_prepend(ENVIRONMENTS)


def learner_of(config):
    return Learner.load(run_of(config))


def test_the_command_shows_the_returns_that_python_gives(capsys, monkeypatch, tmp_path):
    options = "--env", "navigation", "--env-arg", "goal=0.3,-0.2", "--seed", 5
    model = tmp_path / "m.keras"
    code, shown, _ = metatrain(
        capsys, monkeypatch, "adapt-policy", run_of(navigation()), *options, "--save-model", model
    )
    policy = learner_of(navigation()).adapt_to("navigation", GOAL, seed=5)
    assert code == 0
    assert policy.returns.shape == (policy.recipe.inner_steps + 1, 3)
    for returns in policy.returns:
        error = 1.96 * returns.std(ddof=1) / np.sqrt(3)
        assert f"{returns.mean():.5g} ± {error:.4g}" in shown
    protocol = protocol_in(shown)
    assert protocol["environment"] == "navigation goal=0.3,-0.2"
    assert protocol["episodes per inner step"] == "4"
    assert protocol["evaluation episodes"] == "3"
    assert model.is_file()


def test_the_same_seed_gives_the_same_returns_and_another_others():
    learner = learner_of(gym())
    first, again, other = (learner.adapt_to("small_gym:Slope", seed=seed) for seed in (3, 3, 4))
    np.testing.assert_array_equal(first.returns, again.returns)
    assert not np.array_equal(first.returns, other.returns)


def test_attributes_and_arguments_of_the_constructor_are_set():
    learner = learner_of(gym())
    made = []

    def slope(friction):
        from small_gym import Slope

        made.append(Slope(friction))
        return made[-1]

    learner.adapt_to(slope, {"friction": 0.7, "steepness": 0.9}, episodes=5)
    acted = [each for each in made if each.pushed]
    assert len(acted) == 5
    assert {(each.friction, each.steepness) for each in acted} == {(0.7, 0.9)}


def test_a_policy_is_judged_by_as_many_episodes_as_are_asked_for():
    few = learner_of(gym()).adapt_to("small_gym:Slope", evaluation_episodes=2)
    usual = learner_of(gym()).adapt_to("small_gym:Slope")
    assert (few.returns.shape[1], usual.returns.shape[1]) == (2, 3)


def test_an_environment_that_is_the_only_one_has_its_episodes_one_after_another():
    from small_gym import Slope

    learner, only = learner_of(gym()), Slope()
    by_itself = learner.adapt_to(only, episodes=4)
    side_by_side = learner.adapt_to("small_gym:Slope", episodes=4)
    np.testing.assert_allclose(by_itself.returns, side_by_side.returns, rtol=1e-4)
    steps = by_itself.recipe.inner_steps
    assert len(only.pushed) == 7 * (4 * steps + 3 * (steps + 1))


def test_an_inner_step_is_as_long_as_its_rate_says():
    learner = learner_of(navigation())
    moved = []
    for rate in (0.0625, 0.125):
        policy = learner.adapt_to("navigation", GOAL, inner_steps=1, inner_lr=rate)
        moved.append(policy._policy.adapted.theta - learner._artefact.state.weights.theta)
    assert np.abs(moved[0]).max() > 1e-3
    np.testing.assert_allclose(moved[1], 2 * moved[0], atol=1e-5)


def test_a_policy_that_sees_normalized_observations_does_so_wherever_it_acts(tmp_path):
    from small_gym import Slope

    learner = learner_of(gym("task.normalize=3"))
    policy = learner.adapt_to(Slope(), episodes=4)
    side_by_side = learner.adapt_to("small_gym:Slope", episodes=4)
    np.testing.assert_allclose(policy.returns, side_by_side.returns, rtol=1e-4)
    policy.save(tmp_path / "m.keras")
    model = keras.saving.load_model(tmp_path / "m.keras", compile=False)
    rng = np.random.default_rng(0)
    observations = rng.normal(size=(20, *policy._family.input_shape)).astype(np.float32)
    acted = [policy.act(each) for each in observations]
    outputs = np.asarray(model(observations))
    means = outputs[:, : outputs.shape[1] // 2]
    expected = [policy._family.environment_action(row) for row in means]
    np.testing.assert_allclose(acted, expected, rtol=1e-4)
    assert len({float(np.ravel(each)[0]) for each in acted}) > 5


def test_a_policy_acts_by_what_is_likeliest_or_by_chance():
    policy = learner_of(navigation()).adapt_to("navigation", GOAL)
    likeliest = policy.act([0.1, 0.2])
    assert likeliest.shape == (2,)
    assert np.abs(likeliest).max() <= 0.1
    np.testing.assert_array_equal(likeliest, policy.act([0.1, 0.2]))
    first, again, other = (
        [policy.act([0.1, 0.2], rng) for _ in range(5)]
        for rng in map(np.random.default_rng, (1, 1, 2))
    )
    np.testing.assert_array_equal(first, again)
    assert not np.array_equal(first, other)
    for wrong, error in (([0.1], r"shape \[1\], not \[2\]"), ([0.1, np.nan], "contains nan")):
        with pytest.raises(ValueError, match=error):
            policy.act(wrong)


def test_one_of_a_few_actions_is_what_the_environment_takes():
    policy = learner_of(gym(*SWITCH)).adapt_to("small_gym:Switch")
    rng = np.random.default_rng(0)
    assert {policy.act([1.0], rng) for _ in range(40)} == {1, 2}


@pytest.mark.parametrize("kind", ["numbers", "a few"])
def test_the_saved_policy_needs_nothing_but_keras(tmp_path, kind):
    config, name = (gym(), "Slope") if kind == "numbers" else (gym(*SWITCH), "Switch")
    policy = learner_of(config).adapt_to(f"small_gym:{name}")
    file = tmp_path / "policy.keras"
    policy.save(file)
    layers = json.loads(zipfile.ZipFile(file).read("config.json"))["config"]["layers"]
    assert all(layer["module"].startswith("keras") for layer in layers)
    loaded = keras.saving.load_model(file, compile=False)
    observations = np.full((1, 2 if kind == "numbers" else 1), 0.4, np.float32)
    outputs = np.asarray(loaded(observations))[0]
    if kind == "numbers":
        np.testing.assert_allclose(outputs[:1], policy.act(observations[0]), rtol=1e-5)
        log_std = policy._policy.adapted.theta[-1]
        np.testing.assert_allclose(outputs[1], log_std, rtol=1e-6)
    else:
        assert policy.act(observations[0]) == 1 + outputs.argmax()
    with pytest.raises(ValueError, match="exists"):
        policy.save(file)


def test_an_exported_policy_adapts_as_its_run_does(tmp_path):
    file = tmp_path / "policy.metatrain"
    export_command.export_run(str(run_of(gym())), file)
    ours, theirs = learner_of(gym()), Learner.load(file)
    found = [each.adapt_to("small_gym:Slope").returns for each in (ours, theirs)]
    np.testing.assert_array_equal(*found)


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("--env small_gym:Words", "observation space Text"),
        ("--env small_gym:Switch", "shows 1 number and takes one of 2 actions; the policy of"),
        ("--env small_gym:Switch", "sees 2 numbers and gives 1 number"),
        ("--env small_gym:Broken", "--env 'small_gym:Broken' cannot be made with (): RuntimeError"),
        ("--env nowhere:Slope", "nowhere cannot be imported from"),
        ("--env small_gym:Slope --env-arg colour=3", "--env-arg colour: small_gym:Slope has no"),
        ("--env small_gym:Slope --env-arg steepness=much", "'much' cannot replace 0.5"),
        ("--env small_gym:Slope --env-arg steepness=nan", "nan cannot replace 0.5"),
        ("--env small_gym:Slope --env-arg steepness", "--env-arg takes key=value"),
        ("--env small_gym:Slope --env-arg a=1 --env-arg a=2", "--env-arg a is given twice"),
        (
            "--env small_gym:Slope --episodes 0",
            "Invalid value for '--episodes'",
        ),
        (
            "--env small_gym:Slope --evaluation-episodes 0",
            "Invalid value for '--evaluation-episodes'",
        ),
        ("--env small_gym:Slope --seed -1", "seed = -1; 0 to 2^32 - 1"),
        (
            "--env small_gym:Slope --save-model p.h5",
            "p.h5: the name of a saved model must",
        ),
        ("--env small_gym:Slope --support a.csv", "No such option: --support"),
        ("", "there is nothing to act in; give --env ENV"),
    ],
)
def test_wrong_input_is_one_line(capsys, monkeypatch, words, message):
    code, shown, errors = metatrain(
        capsys, monkeypatch, "adapt-policy", run_of(gym()), *words.split()
    )
    assert (code, shown) == (2, "")
    assert message in errors
    assert len(errors.splitlines()) == 1


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("--env Pendulum-v1", "acts in 'navigation' only"),
        ("--env navigation", "navigation takes a goal, not nothing"),
        ("--env navigation --env-arg goal=1", "goal = 1; two finite numbers are needed"),
        ("--env navigation --env-arg goal=0,inf", "two finite numbers are needed"),
        ("--env navigation --env-arg place=1,2", "navigation takes a goal, not place"),
    ],
)
def test_a_goal_is_two_numbers(capsys, monkeypatch, words, message):
    code, _, errors = metatrain(
        capsys, monkeypatch, "adapt-policy", run_of(navigation()), *words.split()
    )
    assert code == 2
    assert message in errors


def test_a_reward_that_is_not_finite_is_named_with_its_step(capsys, monkeypatch):
    words = run_of(gym(*SWITCH)), "--env", "small_gym:Nan"
    code, shown, errors = metatrain(capsys, monkeypatch, "adapt-policy", *words)
    assert (code, shown) == (2, "")
    assert "the reward of step 1 of an episode is nan" in errors.splitlines()[-1]


def test_an_environment_that_raises_is_told_with_its_traceback():
    from small_gym import Switch

    class Hot(Switch):
        def step(self, action):
            raise RuntimeError("the motor is hot")

    with pytest.raises(TaskError, match="raised RuntimeError: the motor is hot\n") as caught:
        learner_of(gym(*SWITCH)).adapt_to(Hot)
    assert "test_adapt_to_environment.py" in str(caught.value)


@pytest.mark.slow
def test_what_gymnasiums_own_environment_raises_is_told():
    config = gym("task.environment=Pendulum-v1", "task.vary={}")
    with pytest.raises(TaskError, match="raised TypeError: unsupported operand"):
        learner_of(config).adapt_to("Pendulum-v1", {"g": "abc"})


@pytest.mark.parametrize(
    ("inner_lr", "inner_steps", "message"),
    [(1e38, 3, "after 1 inner step from rate 1e\\+38"), (1e30, 1, "after 1 inner step from")],
)
def test_an_inner_loop_that_diverges_is_told(inner_lr, inner_steps, message):
    """Also by what it does after the last step."""
    learner = learner_of(navigation())
    with pytest.raises(NonFiniteError, match=message):
        learner.adapt_to("navigation", GOAL, inner_lr=inner_lr, inner_steps=inner_steps)


def test_a_policy_is_given_no_examples_and_a_made_environment_no_arguments():
    from small_gym import Slope

    learner = learner_of(gym())
    with pytest.raises(ValueError, match="and takes no examples"):
        learner.adapt([[1.0, 2.0]], [0.0])
    with pytest.raises(ValueError, match="steepness: an existing environment takes"):
        learner.adapt_to(Slope(), {"steepness": 1.0})


def test_what_is_not_installed_is_named_with_its_extra(capsys, monkeypatch):
    monkeypatch.setitem(sys.modules, "gymnasium", None)
    words = run_of(gym()), "--env", "CartPole-v1"
    code, _, errors = metatrain(capsys, monkeypatch, "adapt-policy", *words)
    assert code == 2
    assert "pip install 'metatrain[gym]'" in errors

"""Cheetahs of MuJoCo, and the presets that train them."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from orchestrator.config import schema as configuration
from workers.tasks.registry import make_family
from workers.wire.protocol import Draw

PRESETS = ("halfcheetah-direction", "halfcheetah-velocity")
WITHOUT_MUJOCO = """
import sys
sys.modules["mujoco"] = None
sys.argv = ["metatrain", "data", sys.argv[1]]
from metatrain import main
main()
"""


@pytest.fixture
def mujoco():
    pytest.importorskip("gymnasium")
    return pytest.importorskip("mujoco")


def run(preset, num_tasks=6, num_steps=20):
    """Its specs; rewards, velocities and what actions cost, each [steps, tasks]."""
    config, _ = configuration.load(preset)
    family = make_family(config.task)
    specs = family.sample(Draw(0, "train", 0), 0, num_tasks, 0, 0)
    # All tasks begin, and act, alike.
    generators = [np.random.default_rng(0) for _ in range(num_tasks)]
    environments = family.environments(specs, 1, generators)
    actions = family.random_actions(np.random.default_rng(1), (num_steps,))
    environments.reset()
    places, rewards = [], []
    for action in actions:
        places.append([each.unwrapped.data.qpos[0] for each in family._idle])
        rewards.append(environments.step(np.tile(action, (num_tasks, 1, 1)))[1][:, 0])
    places.append([each.unwrapped.data.qpos[0] for each in family._idle])
    velocities = np.diff(places, axis=0) / 0.05
    assert np.abs(velocities).max() > 0.1
    costs = 0.05 * np.square(actions.astype(np.float64)).sum(-1, keepdims=True)
    return specs, np.array(rewards), velocities, costs


@pytest.mark.usefixtures("mujoco")
def test_a_cheetah_is_paid_for_its_velocity_forward_or_backward():
    specs, rewards, velocities, costs = run("halfcheetah-direction")
    direction = specs["varied/_forward_reward_weight"]
    assert set(direction) == {-1.0, 1.0}
    np.testing.assert_allclose(rewards, direction * velocities - costs, atol=1e-6)


@pytest.mark.usefixtures("mujoco")
def test_a_cheetah_is_paid_for_being_as_fast_as_its_goal():
    specs, rewards, velocities, costs = run("halfcheetah-velocity")
    goals = specs["varied/goal"]
    assert goals.min() >= 0
    assert 1 < goals.max() <= 2
    np.testing.assert_allclose(rewards, -np.abs(velocities - goals) - costs, atol=1e-6)


@pytest.mark.usefixtures("mujoco")
@pytest.mark.parametrize("preset", PRESETS)
def test_a_preset_is_found_anywhere_and_mujoco_neither_talks_nor_writes(
    preset, tmp_path, monkeypatch, capfd
):
    monkeypatch.chdir(tmp_path)
    config, notes = configuration.load(preset)
    family = make_family(config.task)
    assert (family.loss, family.input_shape, family.num_outputs) == ("gaussian_policy", (17,), 12)
    assert (notes, list(tmp_path.iterdir())) == ([], [])
    assert capfd.readouterr() == ("", "")


@pytest.mark.usefixtures("mujoco")
def test_another_mujoco_is_another_digest(monkeypatch):
    from workers.tasks.environments import gym_source

    config, _ = configuration.load(PRESETS[0])
    digest = make_family(config.task).digest
    monkeypatch.setattr(gym_source, "version", lambda name: f"{name} of tomorrow")
    assert make_family(config.task).digest != digest
    pole, _ = configuration.load("cartpole")
    other = make_family(pole.task).digest
    monkeypatch.undo()
    assert make_family(pole.task).digest == other


@pytest.mark.parametrize("preset", PRESETS)
def test_without_mujoco_the_extra_is_named(preset, tmp_path):
    pytest.importorskip("gymnasium")
    command = [sys.executable, "-c", WITHOUT_MUJOCO, preset]
    root = str(Path(__file__).parents[3])
    done = subprocess.run(
        command, cwd=tmp_path, env={"PYTHONPATH": root}, capture_output=True, text=True, check=False
    )
    assert done.returncode == 2
    assert done.stderr.count("\n") == 1
    assert "pip install 'metatrain[mujoco]'" in done.stderr

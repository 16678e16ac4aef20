"""A recurrent policy's run, from its configuration to its scores by episode."""

import json
import re

import numpy as np
import pytest
from inline_command import metatrain
from small_configs import GYM, TRIALS, trials
from small_runs import in_process

from orchestrator.adaptation import artefact
from orchestrator.config.schema import load, validate
from orchestrator.config.score_unit import EPISODES, INNER_STEPS
from orchestrator.learner import Learner
from orchestrator.outer.blocks import train_blocks
from orchestrator.pool.base import InProcessPool
from orchestrator.records.result import read_result
from orchestrator.reporting.pictures import observed, paths
from orchestrator.reporting.terminal import print_result
from orchestrator.run.launch import Launch
from orchestrator.run.resume import find_state
from orchestrator.run.training_run import TrainingRun
from orchestrator.storage.storage import Storage
from orchestrator.text.console import Console
from workers.block import BlockRunner
from workers.tasks.registry import make_family
from workers.wire.protocol import Episode


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    """The folder of a whole run."""
    storage, config = Storage(str(tmp_path_factory.mktemp("runs") / "run")), trials()
    state, _, _ = find_state(config, storage, False, allow_changes=False)
    training = TrainingRun(config, storage, in_process(config), state)
    for _ in training.steps():
        pass
    result = training.test()
    training.draw(result)
    training.report()
    training.close()
    return storage.location


def test_scores_are_by_episode_and_the_last_one_counts(run, capsys):
    result = read_result(Storage(run))
    assert [row["episode"] for row in result.per_step] == [1, 2, 3]
    assert all({"return", "return_ci95"} <= row.keys() for row in result.per_step)
    assert (result.protocol["episode"], result.after) == (3, result.per_step[2])
    odd = {"inner_steps", "inner_lr", "shots", "shots_in_training", "later_lr", "curvature"}
    assert not odd & result.protocol.keys()
    print_result(Console(), result, (2,))
    shown = capsys.readouterr().out
    assert "Test tasks, by episode of a trial" in shown
    assert "in episode 3, each task against itself" in shown
    assert "inner" not in shown
    assert re.search(r"1  \(first\).*\n.* 2 .*\n.* 3 ", shown)


def test_the_page_and_its_pictures_count_episodes(run):
    page = Storage(run).read("report.html").decode()
    assert "in episode 3 (95 % interval)" in page
    assert "Test return by episode, with its 95 % interval" in page
    assert "inner step" not in page


def legends(figure):
    return [text.get_text() for legend in figure.legends for text in legend.get_texts()]


def test_pictures_name_what_they_show():
    points = np.zeros((1, 3, 2, 4, 2), np.float32)
    nothing = np.zeros((1, 1, 2), np.float32)
    episodes = Episode(nothing, nothing, nothing, nothing)
    by_episode = [f"episode {number}" for number in (1, 2, 3)]
    assert legends(paths.draw(episodes, points, [1, 2], "", unit=EPISODES))[2:] == by_episode
    assert legends(paths.draw(episodes, points, [1, 2], ""))[2:] == ["before", "1 step", "2 steps"]
    assert legends(observed.draw(episodes, points, [2], "", unit=EPISODES)) == by_episode[::2]
    assert legends(observed.draw(episodes, points, [2], "", unit=INNER_STEPS))[1:] == ["2 steps"]


def test_an_exported_run_plays_the_same_trials(run, tmp_path):
    learner = Learner.load(run)
    policy = learner.adapt_to("navigation", {"goal": (0.3, -0.2)}, evaluation_episodes=2, seed=5)
    assert policy.returns.shape == (3, 2)
    file = tmp_path / "policy.metatrain"
    file.write_bytes(artefact.as_bytes(artefact.load(run)))
    again = Learner.load(str(file)).adapt_to(
        "navigation", {"goal": (0.3, -0.2)}, evaluation_episodes=2, seed=5
    )
    np.testing.assert_array_equal(again.returns, policy.returns)
    with pytest.raises(ValueError, match="cannot be saved as a model of observations"):
        policy.act([0.0, 0.0])
    with pytest.raises(ValueError, match="cannot be saved as a model of observations"):
        policy.save(tmp_path / "policy.keras")


GOAL = ["--env", "navigation", "--env-arg", "goal=0.3,-0.2"]
REFUSED = {
    "inner_steps = 2: algorithm.kind = 'rl2' keeps": [*GOAL, "--inner-steps", 2],
    "episodes = 4 are for inner steps": [*GOAL, "--episodes", 4],
    "cannot be saved as a model": [*GOAL, "--save-model", "policy.keras"],
}


@pytest.mark.parametrize("why", REFUSED)
def test_what_has_no_meaning_for_a_state_is_refused_in_one_line(run, capsys, monkeypatch, why):
    code, _, err = metatrain(capsys, monkeypatch, "adapt-policy", run, *REFUSED[why])
    assert (code, err.count("\n")) == (2, 1)
    assert why in err


def test_adapt_policy_shows_returns_by_episode(run, capsys, monkeypatch):
    code, out, err = metatrain(capsys, monkeypatch, "adapt-policy", run, *GOAL, "--json")
    assert code == 0, err
    document = json.loads(out)
    assert np.shape(document["returns"]) == (3, 3)
    assert (document["protocol"]["episodes"], document["protocol"]["trials"]) == (3, 3)
    assert "Return of the episodes of a trial" in err


CHANGES = {
    "evaluation.inner_lr = [0.1] is not for": ["evaluation.inner_lr=[0.1]"],
    "evaluation.inner_steps = [1, 2] is not for": ["evaluation.inner_steps=[1,2]"],
    "evaluation.later_lr = 0.5 is not for": ["evaluation.later_lr=0.5"],
    "evaluation.shots = 3 is not for": ["evaluation.shots=3"],
    "task.shots = 3 is not for": ["task.shots=3"],
    "unknown key algorithm.inner_lr": ["algorithm.inner_lr=0.1"],
    "outer.optimizer = 'trpo' is not for": ["outer.optimizer=trpo"],
    "outer.divergence_penalty = 0.1 is for policies": ["outer.divergence_penalty=0.1"],
    "model.kind = 'gaussian_mlp' keeps no state": ["model.kind=gaussian_mlp"],
    "model.kind = 'gaussian_gru' keeps a state": ["algorithm.kind=maml"],
    "has no tasks of a range": ["task.queries=[1,3]"],
}


@pytest.mark.parametrize("why", CHANGES)
def test_settings_of_inner_loops_are_refused_when_they_are_read(why):
    load("navigation-rl2")
    with pytest.raises(ValueError, match=re.escape(why)) as error:
        load("navigation-rl2", CHANGES[why])
    assert "\n" not in str(error.value)


def test_a_trial_of_more_episodes_is_evaluated_in_all_of_them():
    assert load("navigation-rl2", ["algorithm.episodes=5"])[0].evaluation.inner_steps == (4,)


def test_a_recurrent_policy_makes_choices_too():
    """The environments are gymnasium's; an action is one of a few."""
    pytest.importorskip("gymnasium")
    task = {"kind": "gym", "environment": "small_gym:Switch", "queries": 3, "horizon": 5}
    task |= {"folder": GYM["task"]["folder"], "vary": {}}
    config = validate({**TRIALS, "task": task, "model": {"kind": "gru", "units": 4}})
    family = make_family(config.task)
    runner = BlockRunner(config.worker, family)
    weights = Launch(config, family, InProcessPool(runner), "").initial_state().weights
    (block,) = train_blocks(config, family, 0)
    contribution = runner.run(weights, block)
    assert np.isfinite(contribution.gradient).all()
    assert np.linalg.norm(contribution.gradient) > 0
    with pytest.raises(ValueError, match=r"use model\.kind = 'gru'"):
        BlockRunner(validate({**TRIALS, "task": task}).worker, family)

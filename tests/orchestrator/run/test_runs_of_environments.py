"""Runs on finite sets of environments: scores, evaluation, adaptation, sweeps, wrong input."""

import json
from pathlib import Path

import numpy as np
import pytest
import small_configs
from inline_command import metatrain
from small_learners import FIRST_ORDER, run_of
from small_runs import in_process

pytest.importorskip("gymnasium")

from orchestrator.cli import export_command
from orchestrator.learner import Learner
from orchestrator.loop import meta_train
from orchestrator.outer.blocks import held_out_blocks
from orchestrator.outer.update import OuterUpdate
from orchestrator.records.evaluation_protocol import protocol
from orchestrator.run.trained_with import check_data
from orchestrator.storage.manifest import Manifest
from orchestrator.sweep.no_test_tasks import WithoutTestTasks
from workers.tasks.registry import make_family
from workers.wire.protocol import Draw, Recipe
from workers.wire.tensors import sha256

pytestmark = pytest.mark.usefixtures("shared_runners")

ENVIRONMENTS = Path(__file__).parents[2] / "fakes/tasks"
LISTED = (
    "task.environments=[{id='small_gym:Slope',steepness=0.1},{id='small_gym:Slope',steepness=0.9},"
    "{id='small_gym:Tilted'},{id='small_gym:Tilted',tilt=0.3},{id='small_gym:Tilted',tilt=0.6}]"
)
SETS = {
    "environments": [LISTED, "task.vary={}"],
    "choices": ["task.vary={steepness={choice=[0.1,0.4,0.9]},friction={choice=[0,1]}}"],
    "texts and lists": [
        "task.environment=small_gym:Robot",
        "task.vary={kind={choice=['ant','bee']},grip={choice=[[1,2],[3,4]]}}",
    ],
}


def gym(name="environments", *overrides):
    overrides = [*SETS[name], "task.split=true", "task.horizon=4", FIRST_ORDER, *overrides]
    small = ["outer.steps=2", "workers.block_size=2", "model.hidden=[4]"]
    return small_configs.gym(*overrides, *small)


@pytest.fixture(autouse=True)
def _beside_the_environments(monkeypatch):
    monkeypatch.chdir(ENVIRONMENTS)
    monkeypatch.syspath_prepend(ENVIRONMENTS)


QUICK, *SLOW = SETS


@pytest.mark.parametrize(
    "name", [QUICK, *(pytest.param(name, marks=pytest.mark.slow) for name in SLOW)]
)
def test_a_task_does_not_depend_on_the_block_that_it_is_computed_in(name):
    """Nor on what the same process computed before: environments of other tasks."""
    returns = {}
    for size in (1, 2, 5):
        config = gym(name, f"workers.block_size={size}")
        launched = in_process(config)
        weights = launched.initial_state().weights
        blocks = held_out_blocks(config, launched.family, "test", 6, Recipe(0.1, 1), "evaluate")
        results = launched.pool.run(weights, blocks)
        results = launched.pool.run(weights, blocks[::-1])[::-1]
        returns[size] = np.concatenate([result.metrics["return"] for result in results])
    assert len(returns[1]) == 6
    assert len(np.unique(returns[1])) > 6
    np.testing.assert_array_equal(returns[2], returns[1])
    np.testing.assert_array_equal(returns[5], returns[1])


@pytest.mark.slow
def test_a_run_in_a_family_opened_anew_gives_the_same_theta():
    """As an actor opens it: nothing of the tasks is in the driver's family alone."""
    hashes = []
    for _ in range(2):
        config = gym()
        launched = in_process(config)
        outer = OuterUpdate(config.outer, launched.initial_state())
        for _ in meta_train(config, make_family(config.task), launched.pool, outer):
            pass
        hashes.append(sha256(outer.state().theta))
    assert hashes[0] == hashes[1] != sha256(launched.initial_state().theta)


def test_the_protocol_of_a_run_has_the_split():
    config = gym()
    family = in_process(config).family
    chosen = {
        "inner_steps": 1,
        "inner_lr": 0.1,
        "candidates": [{"inner_lr": 0.1, "inner_steps": 1}],
    }
    told = protocol(config, family, chosen, [], False)
    assert told["split"] == "3 training, 1 validation, 1 test tasks; none is in two"
    assert told["split_hash"] == family.protocol("test")["split_hash"]
    assert told["different_tasks"] == 1


def test_a_run_is_not_evaluated_with_another_split():
    digests = [in_process(gym("environments", more)).family.digest for more in SEEDS]
    manifest = Manifest.__new__(Manifest)
    object.__setattr__(manifest, "fingerprint", {"data": digests[0]})
    assert check_data(digests[0], manifest, False) == []
    with pytest.raises(ValueError, match=r"the data or their split differ .*task.split_file"):
        check_data(digests[1], manifest, False)


SEEDS = ["task.split_seed=0", "task.split_seed=1"]


def test_a_trial_of_a_sweep_draws_no_test_task():
    family = WithoutTestTasks(in_process(gym()).family)
    assert len(family.sample(Draw(0, "validation", 0), 0, 3, 1, 1)["combination"]) == 3
    with pytest.raises(AssertionError, match="must not see the test tasks"):
        family.sample(Draw(0, "test", 0), 0, 3, 1, 1)


def test_an_exported_run_adapts_to_an_environment_as_its_run_does(tmp_path):
    run, file = run_of(gym()), tmp_path / "policy.metatrain"
    export_command.export_run(str(run), file)
    returns = [
        Learner.load(source).adapt_to("small_gym:Tilted", {"tilt": 0.5}).returns
        for source in (run, file)
    ]
    np.testing.assert_array_equal(*returns)
    assert returns[0].shape[0] > 1


@pytest.mark.slow
def test_a_list_replaces_an_array_of_ones_own_environment():
    run = run_of(gym("texts and lists"))
    learner = Learner.load(run)
    assert learner.adapt_to("small_gym:Robot", {"grip": [2, 3], "kind": "bee"}).returns.shape[0] > 1
    with pytest.raises(ValueError, match=r"--env-arg grip: \[1, 2, 3\] cannot replace"):
        learner.adapt_to("small_gym:Robot", {"grip": [1, 2, 3]})


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["task.train_tasks=9"], "task.train_tasks = 9 + task.validation_tasks"),
        (["task.environments=[{},{steepness=0.3}]"], "have 2 tasks to split, and none may be in"),
        (
            ["task.environments=[{},{id='small_gym:Wide'},{id='small_gym:Strong'}]"],
            "'small_gym:Slope' has Box(-inf, inf, (2,), float32), 'small_gym:Wide' has Box(-inf, ",
        ),
        (["task.environments=[{},{id='Nowhere-v0'},{a=1}]"], "id = 'Nowhere-v0' cannot be made"),
        (
            ["task.environments=[{},{colour=1},{colour=2}]"],
            "task.environments: colour: small_gym:S",
        ),
        (["task.environments=none.json"], "none.json: cannot be read"),
        (["task.environments=[{id='CartPole-v1'}]", "task.split=false"], "takes one of 2 actions"),
    ],
)
def test_wrong_input_is_one_line_before_the_run(capsys, monkeypatch, tmp_path, overrides, message):
    file = tmp_path / "run.toml"
    task = [f"[task]\nkind = 'gym'\nenvironment = 'small_gym:Slope'\nfolder = '{ENVIRONMENTS}'"]
    file.write_text("\n".join([*task, "[model]", "kind = 'gaussian_mlp'", "hidden = [4]"]))
    sets = [word for text in [LISTED, *overrides] for word in ("--set", text)]
    out = tmp_path / "out"
    code, _, errors = metatrain(capsys, monkeypatch, "train", file, "--out", out, *sets)
    assert code == 2
    last = errors.splitlines()[-1]
    assert last.startswith("metatrain: ")
    assert message in last
    assert not (out / "metrics.jsonl").exists()


def test_data_names_the_tasks_of_each_split(capsys, monkeypatch, tmp_path):
    file = tmp_path / "run.toml"
    names = ["steepness 0.25", "steepness 0.5", "steepness 0.75"]
    task = [f"[task]\nkind = 'gym'\nenvironment = 'small_gym:Slope'\nfolder = '{ENVIRONMENTS}'"]
    task += ["vary.steepness.choice = [0.25, 0.5, 0.75]", "split = true"]
    file.write_text("\n".join(task))
    code, shown, _ = metatrain(capsys, monkeypatch, "data", file, "--json")
    assert code == 0
    described = json.loads(shown)
    found = json.dumps(described)
    assert all(found.count(name) == 1 for name in names)
    assert '"test_tasks"' in found

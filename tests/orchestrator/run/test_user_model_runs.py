"""Runs of a user's model: the same bits wherever blocks run, resumed, and reported."""

import itertools
import shutil
from pathlib import Path

import pytest
import warm_commands
from shell_commands import environment, metatrain, started, theta_sha256, write_config
from shown_protocol import protocol_in
from small_configs import USER_MODEL, sinusoid
from small_runs import ShuffledPool, in_process, sha256_after

from orchestrator.outer.blocks import held_out_blocks, train_blocks
from workers.wire.protocol import Recipe

MODELS = Path(__file__).parents[2] / "fakes/tasks"


def user_model(*overrides, name="small"):
    return sinusoid(*USER_MODEL, f"model.source=user_models:{name}", *overrides)


# Three blocks of one shape in each of two steps: carried statistics meet both.
FEW = ["outer.steps=2", "outer.meta_batch_size=6", "evaluation.inner_steps=[1]"]
FEW += ["evaluation.tasks=2", "evaluation.validation_tasks=2"]


# In pairs: each model, each kind of statistics, and both of what decides whether any are carried.
PAIRS = [("small", "running"), ("subclassed", "support"), ("frozen", "running"), ("small", "batch")]


@pytest.mark.parametrize(
    ("name", "statistics"),
    [
        pytest.param(*pair, marks=[] if pair in PAIRS else [pytest.mark.slow])
        for pair in itertools.product(
            ["small", "subclassed", "frozen"], ["batch", "support", "running"]
        )
    ],
)
@pytest.mark.quick("frozen-running")
def test_theta_does_not_depend_on_the_order_of_blocks(name, statistics):
    launch = in_process(user_model(f"model.statistics={statistics}", *FEW, name=name))
    expected = sha256_after(launch)
    assert expected == sha256_after(launch, ShuffledPool(launch.pool))
    carried = launch.initial_state().carry
    assert bool(carried) == (statistics == "running" and name != "frozen")


def trained(folder, *words):
    """Without pictures."""
    return warm_commands.run(folder, "train", *words, environment=environment(), draws=False)


@pytest.mark.slow
def test_a_tasks_seeds_are_a_function_of_the_run_seed_the_step_and_the_index():
    config = user_model()
    family = in_process(config).family

    def seeds(config, step):
        return [b.specs["seeds"].tolist() for b in train_blocks(config, family, step)]

    here = seeds(config, 3)
    assert here == seeds(config, 3)
    assert [len(block) for block in here] == [2, 2, 2, 1]
    assert len({tuple(pair) for block in here for pair in block}) == 7
    larger_blocks = config.workers.model_copy(update={"block_size": 7})
    whole = seeds(config.model_copy(update={"workers": larger_blocks}), 3)
    assert [pair for block in here for pair in block] == whole[0]
    assert here != seeds(config, 4)
    assert here != seeds(config.model_copy(update={"seed": 1}), 3)
    held_out = held_out_blocks(config, family, "test", 6, Recipe(0.05, 1))
    assert [len(block.specs["seeds"]) for block in held_out] == [2, 2, 2]
    assert "seeds" not in train_blocks(sinusoid(), family, 3)[0].specs


@pytest.mark.slow
def test_the_command_line_says_what_it_made_exact_and_goes_on_with_the_same_bits(tmp_path):
    shutil.copy(MODELS / "user_models.py", tmp_path / "my_models.py")
    config = sinusoid("model.kind=keras", "model.source=my_models:small", *FEW)
    file = write_config(tmp_path, config.model_copy(update={"name": "mine"}))
    file_text = (tmp_path / file).read_text().replace(config.model.folder, ".")
    (tmp_path / file).write_text(file_text)

    half = trained(tmp_path, file, "--out", "run", "--set", "outer.steps=1")
    assert half.returncode == 0, half.stderr
    whole = trained(tmp_path, file, "--out", "run", "--resume")
    assert whole.returncode == 0, whole.stderr
    assert theta_sha256(whole.stdout) == sha256_after(in_process(user_model(*FEW)))
    assert "normalization layers made exact (1 batch, 1 layer, 1 group)" in half.stderr
    protocol = protocol_in(whole.stdout)
    assert protocol["model"] == "my_models:small"
    normalization = "layer and group and batch statistics of each set (transductive)"
    assert protocol["normalization"] == normalization

    again = metatrain(tmp_path, "evaluate", "run")
    assert again.returncode == 0, again.stderr
    assert "note: " not in again.stderr

    with (tmp_path / "my_models.py").open("a") as source:
        source.write("\n# edited\n")
    again = metatrain(tmp_path, "evaluate", "run")
    assert again.returncode == 2, again.stderr
    assert "my_models:small has changed since the run was trained" in again.stderr
    more = ["--resume", "--set", "outer.steps=9"]
    refused = metatrain(tmp_path, "train", file, "--out", "run", *more)
    assert refused.returncode == 1
    assert "would not continue with the same bits here: model: " in refused.stderr


def test_a_refusal_is_one_line_and_leaves_nothing(tmp_path):
    config = user_model(name="no_model")
    refused = metatrain(tmp_path, "train", write_config(tmp_path, config), "--out", "run")
    assert refused.returncode == 2
    last = refused.stderr.strip().splitlines()[-1]
    assert last.startswith(
        "metatrain: model.source = 'user_models:no_model' returned an object of type list"
    )
    assert not (tmp_path / "run" / "config.toml").exists()


@pytest.mark.parametrize("name", ["workers", "orchestrator"])
def test_a_package_of_the_users_in_the_way_is_refused_and_named(tmp_path, name):
    package = tmp_path / name / "__init__.py"
    package.parent.mkdir()
    package.touch()
    refused = metatrain(tmp_path, "train", "--workers", "1", "--out", "run")
    assert refused.returncode == 2
    assert f"{package} hides metatrain's own package '{name}'" in refused.stderr


@pytest.mark.parametrize("name", ["workers", "orchestrator"])
def test_a_package_of_the_users_before_ours_is_refused_and_named(tmp_path, name, monkeypatch):
    package = tmp_path / name / "__init__.py"
    package.parent.mkdir()
    package.touch()
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    refused = started(tmp_path, "presets")
    assert refused.returncode == 2
    assert refused.stderr.count("\n") == 1
    assert f"your package '{name}' ({package}) hides metatrain's package" in refused.stderr

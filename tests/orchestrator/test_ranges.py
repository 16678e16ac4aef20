"""Shots and queries that are ranges, from the command to the report; and where they are refused."""

import json
from pathlib import Path

import numpy as np
import pytest
from inline_command import metatrain
from small_configs import images, navigation, sinusoid
from small_npz import blobs, save
from small_runs import in_process
from small_signals import class_folders, sines

from orchestrator.config.schema import load
from orchestrator.evaluate import recipe_at
from orchestrator.outer.blocks import held_out_blocks
from orchestrator.outer.update import OuterUpdate
from orchestrator.reporting.pictures.render import render
from orchestrator.run.user_functions import check_functions
from workers.tasks.registry import make_family

pytestmark = pytest.mark.usefixtures("shared_runners")
SMALL = """
[task]
kind = "signal"
path = "signals"
ways = 3
shots = [1, 3]
queries = [2, 4]
[model]
kind = "conv1d"
blocks = 2
channels = 4
[algorithm]
kind = "maml"
inner_lr = 0.1
[outer]
meta_batch_size = 4
steps = 2
[workers]
count = 0
block_size = 2
[evaluation]
tasks = 6
validation_tasks = 5
inner_steps = [1, 2]
inner_lr = [0.1]
"""
RANGE = "task.shots=[1,3]"


@pytest.fixture
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    class_folders(tmp_path / "signals", *sines(classes=9, recordings=8, length=32))
    (tmp_path / "run.toml").write_text(SMALL)
    return tmp_path


@pytest.mark.slow
def test_a_run_with_ranges_trains_and_says_so(folder, capsys, monkeypatch):
    code, _, err = metatrain(capsys, monkeypatch, "train", "run.toml", "--out", "run")
    assert code == 0, err
    assert Path("run/picture.png").stat().st_size > 1000
    tested = json.loads(Path("run/evaluation.json").read_text())
    rows = {name: tested["protocol"][name] for name in ("shots", "queries", "shots_in_training")}
    assert rows == {"shots": "1 to 3", "queries": "2 to 4", "shots_in_training": "1 to 3"}
    assert "shots = [\n    1,\n    3,\n]" in Path("run/config.toml").read_text()


@pytest.mark.slow
def test_a_run_with_ranges_is_evaluated_with_others_and_adapts(folder, capsys, monkeypatch):
    code, _, err = metatrain(capsys, monkeypatch, "train", "run.toml", "--out", "run")
    assert code == 0, err
    for size, shown in (("2", 2), ("[2,3]", "2 to 3")):
        numbers = ["--set", f"evaluation.shots={size}", "--set", "evaluation.queries=2"]
        code, out, err = metatrain(capsys, monkeypatch, "evaluate", "run", "--json", *numbers)
        assert code == 0, err
        assert json.loads(out)["evaluation"]["protocol"]["shots"] == shown
    x, y = sines(classes=2, recordings=3, length=32)
    class_folders(folder / "own", x, y)
    code, _, err = metatrain(
        capsys, monkeypatch, "adapt", "run", "--support", "own", "--query", "own"
    )
    assert code == 0, err


def test_scores_are_means_over_real_queries(folder):
    """A constant model answers class 0: its accuracy is the share of class 0 among real queries."""
    from workers.block import BlockRunner
    from workers.meta_parameters import initial
    from workers.wire.protocol import Weights
    from workers.wire.tensors import to_vector

    config, _ = load("run.toml")
    family = make_family(config.task)
    runner = BlockRunner(config.worker, family)
    theta = np.zeros_like(to_vector(initial(config.worker, family).theta))
    blocks = held_out_blocks(config, family, "test", 6, recipe_at(config, 1e-9))
    weights = Weights(theta, np.zeros(0, np.float32), 0)
    shares = []
    for block in blocks:
        targets = family.build(block.specs).query_targets
        assert (targets < 0).any()
        shares = [np.mean(own[own >= 0] == 0) for own in targets]
        scores = runner.run(weights, block).metrics
        np.testing.assert_allclose(scores["accuracy"][:, 0], shares, rtol=1e-6)
        np.testing.assert_allclose(scores["loss"][:, 0], np.log(3), rtol=1e-6)


def test_the_range_of_an_evaluation_needs_none_in_training(folder):
    config, _ = load("run.toml", ["task.shots=2", "task.queries=2", "evaluation.queries=[1,4]"])
    assert recipe_at(config, 0.1).padded
    (block, *_) = held_out_blocks(config, make_family(config.task), "test", 4, recipe_at(config, 1))
    assert block.specs["query_examples"].shape[-1] == 4
    assert not recipe_at(load("run.toml", ["task.shots=2", "task.queries=2"])[0], 0.1).padded


def test_files_of_tasks_take_ranges(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    save(tmp_path / "patients", blobs())
    (tmp_path / "run.toml").write_text('[task]\nkind = "npz"\npath = "patients"\n')
    small = ["task.shots=[1,3]", "task.queries=2", "outer.steps=2", "outer.meta_batch_size=4"]
    small += ["evaluation.tasks=4", "evaluation.validation_tasks=4", "workers.count=0"]
    small += ["algorithm.inner_steps=1", "evaluation.inner_steps=[1]", "evaluation.inner_lr=[0.1]"]
    small += ["runtime.xla=false", "runtime.execution=map", "model.hidden=[4]"]
    options = [part for setting in small for part in ("--set", setting)]
    code, _, err = metatrain(capsys, monkeypatch, "train", "run.toml", "--out", "run", *options)
    assert code == 0, err
    assert Path("run/picture.png").stat().st_size > 1000


def test_pictures_of_images_show_no_padding(image_zip, image_cache):
    config = images(image_zip, image_cache, "task.shots=[1,2]", "task.queries=[1,2]")
    launch = in_process(config)
    weights = OuterUpdate(config.outer, launch.initial_state()).weights
    pictures = render(config, launch.family, launch.pool, weights, recipe_at(config, 0.1))
    assert len(pictures.svgs) == 3
    (block, *_) = held_out_blocks(config, launch.family, "test", 1, recipe_at(config, 0.1))
    number = int((launch.family.build(block.specs).query_targets >= 0).sum())
    assert 3 <= number < 6
    assert pictures.svgs[0].count("before: ") == number


@pytest.mark.parametrize(
    ("make", "overrides", "message"),
    [
        (sinusoid, ["task.shots=[3,1]"], r"task\.shots = \[3, 1\]: the least comes first, then"),
        (sinusoid, ["task.shots=[0,3]"], r"task\.shots\[0\] must be at least 1, got 0"),
        (sinusoid, ["task.shots=[1,2,3]"], r"task\.shots must have at most 2 values"),
        (sinusoid, ["task.shots=[1]"], r"task\.shots = \[1\]: needs more values"),
        (sinusoid, ["task.shots=0"], r"task\.shots must be at least 1, got 0"),
        (sinusoid, ["task.queries=many"], r"task\.queries must be a whole number, got 'many'"),
        (
            sinusoid,
            ["algorithm.kind=reptile", "algorithm.inner_batch=2", RANGE],
            r"algorithm\.inner_batch = 2 deals out examples, of which task\.shots = \[1, 3\]",
        ),
        (
            sinusoid,
            ["evaluation.inner_batch=2", "evaluation.shots=[1,3]"],
            r"evaluation\.inner_batch = 2 .* evaluation\.shots = \[1, 3\]",
        ),
        (
            navigation,
            [RANGE],
            r"^task\.shots = \[1, 3\]: task\.kind = 'navigation' has no tasks of a range; give a",
        ),
        (
            sinusoid,
            ["task.kind=python", "task.source=small_python:sines", RANGE],
            r"^task\.shots = \[1, 3\]: task\.kind = 'python' has no tasks of a range; give a",
        ),
        (
            sinusoid,
            ["task.kind=matching", "task.path=a.csv", "task.queries=[1,3]"],
            r"^task\.queries = \[1, 3\]: task\.kind = 'matching' has no tasks of a range; give a",
        ),
        (
            sinusoid,
            ["task.kind=generation", "task.path=a.txt", RANGE],
            r"^task\.shots = \[1, 3\]: task\.kind = 'generation' has no tasks of a range; give a",
        ),
        (
            navigation,
            ["evaluation.queries=[1,3]"],
            r"evaluation\.queries = \[1, 3\]: task\.kind = 'navigation' has no tasks of a range",
        ),
    ],
)
def test_wrong_ranges_are_refused(make, overrides, message):
    with pytest.raises(ValueError, match=message) as refused:
        make(*overrides)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("own", ["loss=my_losses:huber", "metrics={r2='max:my_losses:r2'}"])
def test_functions_of_ones_own_are_refused_with_ranges(folder, own):
    with pytest.raises(ValueError, match=r"task\.shots = \[1, 3\] is a range, and a function of y"):
        load("run.toml", [f"task.{own}"])


@pytest.mark.parametrize("kind", ["BatchNormalization", "LayerNormalization"])
def test_a_users_model_that_normalizes_by_its_batch_is_refused(folder, kind):
    Path(f"own_{kind}.py").write_text(
        "import keras\n"
        "def small(input_shape, num_outputs):\n"
        "    return keras.Sequential([keras.Input(input_shape), keras.layers.Flatten(),\n"
        f"        keras.layers.Dense(4), keras.layers.{kind}(), keras.layers.Dense(num_outputs)])\n"
    )
    own = {"kind": "keras", "source": f"own_{kind}:small", "second_derivative": "trusted"}
    config, _ = load("run.toml", {"model": own})
    quiet = [lambda line: None] * 2
    arguments = config, make_family(config.task), 0, False, *quiet
    if kind == "LayerNormalization":
        assert check_functions(*arguments).normalizations == ["layer"]
        return
    message = r"^task\.shots = \[1, 3\] is a range, and own_BatchNormalization:small normalizes"
    with pytest.raises(ValueError, match=message):
        check_functions(*arguments)

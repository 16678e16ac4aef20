"""Numbers of classes that are a range: drawn, padded, trained on, reported; and where refused."""

import json
from pathlib import Path

import numpy as np
import pytest
from inline_command import metatrain
from small_configs import images
from small_runs import in_process
from small_signals import class_folders, sines
from small_texts import rows_of, write

from orchestrator.config.schema import to_toml, validate
from orchestrator.evaluate import recipe_at
from orchestrator.outer.blocks import held_out_blocks
from workers.tasks.registry import make_family
from workers.tasks.sizes import PADDING
from workers.wire.protocol import Draw, Weights
from workers.wire.tensors import to_vector

pytestmark = pytest.mark.usefixtures("shared_runners")
WAYS = ["task.ways=[2,4]", "task.shots=[1,2]", "task.queries=2"]
KINDS = {
    "protonet": ["algorithm.kind=protonet", "evaluation.inner_steps=[1]"],
    "proto_maml": ["algorithm.kind=proto_maml"],
    "ridge": ["algorithm.kind=ridge", "evaluation.inner_steps=[1]"],
}


def of_images(image_zip, image_cache, *overrides):
    return images(image_zip, image_cache, *KINDS["protonet"], *WAYS, *overrides)


@pytest.fixture
def family(request, tmp_path, image_zip, image_cache):
    """Of each kind whose tasks are some classes of many, with 2 to 4 of them."""
    if request.param == "images":
        return make_family(of_images(image_zip, image_cache).task)
    task = {"kind": request.param, "ways": [2, 4], "shots": [1, 2], "queries": 2}
    if request.param == "text":
        task["path"] = str(write(tmp_path / "a.csv", rows_of(num_classes=20)))
    else:
        class_folders(tmp_path / "signals", *sines(classes=20, recordings=4, length=32))
        task["path"] = str(tmp_path / "signals")
    return make_family(validate({"task": task, "algorithm": {"kind": "protonet"}}).task)


FAMILIES = ["images", "text", "signal"]


@pytest.mark.parametrize("family", FAMILIES, indirect=True)
def test_each_task_draws_its_classes_and_the_rest_is_padding(family):
    assert family.num_outputs == 4
    specs = family.sample(Draw(0, "train", 0), 0, 200, (1, 2), 2)
    numbers = (specs["classes"] != PADDING).sum(1)
    assert set(numbers) == {2, 3, 4}
    assert min(np.bincount(numbers)[2:]) > 40
    built = family.build(specs)
    for task, number in enumerate(numbers):
        for targets in (built.support_targets[task], built.query_targets[task]):
            assert set(targets[targets >= 0]) == set(range(number))
        assert len(set(specs["classes"][task, :number])) == number
        assert (built.query_targets[task] >= 0).sum() == 2 * number
        shots = 2
        first = built.support_inputs[task][0]
        assert (built.support_targets[task][shots * number :] == PADDING).all()
        for example in built.support_inputs[task][shots * number :]:
            np.testing.assert_array_equal(example, first)
    assert [len(name.split(", ")) for name in family.names(specs)] == list(numbers)


@pytest.mark.parametrize("family", FAMILIES, indirect=True)
def test_a_task_depends_on_its_number_alone(family):
    draw = Draw(0, "test", 0)
    whole = family.sample(draw, 0, 6, (1, 2), 2)
    part = family.sample(draw, 2, 4, (1, 2), 2)
    for name, values in part.items():
        np.testing.assert_array_equal(values, whole[name][2:4])


@pytest.mark.parametrize("family", FAMILIES, indirect=True)
def test_an_evaluation_may_ask_for_another_number(family):
    specs = family.sample(Draw(0, "train", 0), 0, 3, 1, 1, ways=7)
    assert specs["classes"].shape == (3, 7)
    assert family.build(specs).support_targets.tolist() == [list(range(7))] * 3
    with pytest.raises(ValueError, match=r"a task of 99 classes, but the test split has \d+ to ch"):
        family.sample(Draw(0, "test", 0), 0, 1, 1, 1, ways=99)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.quick("protonet")
def test_a_run_with_a_range_of_ways_trains_and_says_so(
    kind, tmp_path, image_zip, image_cache, capsys, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    small = ["model.kind=mlp", "model.hidden=[4]", "outer.steps=2", "evaluation.every=2"]
    config = images(image_zip, image_cache, *KINDS[kind], *WAYS, *small)
    Path("run.toml").write_text(to_toml(config))
    code, _, err = metatrain(capsys, monkeypatch, "train", "run.toml", "--out", "run")
    assert code == 0, err
    tested = json.loads(Path("run/evaluation.json").read_text())
    protocol = tested["protocol"]
    assert (protocol["ways"], protocol["shots"]) == ("2 to 4", "1 to 2")
    assert protocol["chance"] == pytest.approx(np.mean([1 / 2, 1 / 3, 1 / 4]))
    assert Path("run/picture.png").stat().st_size > 1000
    assert tested["per_step"][1]["accuracy"] > 0


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.quick("ridge", "protonet")
def test_a_tasks_scores_have_the_same_bits_in_blocks_of_any_size(kind, image_zip, image_cache):
    config = images(image_zip, image_cache, *KINDS[kind], *WAYS)
    launched = in_process(config)
    theta = to_vector(launched.initial_state().theta) + np.float32(0.01)
    carry = to_vector(list(launched.initial_state().carry.values()))
    scores = []
    for size in (1, 2, 3):
        workers = config.workers.model_copy(update={"block_size": size})
        cut = config.model_copy(update={"workers": workers})
        blocks = held_out_blocks(cut, launched.family, "test", 6, recipe_at(cut, 0.01))
        parts = launched.pool.run(Weights(theta, carry, 0), blocks)
        scores.append(np.concatenate([part.metrics["loss"] for part in parts]))
    np.testing.assert_array_equal(scores[0], scores[1])
    np.testing.assert_array_equal(scores[0], scores[2])
    assert np.isfinite(scores[0]).all()
    # Step 0 of the closed forms: as many classes as each task has, all alike.
    if kind != "proto_maml":
        numbers = np.exp(scores[0][:, 0])
        np.testing.assert_allclose(numbers, np.round(numbers), rtol=1e-5)
        assert {2, 3, 4} >= set(np.round(numbers)) > {2}


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (
            ["algorithm.kind=maml"],
            r"^task\.ways = \[2, 4\] is a range, but algorithm\.kind = 'maml' learns a head for a "
            r"fixed number of classes; use 'protonet', 'proto_maml' or 'ridge', or give a number$",
        ),
        (["algorithm.kind=joint"], r"algorithm\.kind = 'joint' learns a head for a fixed number"),
        (["task.label_smoothing=0.1"], r"task\.label_smoothing = 0\.1 would spread over classes"),
        (["task.ways=[4,2]"], r"task\.ways = \[4, 2\]: the least comes first, then the most"),
        (["task.ways=[1,4]"], r"task\.ways\[0\] must be at least 2, got 1"),
        (["task.ways=1"], r"task\.ways must be at least 2, got 1"),
        (["task.ways=2.5"], r"task\.ways must be a whole number, got 2\.5"),
        (
            ["task.metrics={own='my:metric'}"],
            r"task\.ways = \[2, 4\] is a range, and a function of your own",
        ),
        (
            ["algorithm.kind=proto_maml", "evaluation.inner_batch=2"],
            r"evaluation\.inner_batch = 2 deals out examples, of which task\.ways = \[2, 4\] gives",
        ),
    ],
)
def test_wrong_ranges_of_ways_are_refused(overrides, message, image_zip, image_cache):
    with pytest.raises(ValueError, match=message) as refused:
        of_images(image_zip, image_cache, "evaluation.inner_steps=[1]", *overrides)
    assert "\n" not in str(refused.value)


def test_more_classes_than_a_split_has_are_refused(image_zip, image_cache):
    config = of_images(image_zip, image_cache, "task.ways=[2,99]")
    with pytest.raises(ValueError, match=r"task\.ways = \[2, 99\], but the \w+ split has \d+ cla"):
        make_family(config.task)

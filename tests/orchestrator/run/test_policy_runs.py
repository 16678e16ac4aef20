"""A policy's run, from its configuration to its scores and pictures."""

import json

import numpy as np
import pytest
from small_configs import NAVIGATION, navigation, sinusoid
from small_runs import in_process

from orchestrator.adaptation.readers.reader import Columns
from orchestrator.adaptation.readers.registry import make_reader
from orchestrator.config.schema import load
from orchestrator.evaluate import headline_metric, recipe_at, recipes
from orchestrator.records.evaluation_protocol import protocol
from orchestrator.records.metrics_log import read_metrics
from orchestrator.reporting.pictures import paths
from orchestrator.reporting.terminal import print_result
from orchestrator.run.resume import find_state
from orchestrator.run.training_run import TrainingRun
from orchestrator.storage.storage import Storage
from orchestrator.text.console import Console
from workers.tasks.registry import make_family
from workers.tasks.user_tasks import user_task_shapes
from workers.wire.protocol import Episode, Recipe


def run_in(folder, config, num_steps=None, resume=False):
    """Train, for so many steps or to the end; the run, left open."""
    storage = Storage(str(folder))
    state, _, _ = find_state(config, storage, resume, allow_changes=False)
    run = TrainingRun(config, storage, in_process(config), state)
    for progress in run.steps():
        if progress.report.step == num_steps:
            break
    return run


@pytest.fixture(scope="module")
def finished(tmp_path_factory):
    """Folder, result and theta's hash of a whole run."""
    folder = tmp_path_factory.mktemp("runs") / "run"
    run = run_in(folder, navigation())
    result = run.test()
    run.draw(result)
    run.report()
    identity = run.theta_sha256
    run.close()
    return folder, result, identity


def test_the_return_decides_and_more_of_it_is_better(finished):
    folder, result, _ = finished
    assert headline_metric(in_process(navigation()).family) == ("return", 1)
    written = json.loads((folder / "evaluation.json").read_text())
    assert (written["metric"], written["sign"]) == ("return", 1)
    validated = [row for row in read_metrics(Storage(str(folder))) if "validation_return" in row]
    assert [row["step"] for row in validated] == [2, 4]
    best = max(validated, key=lambda row: row["validation_return"])
    assert result.checkpoint == f"ckpt-{best['step']:08d}"


def test_there_is_a_return_before_and_after_each_inner_step(finished):
    _, result, _ = finished
    assert [row["inner_step"] for row in result.per_step] == [0, 1, 2]
    for row in result.per_step:
        assert set(row) == {"inner_step", "return", "return_ci95", "return_gain_ci95"}
        assert row["return"] < 0
        assert row["return_ci95"] > 0


def test_the_protocol_says_what_belongs_to_returns(finished):
    _, result, _ = finished
    told = result.protocol
    assert told["tasks_from"] == "points that must find a goal"
    assert (told["horizon"], told["later_lr"], told["baseline"]) == (7, 0.5, "linear")
    assert (told["discount"], told["gae_lambda"], told["curvature"]) == (0.99, 1.0, "dice")
    best = max(row["return"] for row in result.per_step)
    assert best < told["oracle_return"] < 0


@pytest.mark.parametrize(
    ("overrides", "told"),
    [
        ([], "adam"),
        (["outer.optimizer=trpo"], "trpo, a divergence of up to 0.01 nats"),
        (["outer.epochs=5"], "adam, 5 epochs, ratios up to 1 ± 0.2"),
        (
            ["outer.epochs=5", "outer.divergence_penalty=0.0005"],
            "adam, 5 epochs, ratios up to 1 ± 0.2, a penalty of 0.0005 a nat",
        ),
    ],
)
def test_the_protocol_says_how_the_outer_update_is_done(overrides, told):
    config = navigation(*overrides)
    chosen = {"inner_steps": 1, "inner_lr": 0.1, "candidates": []}
    found = protocol(config, make_family(config.task), chosen, [], False)
    assert found["outer_update"] == told


def test_who_knows_the_tasks_has_a_row_beside_the_policy(finished, capsys):
    folder, result, _ = finished
    best = result.protocol["oracle_return"]
    print_result(Console(), result, (1, 2))
    rows = [line.split() for line in capsys.readouterr().out.splitlines() if "oracle" in line]
    assert rows[0] == ["│", "oracle", "│", f"{best:.4f}", "│"]
    assert f'<td class="number">{best:g}</td>' in (folder / "report.html").read_text()


def test_what_adaptation_is_worth_is_told_with_an_interval(finished, capsys):
    _, result, _ = finished
    gain, interval = result.gain
    print_result(Console(width=200), result, (1, 2))
    how = f"return is {'better' if gain > 0 else 'worse'} by {abs(gain):.4f} ± {interval:.4f} after"
    assert f"{how} {result.inner_steps} inner step" in capsys.readouterr().out


def test_a_row_of_a_step_has_the_return_after_adaptation(finished):
    folder, *_ = finished
    for row in read_metrics(Storage(str(folder))):
        assert row["return"] == pytest.approx(-row["loss_after"], rel=1e-5)
        assert "kl" not in row


def test_its_page_and_its_pictures_are_written(finished):
    folder, *_ = finished
    assert (folder / "picture.png").read_bytes().startswith(b"\x89PNG")
    assert len(list((folder / "pictures").iterdir())) == 3
    assert "validation return" in (folder / "report.html").read_text().lower()


def test_a_run_that_was_interrupted_ends_with_the_same_weights(finished, tmp_path):
    *_, identity = finished
    run = run_in(tmp_path / "run", navigation(), num_steps=3)
    run.save()
    run.close()
    run = run_in(tmp_path / "run", navigation(), resume=True)
    assert run.first_step == 3
    assert run.theta_sha256 == identity
    run.close()


def test_how_policies_are_evaluated_stands_in_the_recipe():
    config = navigation("evaluation.shots=9", "evaluation.queries=8", "evaluation.inner_lr=[0.1]")
    assert recipes(config) == [Recipe(0.1, 2, later_lr=0.5, shots=9, queries=8)]
    assert recipe_at(sinusoid("evaluation.shots=9"), 0.1) == Recipe(0.1, 3, outputs_after=(1, 3))


def test_the_rate_after_the_first_step_is_that_of_training_unless_said_otherwise():
    def later_lr(*changes):
        return recipe_at(load({**NAVIGATION, "evaluation": {"tasks": 2}}, changes)[0], 0.1).later_lr

    assert later_lr() == 1
    assert later_lr("algorithm.later_lr=0.25") == 0.25
    assert later_lr("algorithm.later_lr=0.25", "evaluation.later_lr=0.5") == 0.5


@pytest.mark.parametrize(
    ("override", "told"),
    [
        ("model.kind=conv4", "cannot be a policy"),
        ("model.normalization=batch", "depend on other episodes"),
        ("evaluation.inner_batch=2", "evaluation.inner_batch = 2"),
        ("task.horizon=0", "task.horizon"),
        ("task.discount=1.5", "task.discount"),
    ],
)
def test_what_a_policy_cannot_have_is_refused(override, told):
    with pytest.raises(ValueError, match=told):
        navigation(override)


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        (["outer.optimizer=trpo", "outer.clip_norm=1"], r"outer\.clip_norm = 1\.0 is not for"),
        (["outer.optimizer=trpo", "outer.schedule=cosine"], "unset it, or use 'constant'"),
        (["outer.optimizer=trpo", "runtime.non_finite=skip"], "looks at all of them again"),
        (["outer.epochs=2", "runtime.non_finite=skip"], r"outer\.epochs = 2 looks at all"),
        (["outer.divergence_penalty=0.5"], r"outer\.divergence_penalty = 0\.5 is for policies"),
    ],
)
def test_what_updates_of_several_rounds_cannot_have_is_refused(changes, told):
    with pytest.raises(ValueError, match=told):
        navigation(*changes)


@pytest.mark.parametrize("learned", ["algorithm.kind=meta_sgd", "algorithm.layer_rates=true"])
@pytest.mark.parametrize("section", ["algorithm", "evaluation"])
def test_learned_rates_are_not_multiplied(section, learned):
    with pytest.raises(ValueError, match=rf"{section}.later_lr = 0\.5 multiplies a rate"):
        load({**NAVIGATION, "evaluation": {}}, [learned, f"{section}.later_lr=0.5"])


def test_a_reptile_on_batches_is_refused():
    with pytest.raises(ValueError, match=r"algorithm\.inner_batch = 2"):
        navigation("algorithm.kind=reptile", "algorithm.inner_batch=2")


@pytest.mark.parametrize(
    ("override", "told"),
    [
        ("model.kind=gaussian_mlp", "is a policy"),
        ("evaluation.later_lr=0.5", "is for policies"),
        ("algorithm.later_lr=0.5", "is for policies"),
    ],
)
def test_what_only_a_policy_can_have_is_refused_elsewhere(override, told):
    with pytest.raises(ValueError, match=told):
        sinusoid(override)


def test_a_policy_is_given_no_examples():
    config = navigation()
    family = in_process(config).family
    reader = make_reader(config.task, user_task_shapes(family))
    for give in (lambda: reader.inputs([0.0]), lambda: reader.read("a", "support", Columns())):
        with pytest.raises(ValueError, match="and takes no examples"):
            give()


def test_the_preset_is_finns_protocol():
    config, _ = load("navigation")
    assert (config.task.shots, config.task.horizon, config.outer.meta_batch_size) == (20, 100, 20)
    assert (config.evaluation.tasks, config.evaluation.inner_steps) == (40, (1, 2, 3))


def test_the_ways_of_a_point_are_drawn_for_each_task():
    where = np.zeros((2, 4, 3, 5, 2))
    where[0, 0, :, 3:] = np.nan
    goals = np.float32([[[0.3, 0.4]], [[0.9, 0.0]]])
    nothing = np.zeros((2, 0, 2))
    figure = paths.draw(Episode(nothing, nothing, goals, goals), where, [1, 3], "name")
    assert len(figure.axes) == 2
    # Three episodes before, after one step and after three, the start and the goal.
    assert [len(axes.get_lines()) for axes in figure.axes] == [3 * 3 + 2] * 2
    assert figure.axes[1].get_xlim()[1] > 0.9
    assert [text.get_text() for text in figure.legends[0].get_texts()] == [
        "goal",
        "start",
        "before",
        "1 step",
        "3 steps",
    ]

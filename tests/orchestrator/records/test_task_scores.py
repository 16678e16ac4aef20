import numpy as np
import pytest
from small_configs import images, sinusoid
from small_results import result, run_with
from small_runs import in_process

from orchestrator.evaluate import blocks_of, recipe_at, score_tasks, summarize
from orchestrator.records.task_scores import TASK_SCORES_FILE, TaskScores, read_task_scores
from orchestrator.reporting.page.findings import findings
from orchestrator.reporting.page.page import page_of
from orchestrator.reporting.page.task_spread import draw, worst, worst_line
from orchestrator.storage.storage import Storage


def scores(names="aabc", after=(1.0, 3.0, 0.5, 9.0), **columns):
    values = {"loss_before": [4.0] * len(names), "loss_after": list(after), **columns}
    return TaskScores(list(names), {name: np.array(each) for name, each in values.items()})


def measured(config):
    """Each test task of an untrained model, and the means over them."""
    launch = in_process(config)
    blocks = blocks_of(config, launch.family, "test", recipe_at(config, 0.05))
    values = score_tasks(launch.pool, launch.initial_state().weights, blocks)
    return launch.family, blocks, values


def test_the_scores_of_single_tasks_have_the_mean_that_is_shown():
    family, blocks, values = measured(sinusoid("evaluation.inner_steps=[1,2]"))
    loaded = TaskScores.of(family, blocks, values, 1)
    means = summarize(values)
    assert loaded.columns["loss_before"].mean() == pytest.approx(means[0]["loss"])
    assert loaded.columns["loss_after"].mean() == pytest.approx(means[1]["loss"])
    assert len(loaded.names) == len(set(loaded.names)) == len(values["loss"])


def test_what_is_unexplained_is_the_loss_over_the_variance_of_the_tasks_targets():
    family, blocks, values = measured(sinusoid())
    loaded = TaskScores.of(family, blocks, values, 1)
    episode = family.build(blocks[0].specs)
    targets = np.concatenate([episode.support_targets[0], episode.query_targets[0]])
    expected = values["loss"][0, 1] / np.var(targets.astype(np.float64))
    assert loaded.columns["unexplained"][0] == pytest.approx(expected)


def test_tasks_of_classes_have_their_classes_names_and_no_variance(image_zip, image_cache):
    family, blocks, values = measured(images(image_zip, image_cache))
    loaded = TaskScores.of(family, blocks, values, 1)
    assert set(loaded.columns) == {
        "loss_before", "loss_after", "accuracy_before", "accuracy_after"
    }  # fmt: skip
    first = blocks[0].specs["classes"][0]
    assert loaded.names[0].split(", ")[0].startswith(family._images.class_names[first[0]])


def test_they_are_written_and_read_again_also_where_they_are_not_finite(tmp_path):
    storage = Storage(str(tmp_path))
    assert read_task_scores(storage) is None
    example = scores(names=["$a", "<b>", "", "é"], after=(np.nan, np.inf, -np.inf, 1.5))
    example.write(storage)
    loaded = read_task_scores(storage)
    assert list(loaded.names) == list(example.names)
    for name, values in example.columns.items():
        np.testing.assert_array_equal(loaded.columns[name], values)


@pytest.mark.parametrize("content", [b"", b"PAR1", b"no table"])
def test_what_is_no_table_is_refused_and_named(tmp_path, content):
    (tmp_path / TASK_SCORES_FILE).write_bytes(content)
    with pytest.raises(ValueError, match=r"tasks\.parquet is not what a run writes"):
        read_task_scores(Storage(str(tmp_path)))


def test_the_worst_come_first_and_one_that_was_drawn_twice_counts_by_its_mean():
    rows = worst(scores(), "loss", -1)
    assert [(row["task"], row["after"], row["drawn"]) for row in rows] == [
        ("c", "9", "1"), ("a", "2", "2"), ("b", "0.5", "1")
    ]  # fmt: skip
    assert worst_line(scores(), "loss", -1) == (
        "worst tasks by loss: c: 9; a: 2; b: 0.5 (median 2)"
    )
    assert worst(scores(after=(1, 3, np.nan, 9)), "loss", -1)[0]["task"] == "b"


def test_of_accuracies_the_lowest_are_the_worst():
    columns = {"accuracy_before": [0.2] * 3, "accuracy_after": [0.9, 0.4, 1.0]}
    example = TaskScores(["x", "y", "z"], {n: np.array(v) for n, v in columns.items()})
    assert [row["task"] for row in worst(example, "accuracy", 1)] == ["y", "x", "z"]


def test_a_histogram_is_of_all_finite_scores_and_of_none_if_all_are_the_same():
    figure = draw(scores(after=(1.0, 3.0, np.nan, 9.0)), "loss")
    assert sum(bar.get_height() for bar in figure.axes[0].patches) == 3
    assert draw(scores(after=(1.0,) * 4), "loss") is None


def test_useless_tasks_are_told_and_other_units_are_named_as_the_cause():
    """b varies a million times less than the others, and its mean is no worse than a guess."""
    example = scores(after=(1.0, 1.0, 1e-6, 1.0), unexplained=[0.01, 0.01, 2.0, 0.01])
    (told,) = [
        finding
        for finding in findings(run_with(task_scores=example, result=result(2.0, 1.0)))
        if "own mean" in finding.text
    ]
    assert told.kind == "warning"
    assert told.text == (
        "In 1 test task of 3 the predictions are no better than the task's own mean, b among them; "
        "their targets vary far less than those of the others, as values in other units do: for "
        "tables try task.target_scaling=per_task."
    )
    near = scores(after=(1.0, 1.0, 2.0, 1.0), unexplained=[0.9, 0.9, 2.0, 0.9])
    (told,) = [
        f.text for f in findings(run_with(task_scores=near)) if "own mean" in f.text
    ]  # fmt: skip
    assert "units" not in told


def test_a_page_shows_the_worst_tasks_by_name():
    example = scores(names=["<one>", "two", "three", "four"])
    page = page_of(run_with(task_scores=example)).decode()
    assert "Worst test tasks" in page
    assert "&lt;one&gt;" in page
    assert "Test tasks by loss after adaptation" in page
    assert "Worst test tasks" not in page_of(run_with()).decode()

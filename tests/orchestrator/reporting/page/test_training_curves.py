import numpy as np

from orchestrator.reporting.page.training_curves import (
    cumulated,
    draw_incidents,
    draw_metric,
    metrics_of,
)


def rows_of(number, **columns):
    """Make rows 1 .. number; a column is a constant, or a function of the step."""
    return [
        {"step": i, **{name: c(i) if callable(c) else c for name, c in columns.items()}}
        for i in range(1, number + 1)
    ]


def test_curves_are_means_of_equally_many_steps_and_all_validations():
    rows = rows_of(3000, loss_before=2.0, loss_after=float, accuracy=0.5)
    rows[999]["validation_accuracy"] = 0.75
    (losses,), (accuracy,) = (draw_metric(rows, name).axes for name in ("loss", "accuracy"))
    after = losses.get_lines()[1]
    assert len(after.get_xdata()) == 150
    assert after.get_ydata()[0] == 10.5  # of 1 to 20
    assert [line.get_label() for line in losses.get_lines()] == [
        "before (support)",
        "after (query)",
    ]
    dots = accuracy.get_lines()[-1]
    assert (list(dots.get_xdata()), list(dots.get_ydata())) == ([1000], [0.75])


def test_what_a_new_family_measures_has_a_curve_of_its_own():
    rows = rows_of(3, loss_before=1.0, loss_after=1.0, perplexity=9.0, tasks_per_s=1, seconds=1)
    rows[2]["validation_perplexity"] = 8.0
    assert metrics_of(rows) == ["loss", "perplexity"]
    (axes,) = draw_metric(rows, "perplexity").axes
    assert axes.get_ylabel() == "perplexity"
    assert [list(line.get_ydata()) for line in axes.get_lines()] == [[9, 9, 9], [8]]


def test_losses_that_have_no_logarithm_are_drawn_as_they_are():
    for values in (lambda i: i - 2.0, lambda i: float("nan")):
        (axes,) = draw_metric(rows_of(4, loss_before=values, loss_after=values), "loss").axes
        assert axes.get_yscale() == "linear"


def test_counts_go_on_where_a_run_was_opened_again():
    counts = [0, 1, 3, 3, 0, 1, 1]  # the fifth step is the first one after a resume
    rows = [{"step": i, "replaced_actors": n} for i, n in enumerate(counts, start=1)]
    assert list(cumulated(rows, "replaced_actors")) == [0, 1, 3, 3, 3, 4, 4]
    assert list(cumulated(rows, "retried_calls")) == [0] * 7


def test_a_count_that_is_higher_right_after_a_resume_is_new():
    rows = [{"step": 1, "retried_calls": 2}, {"step": 2, "retried_calls": 1}]
    assert list(cumulated(rows, "retried_calls")) == [2, 3]


def test_skipped_tasks_are_added_up():
    rows = [{"step": i, "skipped_tasks": n} for i, n in enumerate([1, 0, 2, 2], start=1)]
    assert list(cumulated(rows, "skipped_tasks")) == [1, 1, 3, 5]


def test_only_what_happened_has_a_curve():
    rows = rows_of(1000, replaced_actors=lambda i: i // 500, retried_calls=0, skipped_tasks=0)
    (axes,) = draw_incidents(rows).axes
    (line,) = axes.get_lines()
    assert line.get_label() == "replaced actors"
    assert line.get_ydata()[-1] == 2
    assert len(line.get_ydata()) <= 150
    assert draw_incidents(rows_of(5, replaced_actors=0)) is None
    assert np.all(np.diff(line.get_ydata()) >= 0)

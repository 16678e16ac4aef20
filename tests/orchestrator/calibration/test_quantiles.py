"""Conformal quantiles over tasks: the formula by hand, and the coverage that it promises."""

import numpy as np
import pytest

from orchestrator.calibration.quantiles import (
    LEVELS,
    conformal_quantiles,
    p_value,
    threshold,
    weights_of,
)


def test_with_one_query_a_task_it_is_the_usual_conformal_quantile():
    scores = np.random.default_rng(0).permutation(19.0 + np.arange(19))[:, None]
    # The ceil((19 + 1) level)-th smallest of 19 scores, from 19 on.
    assert conformal_quantiles(scores, [0.5, 0.9, 0.95, 0.96]).tolist() == [28, 36, 37, np.inf]


def test_a_task_weighs_as_much_as_another_whatever_its_queries():
    scores = [[1.0, np.nan, np.nan, np.nan], [2.0, 3.0, 4.0, 5.0]]
    # Weights of 3 tasks: 1/3 for 1, 1/12 for each of 2 to 5, and 1/3 for the further task.
    levels = [0.3, 1 / 3, 0.34, 0.5, 2 / 3, 0.67]
    assert conformal_quantiles(scores, levels).tolist() == [1, 1, 2, 3, 5, np.inf]


@pytest.mark.parametrize("number", [8, 9])
def test_below_nine_tasks_nothing_holds_nine_in_ten(number):
    limit = conformal_quantiles(np.arange(5.0 * number).reshape(number, 5), [0.9])[0]
    assert limit == (np.inf if number == 8 else 44)


def test_no_scores_give_no_threshold():
    assert conformal_quantiles(np.zeros((0, 3)), [0.5]).tolist() == [np.inf]


def test_a_coverage_in_between_has_the_threshold_of_the_next():
    table = list(range(len(LEVELS)))
    assert threshold(table, 0.5) == 0
    assert threshold(table, 0.9) == LEVELS.index(0.9) == threshold(table, 0.895)
    assert threshold(table, 0.901) == LEVELS.index(0.91)
    assert threshold(table[:10], 0.9) == float("inf")


@pytest.mark.parametrize("coverage", [0.0, 0.49, 0.9999, 1.0, float("nan")])
def test_a_coverage_out_of_range_is_refused(coverage):
    with pytest.raises(ValueError, match=r"from 0\.5 to 0\.999"):
        threshold([1.0], coverage)


def test_weights_are_equal_for_tasks_and_add_to_one():
    weights = weights_of(np.array([[1.0, np.nan], [2.0, 3.0]]))
    assert weights.tolist() == [[0.5, 0.0], [0.25, 0.25]]


def test_exchangeable_tasks_are_covered_at_least_as_asked_and_hardly_more():
    """A task has its own level, so that its queries depend on each other."""
    rng = np.random.default_rng(1)
    number, queries, repeats, asked = 39, 6, 4000, 0.8
    level = rng.exponential(size=(repeats, number + 1, 1))
    scores = level * rng.exponential(size=(repeats, number + 1, queries))
    limits = [conformal_quantiles(each[:number], [asked])[0] for each in scores]
    reached = (scores[:, number] <= np.array(limits)[:, None]).mean()
    error = 3 * np.sqrt(asked * (1 - asked) / repeats)
    # Never below; above by at most a task's weight, 1 / 40, as of continuous scores.
    assert asked - error < reached < asked + 1 / (number + 1) + error


def test_as_one_large_sample_they_would_not_be():
    """Without the further task's weight few tasks promise too much."""
    rng = np.random.default_rng(2)
    scores = rng.exponential(size=(4000, 5, 1)) + np.zeros((4000, 5, 50))
    ours, pooled = [], []
    for each in scores:
        ours.append((each[4] <= conformal_quantiles(each[:4], [0.75])[0]).mean())
        pooled.append((each[4] <= np.quantile(each[:4], 0.75)).mean())
    assert np.mean(pooled) < 0.7
    assert np.mean(ours) + 0.02 >= 0.75


def test_p_values_count_what_is_as_far():
    assert p_value(3.0, [1.0, 2.0, 3.0, 4.0]) == 3 / 5
    assert p_value(9.0, [1.0, 2.0]) == 1 / 3
    assert p_value(9.0, []) == 1.0

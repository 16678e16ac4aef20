"""The values that are sent in place of vectors that stay on an actor."""

from dataclasses import replace

import numpy as np
import pytest

from workers.wire.protocol import Contribution
from workers.wire.remote_contribution import digest, split_vectors


def contribution(**changed):
    usual = {
        "index": 4,
        "num_tasks": 3,
        "gradient": np.arange(5, dtype=np.float32),
        "carry": np.full(2, 0.5, np.float32),
        "metrics": {"loss_before": np.float64(2.0), "loss_after": np.float64(1.0)},
        "seconds": 0.1,
        "num_blocks": 2,
    }
    return Contribution(**usual | changed)


def test_what_is_kept_and_what_travels_make_the_whole_again():
    whole = contribution()
    vectors, remote = split_vectors(whole)
    assert remote.contribution.gradient.size == remote.contribution.carry.size == 0
    assert remote.array_specs == [("<f4", (5,)), ("<f4", (2,))]
    assert remote.finite
    assert remote.digest == digest(whole) == digest(remote.with_vectors(vectors))


@pytest.mark.parametrize("name", ["gradient", "carry"])
def test_a_vector_that_is_not_finite_is_said(name):
    wrong = np.array([1.0, np.inf], np.float32)
    assert not split_vectors(contribution(**{name: wrong}))[1].finite


@pytest.mark.parametrize(
    "changed",
    [
        {"index": 6},
        {"num_tasks": 2},
        {"num_blocks": 1},
        {"gradient": np.array([0, 1, 2, 3, 5], np.float32)},
        {"gradient": np.arange(5, dtype=np.float64)},
        {"carry": np.full(2, 0.25, np.float32)},
        {"metrics": {"loss_before": np.float64(2.0), "loss_after": np.float64(1.5)}},
        {"metrics": {"loss_before": np.float64(2.0), "accuracy": np.float64(1.0)}},
    ],
    ids=str,
)
def test_the_digest_is_of_all_that_a_run_takes(changed):
    assert digest(contribution(**changed)) != digest(contribution())


def test_the_digest_does_not_depend_on_who_ran_the_block_and_for_how_long():
    whole = contribution()
    other = replace(whole, seconds=9.0, metrics=dict(reversed(whole.metrics.items())))
    assert digest(other) == digest(whole)

"""The functions of a LiteRT file: what of them cannot be traced is left out."""

import numpy as np
import pytest
import small_losses
import tensorflow as tf

from workers.export.adaptation_functions import _scoring
from workers.export.signatures import SCORE
from workers.losses.registry import make_loss
from workers.losses.scoring import Scorer
from workers.settings.losses.loss_settings import LossSettings

NUMBERS = tf.TensorSpec([None, 2], tf.float32)
OUTPUTS, TARGETS = np.eye(2, dtype=np.float32), np.zeros((2, 2), np.float32)


def scorer_with(metric):
    """Of squared errors, with a metric of the user's own."""
    metrics = {"own": f"small_losses:{metric}"}
    folder = str(small_losses.__file__).rpartition("/")[0]
    return Scorer(make_loss("mse", LossSettings(metrics=metrics, folder=folder)))


def test_scores_are_left_out_if_a_metric_needs_the_number_of_queries():
    """The run's own scores have it; it is no reason to refuse the file."""
    scorer = scorer_with("of_a_known_number")
    assert _scoring(scorer, NUMBERS, NUMBERS) == {}
    assert scorer.score(OUTPUTS[None], TARGETS)["own"] == pytest.approx(0.5)


def test_scores_of_any_number_of_queries_are_traced():
    score = _scoring(scorer_with("absolute"), NUMBERS, NUMBERS)[SCORE]
    values = score(outputs=tf.constant(OUTPUTS), targets=tf.constant(TARGETS))["scores"]
    np.testing.assert_allclose(values[-1], 0.5)


def test_a_fault_of_our_own_losses_is_raised():
    with pytest.raises(ValueError, match="Dimensions must be equal"):
        _scoring(Scorer(make_loss("mse")), NUMBERS, tf.TensorSpec([None, 3], tf.float32))

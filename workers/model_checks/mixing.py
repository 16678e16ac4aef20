"""Whether what a user's model answers for an example depends on others in its batch."""

import numpy as np
import tensorflow as tf

from workers.model_checks.random_inputs import random_inputs
from workers.models.functional import FunctionalModel
from workers.models.user_model import KerasModel
from workers.tasks.family import TaskFamily


def check_features(user: KerasModel, features: FunctionalModel, family: TaskFamily) -> None:
    """Refuse features of a query that depend on other queries, in another way than is known of."""
    inputs = random_inputs(family.input_shape, family.num_tokens, 6)
    weights = [tf.constant(value) for value in features.initial_weights()]
    statistics = [tf.constant(value) for value in features.initial_statistics()]
    state = features.start(statistics, tf.zeros(2, tf.int32))
    support = tf.constant([True, True, False, False, False, False])

    def of_first_query(number: int) -> tf.Tensor:
        seen = support[:number] if user.statistics == "support" else None
        return features.apply(weights, state, inputs[:number], training=False, real=seen)[0][2]

    if not np.allclose(of_first_query(6), of_first_query(3), rtol=1e-3, atol=1e-4):
        raise ValueError(
            f"model.source = {user.source!r} normalizes examples by others in a layer of its own, "
            "and then a query's features depend on other queries; use a layer of Keras, or layer "
            "or group normalization"
        )


def mixes_examples(functional: FunctionalModel, family: TaskFamily) -> bool:
    """Tell whether the prediction for an example depends on the others in its batch."""
    inputs = random_inputs(family.input_shape, family.num_tokens, 6)
    weights = [tf.constant(value) for value in functional.initial_weights()]
    statistics = [tf.constant(value) for value in functional.initial_statistics()]
    state = functional.start(statistics, tf.zeros(2, tf.int32))
    together, alone = (
        functional.apply(weights, state, part, training=False)[0][:1]
        for part in (inputs, inputs[:1])
    )
    return not np.allclose(together, alone, rtol=1e-3, atol=1e-4)

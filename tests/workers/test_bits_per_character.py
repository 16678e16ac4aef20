import numpy as np
import tensorflow as tf

from workers.bits_per_character import bits_of_texts, mean_bits
from workers.losses.next_token import next_token


def test_bits_are_the_loss_text_by_text():
    rng = np.random.default_rng(0)
    logits = 50 * rng.normal(size=(2, 3, 5, 4)).astype(np.float32)
    targets = np.array([[0, 1, 2, 3, -1], [3, -1, -1, -1, -1], [1, 1, 1, 1, 1]], np.int32)
    bits = bits_of_texts(logits, targets)
    assert bits.shape == (2, 3)
    for row in range(3):
        expected = next_token(tf.constant(logits[0, row : row + 1]), targets[row : row + 1])
        np.testing.assert_allclose(bits[0, row] * np.log(2), expected, rtol=1e-5)
    whole = [float(next_token(tf.constant(outputs), targets)) for outputs in logits]
    np.testing.assert_allclose(mean_bits(bits, targets) * np.log(2), whole, rtol=1e-5)


def test_even_chances_among_four_are_two_bits():
    assert bits_of_texts(np.zeros((1, 2, 4)), np.zeros((1, 2), int)).tolist() == [2.0]

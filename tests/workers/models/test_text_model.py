import keras
import numpy as np
import pytest
import tensorflow as tf

from workers.export.plain_keras import plain
from workers.heads.embedding import embedding_of
from workers.model_checks.second_derivative import Verdict, check_second_derivative
from workers.models.registry import make_model
from workers.models.text import TextModel

NUM_TOKENS = 30
CLASSIFIES, MATCHES = (6,), (4, 6)


def make(input_shape=CLASSIFIES, **changes):
    settings = TextModel(units=8, **changes)
    return make_model(settings, input_shape, 3, 0, NUM_TOKENS)


def answer(model, ids):
    theta = [tf.constant(w) for w in model.initial_weights()]
    return model.apply(theta, [], tf.constant(ids, tf.int32))[0].numpy()


def trained(model):
    """Attention that differs between tokens, as training makes it."""
    rng = np.random.default_rng(0)
    weights = [
        w + 0.3 * rng.normal(size=w.shape).astype(np.float32) for w in model.initial_weights()
    ]
    model.assign([tf.constant(w) for w in weights], [])
    return model


def test_what_is_no_token_does_not_count():
    model = trained(make())
    short, padded = [3, 7, 9, 0, 0, 0], [3, 7, 9]
    wide = answer(model, [short])[0]
    narrow = trained(make((3,)))
    np.testing.assert_allclose(answer(narrow, [padded])[0], wide, rtol=1e-5, atol=1e-6)


def test_the_order_of_tokens_does_not_count_without_a_convolution():
    model = trained(make())
    one, other = answer(model, [[3, 7, 9, 1, 0, 0], [9, 1, 3, 7, 0, 0]])
    np.testing.assert_allclose(one, other, rtol=1e-5, atol=1e-6)
    mixed = trained(make(mixer="convolution", width=3))
    one, other = answer(mixed, [[3, 7, 9, 1, 0, 0], [9, 1, 3, 7, 0, 0]])
    assert not np.allclose(one, other, rtol=1e-2)


def test_at_first_a_similarity_is_the_cosine_of_mean_embeddings_and_that_of_rare_tokens():
    model = make(MATCHES, lexical=2.0, semantic=3.0)
    ids = np.array(
        [[[1, 2, 0, 0, 0, 0], [3, 0, 0, 0, 0, 0], [1, 2, 0, 0, 0, 0], [2, 0, 0, 0, 0, 0]]]
    )
    table = model.initial_weights()[model.names.index("embedding/embeddings")]
    mean = [np.mean(table[[i for i in row if i]], axis=0) for row in ids[0]]
    unit = [vector / np.linalg.norm(vector) for vector in mean]
    rarity = np.log1p(np.arange(NUM_TOKENS))
    terms = np.zeros((4, NUM_TOKENS))
    for text, row in enumerate(ids[0]):
        terms[text, row] = rarity[row]
    terms /= np.linalg.norm(terms, axis=1, keepdims=True)
    expected = [9 * unit[0] @ unit[i] + 4 * terms[0] @ terms[i] for i in (1, 2, 3)]
    np.testing.assert_allclose(answer(model, ids)[0], expected, rtol=1e-3)
    assert answer(model, ids)[0].argmax() == 1


def test_candidates_in_another_order_have_the_same_similarities():
    model = trained(make(MATCHES))
    ids = np.random.default_rng(1).integers(1, NUM_TOKENS, (1, *MATCHES))
    turned = ids[:, [0, 2, 3, 1]]
    np.testing.assert_allclose(
        answer(model, turned)[0], answer(model, ids)[0][[1, 2, 0]], rtol=1e-4
    )


@pytest.mark.parametrize("shape", [CLASSIFIES, MATCHES])
@pytest.mark.parametrize("mixer", ["none", "convolution"])
@pytest.mark.quick("convolution-shape0")
def test_its_second_derivative_is_right(shape, mixer):
    model = make(shape, mixer=mixer)
    verdict = check_second_derivative(model.keras_model, shape, True, NUM_TOKENS)
    assert verdict == Verdict()


def test_plain_keras_loads_it(tmp_path):
    model = trained(make(MATCHES))
    plain(model.keras_model).save(tmp_path / "text.keras")
    ids = np.random.default_rng(1).integers(1, NUM_TOKENS, (2, *MATCHES))
    loaded = keras.saving.load_model(tmp_path / "text.keras")
    np.testing.assert_allclose(loaded(ids), answer(model, ids), rtol=1e-5)


def test_anil_adapts_the_head_or_the_similarity_alone():
    adapts = {
        shape: [n for n, head in zip(make(shape).names, make(shape).is_head, strict=True) if head]
        for shape in (CLASSIFIES, MATCHES)
    }
    assert adapts[CLASSIFIES] == ["lexical_head/embeddings", "head/kernel", "head/bias"]
    assert adapts[MATCHES] == ["lexical_head/embeddings", "head/kernel"]


def test_the_head_for_classes_is_a_linear_one_on_its_features():
    model = trained(make(lexical=2.5))
    features = embedding_of(TextModel(units=8, lexical=2.5), model)
    ids = np.random.default_rng(3).integers(0, NUM_TOKENS, (5, *CLASSIFIES))
    vectors = answer(features, ids)
    assert vectors.shape == (5, NUM_TOKENS + 8)
    weights = dict(zip(model.names, model.initial_weights(), strict=True))
    table, kernel = weights["lexical_head/embeddings"], weights["head/kernel"]
    expected = vectors @ np.concatenate([table, kernel]) + weights["head/bias"]
    np.testing.assert_allclose(answer(model, ids), expected, rtol=1e-5, atol=1e-6)
    assert features.names == [name for name in model.names if "head/" not in name]

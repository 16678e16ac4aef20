import numpy as np
import pytest

from workers.export.text_sampling import Sampler, SamplingOptions
from workers.models.registry import make_model
from workers.models.transformer import TransformerModel
from workers.tasks.text.characters import END, UNKNOWN, Characters
from workers.wire.protocol import Adapted
from workers.wire.tensors import to_vector

LENGTH = 8


@pytest.fixture(scope="module")
def made():
    """A sampler of an untrained model over the letters a to f, and its weights."""

    def made(ends=True):
        characters = Characters("characters", list("abcdef"), LENGTH, ends)
        settings = TransformerModel(layers=1, width=8, heads=2)
        model = make_model(settings, (LENGTH,), characters.number, 0, characters.number)
        weights = Adapted(to_vector(model.initial_weights()), np.zeros(0, np.float32))
        return Sampler(model, {"characters": characters.as_dict()}), weights

    return made


@pytest.fixture
def drawn(made):
    """The sampler's draws from given logits, independent of the model."""
    sampler, _ = made()

    def drawn(logits, number=500, **options):
        rng = np.random.default_rng(0)
        scores = np.asarray(logits, np.float32)
        return [sampler._draw(scores, SamplingOptions(**options), rng) for _ in range(number)]

    return drawn


def test_the_same_seed_says_the_same_and_another_does_not(made):
    sampler, weights = made()
    texts = sampler.generate(weights, 6, SamplingOptions(seed=1))
    assert texts == sampler.generate(weights, 6, SamplingOptions(seed=1))
    assert texts[:3] == sampler.generate(weights, 3, SamplingOptions(seed=1))
    assert texts != sampler.generate(weights, 6, SamplingOptions(seed=2))
    assert len(set(texts)) > 3


def test_texts_begin_with_the_prompt_and_are_no_longer_than_the_model(made):
    sampler, weights = made()
    texts = sampler.generate(weights, 30, SamplingOptions(), "fab")
    assert all(text.startswith("fab") and len(text) <= LENGTH - 1 for text in texts)
    assert max(map(len, texts)) == LENGTH - 1
    assert set("".join(texts)) <= set("abcdef")


def test_windows_go_on_to_the_models_length(made):
    sampler, weights = made(ends=False)
    assert {len(text) for text in sampler.generate(weights, 10, SamplingOptions())} == {LENGTH}


def test_a_text_is_drawn_as_the_model_foresees_it_token_by_token(made):
    """At temperature 0 each token is the model's likeliest one after those before it."""
    sampler, weights = made(ends=False)
    (text,) = sampler.generate(weights, 1, SamplingOptions(temperature=0), "b")
    ids = np.zeros((1, LENGTH), np.int32)
    for place, letter in enumerate(text):
        logits = sampler._logits(weights.theta, weights.statistics, ids, place).numpy()[0]
        logits[[END, UNKNOWN]] = -np.inf
        if place:
            assert letter == "abcdef"[logits.argmax() - 2]
        if place + 1 < LENGTH:
            ids[0, place + 1] = 2 + "abcdef".index(letter)


def test_what_is_unknown_is_never_said(drawn):
    assert UNKNOWN not in drawn([0, 50, 0, 0, 0, 0, 0, 0])


def test_top_k_draws_among_the_likeliest(drawn):
    logits = [0, 0, 3, 2.5, 2, 1, 0, -1]
    assert set(drawn(logits, top_k=2)) == {2, 3}
    assert set(drawn(logits, top_k=1)) == {2}
    assert set(drawn(logits, temperature=0)) == {2}
    assert len(set(drawn(logits, top_k=100))) > 4


def test_tokens_are_drawn_as_often_as_their_probability_at_the_temperature(drawn):
    logits = np.array([-9, -9, 1.0, 0, -9, -9, -9, -9])
    for temperature in (0.5, 1.0, 2.0):
        share = np.mean(np.array(drawn(logits, 4000, temperature=temperature)) == 2)
        assert share == pytest.approx(1 / (1 + np.exp(-1 / temperature)), abs=0.03)


@pytest.mark.parametrize(
    ("wrong", "match"),
    [
        ({"temperature": -1.0}, r"temperature = -1; 0 or more"),
        ({"temperature": float("nan")}, "temperature = nan"),
        ({"top_k": 0}, r"top_k = 0; 1 or more"),
        ({"seed": -1}, "seed = -1"),
    ],
)
def test_what_nothing_can_be_drawn_by_is_refused(wrong, match):
    with pytest.raises(ValueError, match=match):
        SamplingOptions(**wrong)


def test_a_prompt_without_room_and_no_text_at_all_are_refused(made):
    sampler, weights = made()
    with pytest.raises(ValueError, match=r"the prompt has 7 characters, the model takes 7 in all"):
        sampler.generate(weights, 1, SamplingOptions(), "abcdefa")
    for number in (0, 1.5):
        with pytest.raises(ValueError, match=rf"{number} texts to generate; 1, 2, ... are allowed"):
            sampler.generate(weights, number, SamplingOptions())

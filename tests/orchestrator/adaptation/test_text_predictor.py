import keras
import numpy as np
import pytest
import small_voices
from small_configs import ONE_BY_ONE, sinusoid
from small_learners import FIRST_ORDER, episode_of, outputs_in_evaluation, run_of

from orchestrator.adaptation import artefact
from orchestrator.cli import export_command
from orchestrator.learner import Learner
from workers.bits_per_character import bits_of_texts
from workers.tasks.text.characters import Characters

pytestmark = pytest.mark.usefixtures("shared_runners")

KINDS = {
    "maml": [],
    "maml, second order": ["algorithm.first_order=false"],
    "reptile": ["algorithm.kind=reptile", "algorithm.inner_lr=0.1"],
    "anil": ["algorithm.kind=anil"],
    "meta-sgd, adapters": ["algorithm.kind=meta_sgd", "model.adapter_rank=2"],
    "joint": ["algorithm.kind=joint"],
    "maml, tied, bytes": ["model.output=tied", "task.tokens=bytes"],
}


def voices(*overrides):
    order = (
        [] if {*overrides} & {"algorithm.kind=reptile", "algorithm.kind=joint"} else [FIRST_ORDER]
    )
    return small_voices.voices(*ONE_BY_ONE, "outer.steps=4", *order, *overrides)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.quick("maml")
def test_a_learner_adapts_as_the_evaluation_of_its_run_does(kind):
    config = voices(*KINDS[kind])
    learner, source = Learner.load(run_of(config)), artefact.load(str(run_of(config)))
    _, support, _, query = episode_of(config)
    expected = bits_of_texts(
        outputs_in_evaluation(config, source.state.weights, source.recipe), query
    )
    characters = Characters.from_dict(source.examples.preparation["characters"])
    shown, asked = ([characters.decode(row) for row in rows] for rows in (support, query))
    predictor = learner.adapt(shown)
    np.testing.assert_allclose(predictor.by_inner_step(asked), expected, rtol=1e-3)
    np.testing.assert_allclose(predictor.bits_per_character(asked), expected[-1], rtol=1e-3)
    assert np.abs(expected[-1] - expected[0]).max() > 1e-3


def test_what_was_shown_is_what_is_said_after_enough_steps():
    learner = Learner.load(run_of(voices()))
    before = learner.adapt(["baba xx"], inner_steps=0)
    after = learner.adapt(["baba xx"], inner_steps=200, inner_lr=0.3)
    assert after.generate(2, temperature=0) == ["baba xx"] * 2
    assert before.generate(2, temperature=0) != ["baba xx"] * 2
    assert after.generate(1, temperature=0, prompt="baba ") == ["baba xx"]
    assert (
        after.bits_per_character(["baba xx"])[0] < 0.1 < before.bits_per_character(["baba xx"])[0]
    )


def test_the_adapted_model_is_a_plain_keras_model(tmp_path):
    learner = Learner.load(run_of(voices(*KINDS["meta-sgd, adapters"])))
    predictor = learner.adapt(["baba xx", "ba yba"])
    predictor.save(tmp_path / "m.keras")
    model = keras.saving.load_model(tmp_path / "m.keras")
    logits = model(learner.read_inputs(["xbaba"]))
    bits = bits_of_texts(np.asarray(logits), learner.reader.targets(["xbaba"]))
    np.testing.assert_allclose(bits, predictor.bits_per_character(["xbaba"]), rtol=1e-4)


def test_an_exported_run_needs_no_table(tmp_path):
    config = voices()
    export_command.export_run(str(run_of(config)), tmp_path / "v.metatrain")
    texts = [
        Learner.load(x).adapt(["baba"]).generate(3)
        for x in (run_of(config), tmp_path / "v.metatrain")
    ]
    assert texts[0] == texts[1]


@pytest.mark.parametrize(
    ("texts", "match"),
    [
        ([], "inputs are empty; give one example or more"),
        (["ba", " "], r"inputs\[1\] is ' '"),
        ([3], r"inputs\[0\] is 3"),
        (["x" * 16], r"inputs\[0\] has 16 characters, the model takes 15"),
    ],
)
def test_what_is_no_text_is_named(texts, match):
    with pytest.raises(ValueError, match=match):
        Learner.load(run_of(voices())).adapt(texts)


def test_texts_have_no_targets_and_values_have():
    with pytest.raises(ValueError, match="the texts are their own targets"):
        Learner.load(run_of(voices())).adapt(["ba"], ["ba"])
    with pytest.raises(ValueError, match="2 inputs without targets"):
        Learner.load(run_of(sinusoid(*ONE_BY_ONE, "runtime.execution=map"))).adapt([1.0, 2.0])
    with pytest.raises(ValueError, match="use generate"):
        Learner.load(run_of(voices())).adapt(["ba"]).predict(["ba"])

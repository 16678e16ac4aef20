"""The keys that a section keeps when its kind changes."""

from typing import get_args

import pytest
from small_configs import NEEDED

from orchestrator.config import schema as configuration
from orchestrator.config.kinds import KINDS
from orchestrator.config.schema import MetaConfig


def section(source: str, name: str, *overrides: str):
    config, notes = configuration.load(source, overrides)
    return getattr(config, name), notes


@pytest.mark.parametrize("kind", ["joint", "anil", "boil", "meta_sgd", "reptile"])
@pytest.mark.parametrize("preset", ["omniglot-5w1s", "names-generation", "cartpole"])
def test_another_method_keeps_the_presets_inner_rate(preset, kind):
    rate = configuration.load(preset)[0].algorithm.inner_lr
    overrides = [f"algorithm.kind={kind}"]
    if kind == "reptile" and preset == "cartpole":
        overrides += ["outer.optimizer=adam"]
    algorithm, notes = section(preset, "algorithm", *overrides)
    assert (algorithm.kind, algorithm.inner_lr) == (kind, rate)
    assert f"keeps inner_lr = {rate!r}" in notes[0]


def test_the_note_gives_the_values_of_what_is_dropped_and_kept():
    _, notes = configuration.load("omniglot-5w1s", ["algorithm.kind=joint"])
    assert notes == [
        "changing algorithm.kind from 'maml' to 'joint' drops inner_steps = 1; keeps inner_lr = "
        "0.4, inner_loss = 'mean'"
    ]


def test_a_value_that_the_new_kind_does_not_take_is_reset_and_told():
    task, notes = section(
        "omniglot-5w1s", "task", "task.kind=text", "task.path=a.csv", "model.kind=text"
    )
    assert task.label_column == "label"
    assert (task.ways, task.shots, task.queries, task.train_classes) == (5, 1, 5, 1100)
    assert "resets label_column = ['alphabet', 'character'] to 'label'" in notes[0]
    assert "drops image_size = 28, invert = True, rotations = 'all'" in notes[0]


def test_what_is_given_with_the_new_kind_is_not_told_and_decides_what_is_valid():
    reptile = ["omniglot-reptile-5w1s", "algorithm", "algorithm.kind=maml"]
    algorithm, notes = section(*reptile, "algorithm.first_order=true")
    assert (algorithm.inner_optimizer, algorithm.inner_lr) == ("adam", 1e-3)
    assert "first_order" not in notes[0]
    algorithm, notes = section(*reptile)
    assert algorithm.inner_optimizer == "sgd"
    assert (
        "resets inner_optimizer = 'adam' to 'sgd', inner_lr = 0.001, a rate of Adam's" in notes[0]
    )
    assert algorithm.inner_lr == 0.4  # the default of images


def test_the_order_of_overrides_does_not_matter():
    first = ["algorithm.kind=maml", "algorithm.first_order=true"]
    loads = [configuration.load("omniglot-reptile-5w1s", item) for item in (first, first[::-1])]
    assert loads[0] == loads[1]


def test_a_model_keeps_what_the_new_one_has_too():
    model, notes = section("omniglot-5w1s", "model", "model.normalization=layer", "model.kind=mlp")
    assert model.normalization == "layer"
    assert notes == [
        "changing model.kind from 'conv4' to 'mlp' drops filters = 64, readout = 'mean'"
    ]


def test_batches_of_reptile_are_left_when_training_is_joint():
    config, notes = configuration.load("omniglot-reptile-5w1s", ["algorithm.kind=joint"])
    assert config.evaluation.inner_batch is None
    assert "evaluation.inner_batch = 5 is dropped" in notes[1]


@pytest.mark.parametrize("preset", ["navigation", "halfcheetah-velocity"])
def test_what_multiplies_a_rate_is_left_where_every_weight_learns_one(preset):
    config, notes = configuration.load(preset, ["algorithm.kind=meta_sgd"])
    assert (config.algorithm.later_lr, config.evaluation.later_lr) == (1.0, None)
    assert "later_lr" in " ".join(notes)


def test_rates_of_layers_are_left_where_every_weight_learns_one():
    _, notes = configuration.load(
        {"task": {"kind": "sinusoid"}, "algorithm": {"kind": "maml", "layer_rates": True}},
        ["algorithm.kind=meta_sgd"],
    )
    assert "drops layer_rates = True" in notes[0]
    with pytest.raises(ValueError, match="layer_rates"):
        configuration.load("sinusoid", ["algorithm.kind=meta_sgd", "algorithm.layer_rates=true"])


_POLICIES = ["cartpole", "halfcheetah-direction", "halfcheetah-velocity", "navigation", "pendulum"]
_POLICIES += ["metaworld-reach", "metaworld-push"]
_TEXTS = ["clinc150-matching", "names-generation", "shakespeare-generation"]
_NUMBERS = ["sinusoid", "finn2017-sinusoid", *(f"li2017-sinusoid-{k}s" for k in (5, 10, 20))]
#: Presets whose targets are none that a head can be computed for.
NO_HEAD = {
    "protonet": [*_POLICIES, *_TEXTS, *_NUMBERS],
    "proto_maml": [*_POLICIES, *_TEXTS, *_NUMBERS],
    "ridge": [*_POLICIES, *_TEXTS],
}


@pytest.mark.parametrize("kind", KINDS["algorithm"])
@pytest.mark.parametrize("preset", configuration.presets())
def test_every_preset_takes_every_method_but_for_what_only_its_outer_update_refuses(preset, kind):
    overrides = [*NEEDED.get(preset, []), f"algorithm.kind={kind}"]
    usual, _ = configuration.load(preset, NEEDED.get(preset, []))
    outer = usual.outer
    if kind == "reptile" and (outer.epochs > 1 or outer.optimizer == "trpo"):
        overrides += ["outer.optimizer=adam", "outer.epochs=1"]
    if preset in NO_HEAD.get(kind, ()) and not usual.algorithm.num_episodes:
        with pytest.raises(ValueError, match=f"algorithm.kind = '{kind}' computes a head for"):
            configuration.load(preset, overrides)
        return
    recurrent = bool(usual.algorithm.num_episodes)
    refused = {"imaml": usual.task.acts, "cavia": not usual.model.takes_context}
    if refused.get(kind) or recurrent != (kind == "rl2"):
        with pytest.raises(ValueError, match=rf"algorithm\.kind = '{kind}'"):
            configuration.load(preset, overrides)
        return
    if usual.evaluation.ways and not KINDS["algorithm"][kind].computes_head:
        with pytest.raises(ValueError, match=r"^evaluation\.ways = \d+, but algorithm\.kind"):
            configuration.load(preset, overrides)
        overrides.append("evaluation.ways=[]")
    config, _ = configuration.load(preset, overrides)
    assert config.algorithm.kind == kind


def test_python_and_sweeps_keep_them_too():
    base, _ = configuration.load("omniglot-5w1s")
    assert configuration.load(base, {"algorithm": {"kind": "anil"}})[0].algorithm.inner_lr == 0.4
    table = configuration.read_table("omniglot-5w1s")
    config, _ = configuration.load(table, {"algorithm.kind": "boil", "algorithm.inner_steps": 2})
    assert (config.algorithm.inner_lr, config.algorithm.inner_steps) == (0.4, 2)
    assert table == configuration.read_table("omniglot-5w1s")


def test_an_unknown_kind_is_refused_with_those_there_are():
    with pytest.raises(ValueError, match=r"algorithm\.kind = 'mamml' is not known"):
        configuration.load("sinusoid", ["algorithm.kind=mamml"])
    with pytest.raises(ValueError, match=r"algorithm\.kind = '5' is not"):
        configuration.load("sinusoid", ["algorithm.kind=5"])


def test_every_section_with_kinds_is_known():
    discriminated = {
        name for name, field in MetaConfig.model_fields.items() if field.discriminator == "kind"
    }
    assert discriminated == KINDS.keys()
    for name in KINDS:
        members = get_args(MetaConfig.model_fields[name].annotation)
        assert {m.model_fields["kind"].default for m in members} - {"given"} == KINDS[name].keys()


@pytest.mark.parametrize("kind", ["maml", "meta_sgd", "joint"])
def test_a_rate_that_is_reset_is_told_with_its_new_value(kind):
    _, notes = configuration.load("omniglot-reptile-5w1s", [f"algorithm.kind={kind}"])
    assert "inner_lr = 0.001, a rate of Adam's, to 0.4, the default" in notes[0]


def test_reptile_of_one_inner_step_is_told_to_be_joint_training():
    message = "is joint training with one inner step: set algorithm.inner_steps to 5 or so"
    _, (note,) = configuration.load("sinusoid", ["algorithm.kind=reptile"])
    assert note.endswith(message)
    _, (note,) = configuration.load(
        "sinusoid", ["algorithm.kind=reptile", "algorithm.inner_steps=5"]
    )
    assert message not in note

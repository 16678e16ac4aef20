"""Defaults of a run whose configuration names only its tasks."""

import hashlib
import json

import pytest
from small_configs import NEEDED

from orchestrator.config.defaults import fill
from orchestrator.config.schema import load, to_toml, validate
from workers.settings.algorithms import ALGORITHMS

TEXTS = {"kind": "text", "path": "a.csv"}
TASKS = {
    "sinusoid": {"kind": "sinusoid"},
    "images": {"kind": "images"},
    "table": {"kind": "table", "path": "a.csv", "task_column": "a", "target_column": "b"},
    "text": TEXTS,
    "matching": {"kind": "matching", "path": "a.csv"},
    "generation": {"kind": "generation", "path": "a.csv"},
    "python": {"kind": "python", "source": "no_such_module:task"},
    "npz": {"kind": "npz", "path": "nowhere"},
    "signal": {"kind": "signal", "path": "a.csv"},
    "navigation": {"kind": "navigation"},
    "gym": {"kind": "gym", "environment": "CartPole-v1"},
}
#: Settings that came since, and what they are where nothing is said.
LATER = {
    "task.split_shares": [0.64, 0.16, 0.2],
    "task.small_classes": "refuse",
    "task.target_scaling": "training",
}
#: What decided the weights of each preset before families had defaults.
HASHES = {
    "cartpole": "375d91f416daae7a0d04e8856f277ab88cb18a2111dfc78dc44ef39036b346c0",
    "clinc150-intents": "023ef8c6dd115aa5a190a910a3f7cd877f1b7e8bd2ecbd6fa5bfd408bec9a7f7",
    "clinc150-matching": "27167457e81a661e2a9fb426869301e8b266e987718d1aac1457bb072ca397e9",
    "halfcheetah-direction": "83f05dd2784405e497c3acab4383f9d353ac58ec1a43f6c0604b674b93095715",
    "halfcheetah-velocity": "db2d1d03b2c2aa25c204091edb123f95bf86e0aa56d3b8e91e9b2b4041f91a1b",
    "names-generation": "e2769c3936387d565ab8ff233bc6d56a12dc35735ce276d59ffd24a111d0d446",
    "navigation": "00be700b1cb13b8043c34e06bea86e59b2aa6e62a7f0e0c3c657696ba3fc34d9",
    "omniglot-5w1s": "e6f5e00d581054406442a1c44fed0203781a7f906402d18109b9f255df0e42c6",
    "omniglot-reptile-5w1s": "b696750f0b8626c28b77c10e0dee24d208b722c5125c880ccacd86e8859166ef",
    "pendulum": "39b1ae43b20f9a7a90c2610919bd42dffbd6eb91fa7518101a491ec06f5ec228",
    "shakespeare-generation": "ebac2d62345d11054fad4179dd2867bec5e5079bf510645473dcc8875d439643",
    "sinusoid": "eb09a699c91acf730815fca20b328dffe26c3029238e4c79cf79d4b6e8aab25e",
    "table": "17f144481808456d01ad53667eecbd9cded1d25ece13ade8f42c02aab838588c",
}


@pytest.mark.parametrize("kind", TASKS)
def test_a_task_alone_is_a_run_whose_rates_and_steps_validation_chooses(kind):
    config, notes = load({"task": TASKS[kind]})
    evaluation, algorithm = config.evaluation, config.algorithm
    rates = evaluation.inner_lr
    assert len(rates) > 3
    assert algorithm.inner_lr in rates
    assert max(rates) / min(rates) >= 5
    assert algorithm.inner_steps in evaluation.inner_steps
    assert len(evaluation.inner_steps) > 2
    assert evaluation.every * 10 <= max(config.outer.steps, 10)
    (note,) = notes
    assert f"model.kind = {config.model.kind!r}, algorithm.kind = {algorithm.kind!r}" in note


@pytest.mark.parametrize(
    "algorithm",
    [kind for kind, each in ALGORITHMS.items() if not (each.computes_head or each.closed_form)],
)
@pytest.mark.parametrize("kind", ["sinusoid", "images", "table", "text", "matching"])
def test_every_method_has_the_familys_rate(kind, algorithm):
    usual, _ = load({"task": TASKS[kind]})
    if algorithm == "cavia" and not usual.model.takes_context:
        with pytest.raises(ValueError, match="does not take; models that do"):
            load({"task": TASKS[kind], "algorithm": {"kind": algorithm}})
        return
    config, _ = load({"task": TASKS[kind], "algorithm": {"kind": algorithm}})
    assert (config.algorithm.inner_lr == usual.algorithm.inner_lr) == (algorithm != "cavia")
    assert bool(config.evaluation.inner_lr) == (algorithm not in ("meta_sgd", "cavia"))
    if algorithm == "reptile":
        assert config.algorithm.inner_steps == 5


def test_no_inner_rates_are_offered_where_they_are_learned():
    learned, _ = load({"task": TASKS["sinusoid"], "algorithm": {"layer_rates": True}})
    assert learned.evaluation.inner_lr == ()
    assert load({"task": TASKS["sinusoid"]})[0].evaluation.inner_lr


@pytest.mark.parametrize("kind", [kind for kind, each in ALGORITHMS.items() if each.computes_head])
def test_a_computed_head_has_rates_and_statistics_of_its_own(kind):
    config, notes = load({"task": TASKS["images"], "algorithm": {"kind": kind}})
    record = ALGORITHMS[kind]
    assert config.model.normalization == "batch"
    assert config.model.statistics == record.statistics[0] != "batch"
    assert config.evaluation.inner_lr == record.rates
    assert config.evaluation.inner_steps == ((1,) if record.closed_form else (1, 3, 5))
    assert record.closed_form != any("inner_lr" in note for note in notes)
    usual = ALGORITHMS["maml"]().inner_lr
    assert record.closed_form or config.algorithm.inner_lr == usual
    own = {"normalization": "layer", "kind": "conv4"}
    layers, _ = load({"task": TASKS["images"], "algorithm": {"kind": kind}, "model": own})
    assert layers.model.statistics == "batch"  # of no use there


def test_a_preset_with_a_computed_head_drops_inner_steps_and_its_rate():
    config, notes = load("omniglot-5w1s", ["algorithm.kind=protonet"])
    assert config.evaluation.inner_steps == (1,)
    assert any("evaluation.inner_steps = [1, 3] is dropped" in note for note in notes)
    proto, notes = load("omniglot-5w1s", ["algorithm.kind=proto_maml"])
    assert proto.algorithm.inner_lr == 0.01
    assert any("drops" in note and "inner_lr = 0.4, a rate for a head" in note for note in notes)


def test_what_is_given_is_never_changed():
    given = {
        "task": {**TEXTS, "max_tokens": 9, "ways": 3},
        "model": {"kind": "text", "units": 8},
        "algorithm": {"kind": "maml", "inner_lr": 0.7},
        "outer": {"lr": 0.5},
        "evaluation": {"inner_steps": [2], "every": 3},
    }
    config, notes = load(given)
    assert config.task.max_tokens == 9
    assert config.task.long_texts == "refuse"
    assert config.algorithm.inner_steps == 1  # of a rate of one's own
    assert config.evaluation.inner_lr == ()
    assert (config.evaluation.inner_steps, config.evaluation.every) == ((2,), 3)
    assert (config.outer.lr, config.outer.schedule) == (0.5, "constant")
    assert config.outer.steps == 300
    assert notes == []


def test_a_kind_that_is_named_without_a_rate_has_the_familys():
    """The case that ended at chance: an inner rate of 0.01 for texts."""
    table = {"task": TEXTS, "model": {"kind": "text"}, "algorithm": {"kind": "anil"}}
    config, notes = load(table)
    assert (config.algorithm.inner_lr, config.algorithm.inner_steps) == (1.0, 5)
    assert config.evaluation.inner_lr == (0.3, 1.0, 3.0, 10.0)
    assert notes == []


@pytest.mark.parametrize("preset", ["omniglot-5w1s", "names-generation", "sinusoid", "table"])
def test_joint_training_is_offered_rates_round_the_presets(preset):
    config, _ = load(preset, [*NEEDED.get(preset, []), "algorithm.kind=joint"])
    rate = config.algorithm.inner_lr
    assert config.evaluation.inner_lr == pytest.approx([r * rate for r in (0.1, 0.3, 1, 3, 10)])
    kept, _ = load("clinc150-intents", ["algorithm.kind=joint"])
    assert kept.evaluation.inner_lr == (1.0, 3.0, 10.0)
    one, _ = load("sinusoid", ["algorithm.kind=joint", "evaluation.inner_lr=[0.5]"])
    assert one.evaluation.inner_lr == (0.5,)


@pytest.mark.parametrize("kind", TASKS)
def test_what_was_chosen_is_written_down_and_read_as_it_is(kind, tmp_path):
    config, _ = load({"name": "a", "task": TASKS[kind]})
    (tmp_path / "config.toml").write_text(to_toml(config))
    again, notes = load(str(tmp_path / "config.toml"))
    assert again == config
    assert notes == []
    assert validate(config.model_dump(mode="json")) == config


def test_an_environments_actions_decide_what_the_policy_is():
    pytest.importorskip("gymnasium")
    for environment, model in (("CartPole-v1", "mlp"), ("Pendulum-v1", "gaussian_mlp")):
        config, _ = load({"task": {"kind": "gym", "environment": environment}})
        assert (config.model.kind, config.model.hidden) == (model, (64, 64))


def test_shares_take_the_place_of_a_presets_counts():
    config, notes = load("clinc150-intents", ["task.split_shares=[0.5, 0.2, 0.3]"])
    task = config.task
    assert task.split_shares == (0.5, 0.2, 0.3)
    assert (task.train_classes, task.test_classes) == (None, None)
    assert notes[0] == "task.train_classes = 50 is dropped: it cannot go with a share"
    assert len(notes) == 3


def test_a_split_file_takes_the_place_of_a_presets_counts():
    config, notes = load("clinc150-intents", ["task.split_file=split.json"])
    task = config.task
    assert (task.split_file, task.train_classes, task.test_classes) == ("split.json", None, None)
    assert notes[0] == "task.train_classes = 50 is dropped: it cannot go with a split file"
    assert len(notes) == 3
    with pytest.raises(ValueError, match="train_classes"):
        load("clinc150-intents", ["task.split_file=split.json", "task.train_classes=50"])


def test_nothing_is_filled_in_where_the_schema_has_to_refuse():
    for table in ({}, {"task": 5}, {"task": {"kind": "x"}}, {"task": TEXTS, "outer": 5}):
        assert fill(table) == table
    with pytest.raises(ValueError, match=r"algorithm\.kind = 'mam' is not known"):
        load({"task": TEXTS, "algorithm": {"kind": "mam"}})
    with pytest.raises(ValueError, match=r"outer\.steps must be a whole number, got 'x'"):
        load({"task": TEXTS, "outer": {"steps": "x"}})


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("algorithm.kind", ["maml"]),
        ("algorithm.inner_lr", 10**400),
        ("algorithm.inner_lr", "fast"),
        ("algorithm.inner_lr", -1.0),
        ("algorithm.inner_steps", [1]),
        ("algorithm.inner_steps", True),
        ("outer.steps", [3]),
        ("outer.steps", 0),
        ("evaluation.inner_lr", 3),
        ("evaluation.inner_steps", {"a": 1}),
        ("model.kind", {"a": 1}),
    ],
)
@pytest.mark.parametrize("method", ["maml", "joint"])
def test_a_wrong_value_is_refused_by_the_schema_in_one_line(method, key, value):
    table = {"task": TEXTS, "algorithm": {"kind": method}}
    section, name = key.split(".")
    table.setdefault(section, {})[name] = value
    if method == "joint" and key == "algorithm.inner_steps":
        expected = "unknown key algorithm.inner_steps"
    else:
        expected = section
    with pytest.raises(ValueError, match=expected) as refused:
        validate(table)
    assert refused.type is ValueError
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize("name", HASHES)
def test_presets_decide_the_same_bits_as_before(name):
    config, notes = load(name, NEEDED.get(name, []))
    table = config.bits()
    of_texts = config.task.kind in ("text", "matching")  # which had small_classes before
    later = LATER.keys() - ({"task.small_classes"} if of_texts else set())
    since = {key: table.pop(key) for key in later & table.keys()}
    assert json.loads(json.dumps(since)) == {key: LATER[key] for key in since}
    assert notes == []
    assert digest(table) == HASHES[name]


def digest(table) -> str:
    return hashlib.sha256(json.dumps(table, sort_keys=True).encode()).hexdigest()

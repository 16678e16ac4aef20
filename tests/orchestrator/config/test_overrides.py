"""Overrides: their values, how tables merge, and what a new kind keeps."""

import pytest

from orchestrator.config import schema as configuration


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("a.b=5", ("a.b", 5)),
        ("a.b = 5", ("a.b", 5)),
        ("a=1e-3", ("a", 1e-3)),
        ("a=true", ("a", True)),
        ("a=[1, 2]", ("a", [1, 2])),
        ('a="5"', ("a", "5")),
        ("a=reptile", ("a", "reptile")),
        ("a=/data/x.zip", ("a", "/data/x.zip")),
        ("a=b=c", ("a", "b=c")),
        ("a=", ("a", "")),
        ("a={b = 1}", ("a", {"b": 1})),
    ],
)
def test_the_value_of_an_override_is_toml_or_else_text(text, expected):
    assert configuration.parse_override(text) == expected


def test_overrides_reach_the_configuration():
    config, notes = configuration.load(
        "sinusoid", ["outer.steps=7", "model.hidden=[3]", "name=mine", "outer.clip_norm=2.5"]
    )
    assert (config.outer.steps, config.model.hidden, config.name) == (7, (3,), "mine")
    assert config.outer.clip_norm == 2.5
    assert notes == []


@pytest.mark.parametrize(
    "override",
    ["task.vary.gravity={choice=[5.0, 15.0]}", "task.vary.gravity.choice=[5.0, 15.0]"],
)
def test_how_an_attribute_varies_takes_the_place_of_how_it_did(override):
    config, _ = configuration.load("cartpole", [override])
    assert config.task.vary["gravity"].choice == (5.0, 15.0)
    assert config.task.vary["gravity"].uniform is None
    assert config.task.vary["force_mag"].choice == (-12.0, -8.0, 8.0, 12.0)


def test_what_varies_as_a_whole_takes_the_place_of_all_that_did():
    overrides = ["task.vary={length={uniform=[0.5, 1.0]}}", "task.vary.masspole.choice=[0.1, 0.2]"]
    config, _ = configuration.load("cartpole", overrides)
    assert set(config.task.vary) == {"length", "masspole"}


def test_a_table_of_ones_own_keys_is_given_as_a_whole_in_any_way():
    given = {"task": {"vary": {"length": {"uniform": [0.5, 1.0]}}}}
    config, _ = configuration.load("cartpole", given)
    assert set(config.task.vary) == {"length"}
    config, _ = configuration.load("halfcheetah-direction", ["task.arguments={frame_skip=2}"])
    assert config.task.arguments == {"frame_skip": 2}
    assert not configuration.load("cartpole", ["task.vary={}"])[0].task.vary


def test_what_comes_with_a_new_kind_is_not_said_to_be_dropped():
    new = ["task.vary={a={choice=[1, 2]}}", "task.kind=gym", "task.environment=b:C"]
    policy = ["model.kind=gaussian_mlp"]
    _, notes = configuration.load("sinusoid", [*new, *policy])
    assert "vary" not in notes[0]


@pytest.mark.parametrize(
    "overrides",
    [
        ["algorithm.kind=reptile", "algorithm.inner_steps=3"],
        ["algorithm.inner_steps=3", "algorithm.kind=reptile"],
    ],
)
def test_a_new_kind_keeps_what_it_has_too(overrides):
    config, notes = configuration.load("sinusoid", overrides)
    assert config.algorithm.kind == "reptile"
    assert config.algorithm.inner_steps == 3
    assert config.algorithm.inner_lr == 0.01  # the preset's, not Reptile's own default
    assert notes == ["changing algorithm.kind from 'maml' to 'reptile' keeps inner_lr = 0.01"]


def test_a_table_is_merged_key_by_key():
    plain, _ = configuration.load("sinusoid")
    assert configuration.load("sinusoid", ["outer={}"]) == (plain, [])
    config, notes = configuration.load("sinusoid", ["outer={lr = 0.5, clip_norm = 1}"])
    assert (config.outer.lr, config.outer.clip_norm) == (0.5, 1)
    assert config.outer.steps == plain.outer.steps
    assert notes == []
    config, notes = configuration.load(
        "sinusoid", ["algorithm={inner_steps = 3, kind = 'reptile'}"]
    )
    assert (config.algorithm.kind, config.algorithm.inner_steps) == ("reptile", 3)
    assert len(notes) == 1


def test_the_same_kind_drops_nothing():
    config, notes = configuration.load("sinusoid", ["model.kind=mlp"])
    assert config.model.hidden == (40, 40)
    assert notes == []

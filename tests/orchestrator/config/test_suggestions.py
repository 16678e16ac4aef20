"""Keys by other names, and settings that are typed as options."""

import sys

import pytest

from orchestrator.cli.app import main
from orchestrator.config.keys import keys_of
from orchestrator.config.schema import MetaConfig
from orchestrator.config.suggestions import ALIASES, meant


@pytest.mark.parametrize(
    ("key", "expected"),
    [
        ("outer.learning_rate", "outer.lr"),
        ("algorithm.learning_rate", "algorithm.inner_lr"),
        ("learning_rate", "outer.lr"),
        ("steps", "outer.steps"),
        ("inner_lr", "algorithm.inner_lr"),
        ("outer.inner_steps", "algorithm.inner_steps"),
        ("batch_size", "outer.meta_batch_size"),
        ("n-way", "task.ways"),
        ("optimiser", "outer.optimizer"),
        ("algorithm.lr", "algorithm.inner_lr"),
        ("outer.batch_size", "outer.meta_batch_size"),
        ("xyzzy", ""),
    ],
)
def test_a_key_by_another_name_or_without_its_section_is_suggested(key, expected):
    assert meant(key, MetaConfig) == expected


def test_all_that_is_suggested_is_in_the_schema():
    known = {name for name, _ in keys_of(MetaConfig)}
    assert {name for names in ALIASES.values() for name in names} <= known
    assert not ALIASES.keys() & known


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["train", "--seed", "3"], "--set seed=3"),
        (["train", "--seed=3"], "--set seed=3"),
        (["train", "sinusoid", "outer.steps=100"], "--set outer.steps=100"),
        (["train", "sinusoid", "--inner-lr", "0.1"], "--set algorithm.inner_lr=0.1"),
        (["tune", "sinusoid", "--steps", "5"], "--set outer.steps=5"),
        (["evaluate", "run", "--shots"], "--set task.shots=VALUE"),
        (["submit", "--", "train", "--seed", "3"], "--set seed=3"),
    ],
)
def test_a_setting_that_is_typed_as_an_option_is_told_how(monkeypatch, capsys, words, expected):
    monkeypatch.setattr(sys, "argv", ["metatrain", *words])
    with pytest.raises(SystemExit) as end:
        main()
    (line,) = capsys.readouterr().err.splitlines()
    assert end.value.code == 2
    assert line.endswith(f"; to change a setting, use {expected}")


def test_the_version_is_told(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["metatrain", "--version"])
    main()
    assert capsys.readouterr().out.startswith("metatrain 0.")


def test_a_key_of_a_sweeps_file_that_is_typed_as_an_option_is_told(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["metatrain", "tune", "sinusoid", "--samples", "3"])
    with pytest.raises(SystemExit):
        main()
    (line,) = capsys.readouterr().err.splitlines()
    assert line.endswith("; samples is a key of the sweep's file; set it there")

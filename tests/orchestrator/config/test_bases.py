"""TOML files: their bases, and damaged files."""

import os

import pytest

from orchestrator.config import schema as configuration
from orchestrator.config.schema import PRESETS, load, merge

pytestmark = pytest.mark.usefixtures("here")


def refusal(source, overrides=()):
    with pytest.raises(ValueError, match=r"\w") as no:
        load(str(source), overrides)
    return str(no.value)


# Bases.


def test_a_run_may_be_based_on_a_preset_or_on_a_file_beside_it(there):
    (there / "a.toml").write_text('base = "omniglot-5w1s"\n[task]\npath = "a.zip"\nshots = 3\n')
    (there / "sub").mkdir()
    (there / "sub" / "b.toml").write_text('base = "../a.toml"\nseed = 4\n[outer]\nsteps = 7\n')
    config = load("../there/sub/b.toml")[0]
    preset = load("omniglot-5w1s")[0]
    assert config.task == preset.task.model_copy(update={"path": str(there / "a.zip"), "shots": 3})
    assert config.outer == preset.outer.model_copy(update={"steps": 7})
    assert (config.seed, config.name, config.model) == (4, "b", preset.model)


def test_a_kind_of_ones_own_goes_over_the_bases_and_is_noted(there):
    (there / "a.toml").write_text('base = "sinusoid"\n[model]\nkind = "linear"\n')
    config, notes = load("../there/a.toml")
    assert config.model.kind == "linear"
    assert any("model.kind" in note and "'linear'" in note for note in notes)


@pytest.mark.parametrize(
    ("base", "expected"),
    [
        ('"sinusod"', "a.toml: base = 'sinusod': no preset is called 'sinusod' (did you mean"),
        ('"b.toml"', "a.toml: base = 'b.toml': no such file: b.toml (looked in "),
        ('"a.toml"', "more than 8 files are based on each other"),
        ("3", "base = 3: give a preset, or a file that ends in .toml"),
        ('"sweep.toml"', "sweep.toml is a sweep, not a run"),
    ],
)
def test_a_base_that_is_none_is_refused(there, base, expected):
    (there / "a.toml").write_text(f"base = {base}\n")
    (there / "sweep.toml").write_text('base = "sinusoid"\n[space]\nseed = {choice = [1, 2]}\n')
    assert expected in refusal("../there/a.toml")


# Files that somebody's editor or nobody's hand wrote.


def test_a_byte_order_mark_is_passed_over(there):
    text = (PRESETS / "sinusoid.toml").read_bytes()
    (there / "a.toml").write_bytes(b"\xef\xbb\xbf" + text)
    assert load("../there/a.toml", ["name=sinusoid"])[0] == load("sinusoid")[0]


@pytest.mark.parametrize(
    "text",
    [
        "a = " + "[" * 3000 + "]" * 3000,
        "a = " + "{a = " * 3000 + "1" + "}" * 3000,
        "a = " + "[" * 100 + "]" * 100,
        ".".join("a" * 3000) + " = 1",
        "[" + ".".join("a" * 3000) + "]",
    ],
    ids=["lists", "tables", "a hundred lists", "a dotted key", "a dotted table"],
)
def test_what_is_nested_too_deep_is_refused_in_a_line(there, text):
    (there / "a.toml").write_text(text)
    assert "more than 20 deep" in refusal("../there/a.toml")
    if " = " in text:
        key, _, value = text.partition(" = ")
        message = refusal("sinusoid", [f"{key}={value}"])
        assert "more than 20 deep" in message
        assert len(message) < 200
    (there / "s.toml").write_text('base = "sinusoid"\n' + text)
    with pytest.raises(ValueError, match="more than 20 deep"):
        configuration.read_table(str(there / "s.toml"))


def test_a_pipe_is_not_waited_for(tmp_path):
    os.mkfifo(tmp_path / "a.toml")
    message = "a.toml is a pipe or a device; write its content into a file first"
    assert refusal(tmp_path / "a.toml").endswith(message)


@pytest.mark.parametrize(
    ("overrides", "expected"),
    [
        (["outer.learning_rate={}"], "unknown key outer.learning_rate (did you mean 'outer.lr'?)"),
        (["nosuch={}"], "unknown key nosuch"),
        (["outer.lr={}"], "outer.lr must be a number, got {}"),
        ({"outer": {"learning_rate": {}}}, "unknown key outer.learning_rate"),
    ],
)
def test_an_empty_table_is_no_way_round_the_schema(overrides, expected):
    assert expected in refusal("sinusoid", overrides)


@pytest.mark.parametrize("key", [".outer", "outer..steps", "outer.", ". .steps"])
def test_a_name_that_is_missing_beside_a_dot_is_told(key):
    assert refusal("sinusoid", [f"{key}=1"]).endswith(
        "a dot must be between two names; for example outer.steps"
    )


def test_an_unknown_key_is_named_before_one_that_is_missing():
    message = refusal("table", ["task.path=a.csv", "task.group_column=sensor"])
    assert message.startswith("unknown key task.group_column")


def test_an_empty_table_leaves_a_section_as_it_was():
    table = configuration.read_table("sinusoid")
    merge(table, {"outer": {}, "runtime": {}})
    assert table == configuration.read_table("sinusoid") | {"runtime": {}}

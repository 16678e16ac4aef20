"""The hash of the settings that decide the weights."""

from types import NoneType
from typing import Any, Literal, get_args, get_origin

import pytest
from pydantic import BaseModel
from small_configs import IMAGES, NEEDED, changed, navigation, sinusoid, trials

from orchestrator.config import schema as configuration
from orchestrator.config.schema import MetaConfig
from orchestrator.config.sources import PRESETS
from workers.settings.section import Size, Sizes, Ways

WALKED = {
    "sinusoid-maml-mlp": sinusoid("algorithm.multi_step=true"),
    "sinusoid-reptile-linear": sinusoid(
        "algorithm.kind=reptile",
        "model.kind=linear",
        "outer.schedule=staircase",
        "outer.decay_steps=9",
    ),
    "images-maml-conv4": changed(IMAGES, "outer.schedule=cosine"),
    "images-joint-mlp": changed(IMAGES, "model.kind=mlp", "algorithm.kind=joint"),
    "images-ridge-conv4": changed(IMAGES, "algorithm.kind=ridge", "evaluation.inner_steps=[1]"),
    "navigation-maml-gaussian_mlp": navigation("outer.epochs=3"),
    "navigation-rl2-gaussian_gru": trials(),
}
OF_INNER_STEPS = {"evaluation.inner_steps", "evaluation.inner_lr", "evaluation.inner_batch"}
OF_POLICIES = {
    "outer.epochs",
    "outer.divergence_penalty",
    "evaluation.later_lr",
    "algorithm.later_lr",
}
OF_INNER_LOOPS = {
    "task.shots",
    "task.curvature",
    "outer.divergence_penalty",
    "evaluation.later_lr",
    "evaluation.shots",
    "algorithm.episodes",  # on which evaluation.inner_steps depends
}
OF_OTHERS = {
    "algorithm.layer_rates",
    "evaluation.inner_batch",
    "model.normalization",
    "runtime.non_finite",
    "runtime.inner_memory",
    "runtime.micro_batch",
}
OF_DATA_SETS = {"task.mix", "task.test_path", "task.domain_weights"}
RESOLVED = {
    # These bits are what the setting resolves to, so the other value must resolve differently.
    "workers.block_size": lambda config: config.block_size + 1,
    "runtime.execution": lambda config: "map" if config.execution[0] != "map" else "vectorized",
    "runtime.xla": lambda config: not config.execution[1],
    "runtime.inner_memory": lambda config: "recompute",
    "task.loss": lambda config: "own_losses:huber",
    "task.metrics": lambda config: {"r2": "max:own_losses:r2"},
    "task.imports": lambda config: ["other"],
    "evaluation.coverage": lambda config: 0.8,
    "evaluation.ways": lambda config: [7],
    "model.statistics": lambda config: "support",
    "model.imports": lambda config: ["other"],
    # Together they are 1.
    "task.split_shares": lambda config: [0.5, 0.25, 0.25],
}


def other_value(annotation: Any, value: Any) -> Any:
    """Return a value of the field's type other than `value`."""
    options = [option for option in get_args(annotation) if option is not NoneType]
    if get_origin(annotation) is Literal:
        return next(option for option in options if option != value)
    if isinstance(value, bool):
        return not value
    if isinstance(value, int):
        return value + 1
    if isinstance(value, float):
        return value / 2 + 0.003
    if isinstance(value, tuple):
        return [*value[:-1], value[-1] + 1] if value else [0.5]
    if annotation is str or str in options:
        return f"{value or ''}/other"
    if {Size, Sizes, Ways} & set(options):
        return 4
    assert int in options or float in options, annotation
    return 3 if int in options else 0.3


def fields(section: BaseModel, prefix: str = "") -> Any:
    for name, field in type(section).model_fields.items():
        value = getattr(section, name)
        if isinstance(value, BaseModel):
            yield from fields(value, f"{prefix}{name}.")
        elif name != "kind":
            yield f"{prefix}{name}", field, value


def with_value(config: MetaConfig, key: str, value: Any) -> MetaConfig:
    table = config.model_dump(mode="json", exclude_none=True)
    configuration.set_key(table, key, value)
    return configuration.validate(table)


@pytest.mark.parametrize("config", WALKED.values(), ids=WALKED.keys())
def test_the_hash_changes_with_what_declares_to_change_bits_and_with_nothing_else(config):
    seen = set()
    for key, field, value in fields(config):
        if key == "evaluation.inner_batch" and config.algorithm.kind == "joint":
            continue
        if key == "runtime.inner_memory" and config.algorithm.kind in ("joint", "ridge"):
            continue
        if key == "runtime.micro_batch" and config.model.normalization == "batch":
            continue
        if key in OF_INNER_STEPS and config.algorithm.closed_form:
            continue
        if key == "evaluation.ways" and not config.algorithm.computes_head:
            continue
        acts = config.task.kind == "navigation"
        if key in OF_POLICIES and not acts:
            continue
        if key in OF_OTHERS and acts:
            continue
        if key in OF_INNER_LOOPS and config.algorithm.kind == "rl2":
            continue
        if key == "model.backbone" and not (
            config.task.feature_family and "numbers" in config.model.takes
        ):
            continue
        if key in OF_DATA_SETS:
            continue  # which need each other, see below
        if key == "algorithm.step_statistics":
            continue  # which needs another setting, see below
        if key == "algorithm.step_affine" and config.model.normalization != "batch":
            continue
        if key == "algorithm.multi_step_until" and not config.algorithm.multi_step:
            continue
        if key == "model.statistics" and config.model.normalization != "batch":
            continue
        if key == "model.normalization" and config.model.statistics != "batch":
            continue  # whose statistics are of batches
        if key in RESOLVED:
            other = with_value(config, key, RESOLVED[key](config))
        else:
            other = with_value(config, key, other_value(field.annotation, value))
        assert other != config, key
        expected = field.json_schema_extra["bits"]
        if key == "outer.steps":
            expected = not config.outer.growable
        assert (other.bits_hash() != config.bits_hash()) == expected, key
        seen.add(key)
    assert {"seed", "name", "outer.lr", "workers.count", "evaluation.tasks"} <= seen


def test_running_statistics_for_each_inner_step_change_the_hash():
    running = ["model.normalization=batch", "model.statistics=running"]
    shared, apart = (
        sinusoid(*running, f"algorithm.step_statistics={value}") for value in ("false", "true")
    )
    assert shared.bits() == sinusoid(*running).bits()
    assert apart.bits() == shared.bits() | {"algorithm.step_statistics": True}


def test_tasks_of_one_data_set_change_the_hash_and_those_from_before_keep_theirs():
    paths = 'task.path=["a.zip", "b.zip"]'
    before = changed(IMAGES, paths)
    assert not {"task.mix", "task.domain_weights"} & before.bits().keys()
    apart = changed(IMAGES, paths, "task.mix=false")
    assert apart.bits() == before.bits() | {"task.mix": False}
    weighted = changed(IMAGES, paths, "task.mix=false", "task.domain_weights=[2,1]")
    assert weighted.bits() == apart.bits() | {"task.domain_weights": [2.0, 1.0]}
    elsewhere = changed(IMAGES, paths, "task.mix=false", "task.test_path=c.zip")
    assert elsewhere.bits() == apart.bits()  # the data's digest has it


def test_only_these_settings_declare_that_they_leave_the_weights_as_they_are():
    """Written out, since a wrong declaration would let a resume change the numbers."""
    declared = {
        key
        for config in WALKED.values()
        for key, field, _ in fields(config)
        if not field.json_schema_extra["bits"]
    }
    sections = {
        key for key in declared if key.startswith(("evaluation.", "checkpoint.", "tracking."))
    }
    assert declared - sections == {
        "name",
        "task.path",
        "task.test_path",
        "task.split_file",
        "task.cache",
        "task.folder",
        "task.imports",
        "model.backbone",
        "model.backbone_cache",
        "model.folder",
        "model.imports",
        "workers.count",
        "workers.reduction",
        "workers.cpus",
        "workers.gpus",
        "workers.max_failures",
        "workers.slow_after_s",
        "workers.start_limit_s",
    }


def test_only_recomputed_inner_steps_are_part_of_the_hash():
    """Runs from before there was a choice keep their identity; above ten steps it is another."""
    stored = sinusoid("algorithm.inner_steps=10")
    assert "runtime.inner_memory" not in stored.bits()
    for memory, same in (("auto", True), ("store", True), ("recompute", False)):
        other = sinusoid("algorithm.inner_steps=10", f"runtime.inner_memory={memory}")
        assert (other.bits_hash() == stored.bits_hash()) == same
    many = ["algorithm.inner_steps=11"]
    assert sinusoid(*many).bits()["runtime.inner_memory"] == "recompute"
    assert "runtime.inner_memory" not in sinusoid(*many, "runtime.inner_memory=store").bits()


@pytest.mark.parametrize("preset", sorted(path.stem for path in PRESETS.glob("*.toml")))
def test_every_preset_stores_its_inner_steps(preset):
    """So that none of them has another theta than before there was a choice."""
    config, _ = configuration.load(preset, NEEDED.get(preset, []))
    assert config.inner_memory == "store"
    assert not {"runtime.inner_memory", "runtime.micro_batch", "algorithm.inner_clip"} & {
        *config.bits()
    }


def test_what_varies_in_an_environment_is_part_of_the_hash():
    first, again, other = (
        configuration.load("pendulum", [f"task.vary.g.uniform=[1.0, {high}]"])[0]
        for high in (2.0, 2.0, 3.0)
    )
    assert first.bits_hash() == again.bits_hash() != other.bits_hash()
    assert other.bits()["task.vary.g.uniform"] == [1.0, 3.0]


def test_a_kind_is_part_of_the_hash():
    hashes = {config.bits_hash() for config in WALKED.values()}
    hashes |= {sinusoid("algorithm.kind=joint").bits_hash(), sinusoid().bits_hash()}
    assert len(hashes) == len(WALKED) + 2


@pytest.mark.parametrize("schedule", ["constant", "linear", "cosine"])
def test_the_number_of_steps_counts_only_where_the_schedule_depends_on_it(schedule):
    config = sinusoid(f"outer.schedule={schedule}")
    assert ("outer.steps" in config.bits()) == (schedule != "constant")


def test_a_setting_that_says_what_auto_resolves_to_leaves_the_bits():
    config = configuration.load("sinusoid")[0]
    assert (config.runtime.execution, config.runtime.xla) == ("auto", None)
    mode, xla = config.execution
    resolved = {
        "runtime.execution": mode,
        "runtime.xla": xla,
        "workers.block_size": config.block_size,
    }
    assert configuration.load("sinusoid", resolved)[0].bits() == config.bits()


def test_settings_that_came_later_leave_the_identity_of_older_runs():
    config = changed(IMAGES)
    assert not [key for key in config.bits() if key.startswith(("task.loss", "task.label_sm"))]
    own = changed(IMAGES, "task.loss=own_losses:huber", "task.label_smoothing=0.1")
    assert own.bits() == config.bits() | {
        "task.loss": "own_losses:huber",
        "task.label_smoothing": 0.1,
    }

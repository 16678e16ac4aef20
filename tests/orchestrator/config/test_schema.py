"""The schema of a run: presets, TOML and back, blocks, and the bounds of numbers."""

from types import UnionType
from typing import Annotated, Union, get_args, get_origin

import pytest
from annotated_types import Le, Lt
from pydantic import BaseModel
from small_configs import IMAGES, NEEDED, SINUSOID, changed, sinusoid

from orchestrator.config import schema as configuration
from orchestrator.config.schema import MetaConfig
from orchestrator.sweep.settings import SweepSettings


def test_a_file_is_called_as_it_is_unless_it_says_otherwise(tmp_path):
    file = tmp_path / "mine.toml"
    file.write_text((configuration.PRESETS / "sinusoid.toml").read_text())
    assert configuration.load(str(file))[0].name == "mine"
    file.write_text("name = 'other'\n" + file.read_text())
    assert configuration.load(str(file))[0].name == "other"


@pytest.mark.parametrize("name", configuration.presets())
def test_a_preset_loads_as_itself(name):
    config, notes = configuration.load(name, NEEDED.get(name, []))
    assert config.name == name
    assert notes == []


def test_there_are_presets():
    assert {"sinusoid", "omniglot-5w1s", "omniglot-reptile-5w1s"} <= set(configuration.presets())


@pytest.mark.parametrize(
    "config",
    [
        *(configuration.load(n, NEEDED.get(n, []))[0] for n in configuration.presets()),
        changed(IMAGES, "task.path=['/a.zip', '/b.zip']", "runtime.xla=true", "outer.lr=0.1"),
        sinusoid('name="quote \\" and\\nline"', "outer.clip_norm=1e-30", "workers.count=auto"),
        sinusoid("evaluation.inner_lr=[0.1, 0.30000000000000004]", "workers.block_size=3"),
    ],
    ids=lambda config: config.name[:12],
)
def test_to_toml_and_back_is_the_same_configuration(tmp_path, config):
    file = tmp_path / "config.toml"
    file.write_text(configuration.to_toml(config))
    again, notes = configuration.load(str(file))
    assert again == config
    assert again.bits_hash() == config.bits_hash()
    assert notes == []


@pytest.mark.parametrize(
    ("mode", "meta_batch_size", "expected"),
    [
        ("vectorized", 1, 1),
        ("vectorized", 25, 25),
        ("vectorized", 512, 512),
        ("vectorized", 1000, 512),
        ("map", 1, 1),
        ("map", 8, 1),
        ("map", 9, 2),
        ("map", 32, 4),
        ("map", 1000, 125),
    ],
)
def test_the_block_size_follows_from_the_meta_batch_and_the_execution(
    mode, meta_batch_size, expected
):
    table = {**SINUSOID, "workers": {}}
    overrides = [f"runtime.execution={mode}", f"outer.meta_batch_size={meta_batch_size}"]
    assert changed(table, *overrides).block_size == expected
    assert changed(table, *overrides, "workers.block_size=5").block_size == 5


def test_the_number_of_actors_does_not_change_the_block_size():
    table = {**IMAGES, "workers": {}}
    counts = (0, 1, 7, "auto")
    sizes = {changed(table, f"workers.count={count}").block_size for count in counts}
    assert len(sizes) == 1


def test_the_worker_part_holds_what_an_actor_needs_and_no_more():
    config = changed(IMAGES)
    worker = config.worker
    assert set(type(worker).model_fields) == {"seed", "task", "model", "algorithm", "runtime"}
    assert (worker.task, worker.model, worker.seed) == (config.task, config.model, config.seed)
    assert worker.execution == config.execution


def test_the_configuration_is_immutable():
    with pytest.raises(ValueError, match="frozen"):
        sinusoid().outer.lr = 3.0


def whole_numbers_without_an_upper_bound(schema, where, bounds, seen):
    """Yield the places of a schema that accept a whole number of any size."""
    if get_origin(schema) is Annotated:
        first, *more = get_args(schema)
        for item in more:
            bounds = [*bounds, item, *getattr(item, "metadata", [])]
        yield from whole_numbers_without_an_upper_bound(first, where, bounds, seen)
    elif schema is int:
        if not any(isinstance(bound, Le | Lt) for bound in bounds):
            yield where
    elif isinstance(schema, type) and issubclass(schema, BaseModel):
        for name, field in () if schema in seen else schema.model_fields.items():
            seen.add(schema)
            place = f"{schema.__name__}.{name}"
            yield from whole_numbers_without_an_upper_bound(
                field.annotation, place, field.metadata, seen
            )
    else:
        bounds = bounds if get_origin(schema) in (Union, UnionType) else []
        for item in get_args(schema):
            yield from whole_numbers_without_an_upper_bound(item, where, bounds, seen)


@pytest.mark.parametrize("schema", [MetaConfig, SweepSettings], ids=lambda s: s.__name__)
def test_every_whole_number_has_an_upper_bound(schema):
    result = set(whole_numbers_without_an_upper_bound(schema, "", [], set()))
    assert result - {"PoolSettings.count"} == set()  # `parse_count` has one

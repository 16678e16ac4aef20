from types import NoneType, UnionType
from typing import Annotated, Any, Literal, Union, get_args, get_origin

import pytest
from annotated_types import Le, Lt
from pydantic import BaseModel
from small_configs import IMAGES, NEEDED, SINUSOID, changed, navigation, sinusoid

from orchestrator.config import schema as configuration
from orchestrator.config.schema import MetaConfig
from orchestrator.sweep.settings import SweepSettings

TEXT = ["task.kind=text", "task.path=a.csv"]
TABLE = ["task.kind=table", *NEEDED["table"]]
REFUSALS = [
    # overrides of the preset sinusoid -> what the one line must hold
    (["outer.stpes=5"], ["unknown key outer.stpes", "did you mean 'steps'", "meta_batch_size"]),
    (["outr.steps=5"], ["unknown key outr", "did you mean 'outer'", "algorithm, checkpoint"]),
    (["task.path=x.zip"], ["unknown key task.path", "allowed are amplitude, inputs, kind"]),
    (
        ["outer.steps=0"],
        ["outer.steps must be at least 1, got 0 (outer steps of the run, 1 to 10^9)"],
    ),
    (["outer.lr=-1"], ["outer.lr must be greater than 0", "got -1"]),
    (["outer.momentum=1.0"], ["outer.momentum must be less than 1", "got 1.0"]),
    (["outer.lr=nan"], ["outer.lr must be a finite number, got nan"]),
    (["outer.clip_norm=inf"], ["outer.clip_norm must be a finite number, got inf"]),
    (["outer.steps=many"], ["outer.steps must be a whole number, got 'many'"]),
    (["outer.steps=1.5"], ["outer.steps must be a whole number, got 1.5"]),
    (["outer.steps="], ["outer.steps must be a whole number, got ''"]),
    (["name=1"], ["name must be a text, in quotes, got 1"]),
    (["algorithm.first_order=maybe"], ["algorithm.first_order must be true or false, got 'maybe'"]),
    (
        ["outer.optimizer=adma"],
        ["outer.optimizer must be 'sgd', 'momentum', 'adam', 'adamw' or", "got 'adma'"],
    ),
    (["model.hidden=40"], ["model.hidden must be a list, in brackets, got 40"]),
    (["model.hidden=[40, 0]"], ["model.hidden[1] must be at least 1, got 0"]),
    (
        ["evaluation.inner_lr=[0.1, -2]"],
        ["evaluation.inner_lr[1] must be greater than 0", "got -2"],
    ),
    (["evaluation.inner_lr=[nan]"], ["evaluation.inner_lr[0] must be a finite number, got nan"]),
    (
        ["evaluation.inner_steps=[]"],
        ["evaluation.inner_steps must have at least 1 value, got []"],
    ),
    (
        ["evaluation.inner_steps=[1, 'x']"],
        ["evaluation.inner_steps[1] must be a whole number, got 'x'"],
    ),
    (
        ["evaluation.inner_steps=[1, x]"],
        ["evaluation.inner_steps must be a list, in brackets, got '[1, x]'"],
    ),
    (["outer.lr=true"], ["outer.lr must be a number, got True"]),
    (["outer.clip_norm=true"], ["outer.clip_norm must be a number, got True"]),
    (["workers.count=true"], ["workers.count must be 0 to 4096", "got True"]),
    (["task.amplitude=[1, 2, 3]"], ["task.amplitude must have at most 2 values, got [1, 2, 3]"]),
    (["task.amplitude=[5, 1]"], ["task.amplitude = [5, 1]", "low must be below high"]),
    (["task.amplitude=[nan, 1]"], ["task.amplitude[0] must be a finite number, got nan"]),
    (["task.kind=image"], ["task.kind = 'image'", "did you mean 'images'", "sinusoid, images"]),
    (["algorithm.kind=repitle"], ["algorithm.kind = 'repitle'", "did you mean 'reptile'"]),
    (["outer.lr.x=3"], ["outer.lr.x goes through lr", "no table"]),
    (
        ["outer.schedule.x=3"],
        ["outer.schedule must be 'constant', 'linear' or 'cosine', got {'x': 3}"],
    ),
    (["model.arguments={}"], ["unknown key model.arguments (it belongs to another model.kind)"]),
    (["outer.lr=1\nseed=2"], ["--set outer.lr: a value of several lines; give each key its own"]),
    (["outer.lr=1\n[task]\nshots=2"], ["--set outer.lr: a value of several lines"]),
    (["outer=5"], ["outer = 5", "table"]),
    (["task=[1]"], ["task = [1]", "table"]),
    (["outer..lr=3"], ["outer..lr: a dot must be between two names"]),
    (["outer.steps"], ["key=value", "'outer.steps'", "for example outer.steps=2000"]),
    (["=5"], ["key=value", "'=5'"]),
    (["workers.count=-1"], ["workers.count must be 0 to 4096", "got -1"]),
    (["workers.count=5000"], ["workers.count must be 0 to 4096", "got 5000"]),
    (["workers.count=most"], ["workers.count must be 0 to 4096, 'auto', or", "got 'most'"]),
    (["outer.warmup_steps=20000"], ["outer.warmup_steps = 20000", "below outer.steps = 15000"]),
    (["task.amplitude=[1]"], ["task.amplitude", "[1]"]),
    (["seed=1e400"], ["seed must be a whole number, got inf"]),
    (
        ["seed=99999999999999999999999"],
        ["seed must be less than 4294967296, got 99999999999999999999999"],
    ),
    (["model.kind=conv4"], ["model.kind = 'conv4'", "task.kind = 'sinusoid'", "use model.kind"]),
    (
        ["task.kind=images", "model.kind=conv4", "task.image_size=15"],
        ["task.image_size = 15", "conv4", "16 or more"],
    ),
    ([*TEXT, "task.label_column=text"], ["'text' is more than one of", "name different ones"]),
    ([*TEXT, "task.split_by=domains"], ["task.split_by = 'domains', but"]),
    ([*TABLE, 'task.feature_columns=["ppm"]'], ["task.feature_columns has 'ppm', which is"]),
    (
        ["algorithm.kind=joint", "evaluation.inner_batch=3"],
        ["evaluation.inner_batch = 3", "algorithm.kind = 'joint'", "unset it"],
    ),
]


def refusal(source: str, *overrides: str) -> str:
    with pytest.raises(ValueError) as refused:  # noqa: PT011
        configuration.load(source, overrides)
    assert refused.type is ValueError
    return str(refused.value)


@pytest.mark.parametrize(("overrides", "expected"), REFUSALS, ids=lambda x: " ".join(x)[:40])
def test_a_bad_override_gives_one_line_with_the_key_the_value_and_what_is_allowed(
    overrides, expected
):
    message = refusal("sinusoid", *overrides)
    assert "\n" not in message
    for part in expected:
        assert part in message


@pytest.mark.parametrize(
    ("source", "expected"),
    [
        ("sinsoid", ["no preset is called 'sinsoid'", "did you mean 'sinusoid'", "omniglot-5w1s"]),
        ("xyz", ["no preset is called 'xyz'; there are", "ends in .toml"]),
        ("", ["no preset is called ''"]),
        ("nowhere/run.toml", ["no such file: nowhere/run.toml"]),
    ],
)
def test_an_unknown_source_is_refused_with_what_there_is(source, expected):
    message = refusal(source)
    assert "\n" not in message
    for part in expected:
        assert part in message


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (b"a = = 1", "is not TOML: "),
        (b"\xff\xfe\x00", "is not TOML: "),
        (b"", "task.kind is missing; allowed are sinusoid, images"),
        (b"[task]\nshots = 3\n[model]\nkind = 'mlp'", "task.kind is missing; allowed are"),
        (b"task = 5\n[model]\nkind = 'mlp'\n[algorithm]\nkind = 'maml'", "task = 5 is not a table"),
    ],
)
def test_a_bad_file_gives_one_line(tmp_path, content, expected):
    file = tmp_path / "run.toml"
    file.write_bytes(content)
    message = refusal(str(file))
    assert expected in message
    assert "\n" not in message


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


def test_an_attribute_that_varies_in_two_ways_is_refused():
    both = "task.vary.gravity={choice=[5.0, 15.0], uniform=[5.0, 15.0]}"
    with pytest.raises(ValueError, match="give one of uniform, loguniform, choice"):
        configuration.load("cartpole", [both])


def test_a_file_is_called_as_it_is_unless_it_says_otherwise(tmp_path):
    file = tmp_path / "mine.toml"
    file.write_text((configuration.PRESETS / "sinusoid.toml").read_text())
    assert configuration.load(str(file))[0].name == "mine"
    file.write_text("name = 'other'\n" + file.read_text())
    assert configuration.load(str(file))[0].name == "other"


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


@pytest.mark.parametrize("name", configuration.presets())
def test_a_preset_loads_as_itself(name):
    config, notes = configuration.load(name, NEEDED.get(name, []))
    assert config.name == name
    assert notes == []


def test_all_that_a_preset_needs_is_told_at_once():
    missing = (
        r"^task\.path is missing \(a \.csv, \.tsv, \.parquet, \.arrow or \.feather file\); so are "
        r"task\.task_column and task\.target_column$"
    )
    with pytest.raises(ValueError, match=missing):
        configuration.load("table")
    with pytest.raises(ValueError, match=r"^task\.task_column is .*; so is task\.target_column$"):
        configuration.load("table", NEEDED["table"][:1])


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


WALKED = {
    "sinusoid-maml-mlp": sinusoid(),
    "sinusoid-reptile-linear": sinusoid("algorithm.kind=reptile", "model.kind=linear"),
    "images-maml-conv4": changed(IMAGES, "outer.schedule=cosine"),
    "images-joint-mlp": changed(IMAGES, "model.kind=mlp", "algorithm.kind=joint"),
    "navigation-maml-gaussian_mlp": navigation("outer.epochs=3"),
}
OF_POLICIES = {
    "outer.epochs",
    "outer.divergence_penalty",
    "evaluation.later_lr",
    "algorithm.later_lr",
}
OF_OTHERS = {"evaluation.inner_batch", "model.normalization", "runtime.non_finite"}
RESOLVED = {
    # These bits are what the setting resolves to, so the other value must resolve differently.
    "workers.block_size": lambda config: config.block_size + 1,
    "runtime.execution": lambda config: "map" if config.execution[0] != "map" else "vectorized",
    "runtime.xla": lambda config: not config.execution[1],
    # Together they are 1.
    "task.split_shares": lambda config: [0.5, 0.25, 0.25],
}


def other_value(annotation: Any, value: Any) -> Any:
    """A value of the field's kind that is not `value`."""
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
        acts = config.task.kind == "navigation"
        if key in OF_POLICIES and not acts:
            continue
        if key in OF_OTHERS and acts:
            continue
        if key == "model.statistics" and config.model.normalization != "batch":
            continue
        if key in RESOLVED:
            other = with_value(config, key, RESOLVED[key](config))
        else:
            other = with_value(config, key, other_value(field.annotation, value))
        assert other != config, key
        expected = field.json_schema_extra["bits"]
        if key == "outer.steps":
            expected = config.outer.schedule != "constant"
        assert (other.bits_hash() != config.bits_hash()) == expected, key
        seen.add(key)
    assert {"seed", "name", "outer.lr", "workers.count", "evaluation.tasks"} <= seen


def test_only_these_settings_declare_that_they_leave_the_weights_as_they_are():
    """Written out, since a wrong declaration would let a resume change the numbers."""
    declared = {
        key
        for config in WALKED.values()
        for key, field, _ in fields(config)
        if not field.json_schema_extra["bits"]
    }
    sections = {key for key in declared if key.startswith(("evaluation.", "checkpoint."))}
    assert declared - sections == {
        "name",
        "task.path",
        "task.split_file",
        "task.cache",
        "workers.count",
        "workers.reduction",
        "workers.cpus",
        "workers.gpus",
        "workers.max_failures",
        "workers.slow_after_s",
        "workers.start_limit_s",
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
    assert len(hashes) == len(WALKED) + 1


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
    """Places of a schema that take a whole number of any size."""
    if get_origin(schema) is Annotated:
        first, *more = get_args(schema)
        for each in more:
            bounds = [*bounds, each, *getattr(each, "metadata", [])]
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
        for each in get_args(schema):
            yield from whole_numbers_without_an_upper_bound(each, where, bounds, seen)


@pytest.mark.parametrize("schema", [MetaConfig, SweepSettings], ids=lambda s: s.__name__)
def test_every_whole_number_has_an_upper_bound(schema):
    found = set(whole_numbers_without_an_upper_bound(schema, "", [], set()))
    assert found - {"PoolSettings.count"} == set()  # `parse_count` has one


@pytest.mark.parametrize("key", ["evaluation.tasks", "outer.steps", "task.shots", "workers.count"])
def test_a_number_that_no_machine_has_room_for_is_refused_by_its_key(key):
    message = refusal("sinusoid", f"{key}=100000000000000000000")
    assert f"{key} must be " in message
    assert "got 100000000000000000000" in message


@pytest.mark.parametrize("source", [3, None, b"sinusoid", ["outer.steps=3"]])
def test_what_is_no_configuration_is_refused_in_words(source):
    with pytest.raises(TypeError, match=r"a configuration is a preset's name, a \.toml file, a "):
        configuration.load(source)

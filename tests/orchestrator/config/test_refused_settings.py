"""Settings and sources that are refused, with one line that says why."""

import pytest
from small_configs import NEEDED

from orchestrator.config import schema as configuration

TEXT = ["task.kind=text", "task.path=a.csv"]
TABLE = ["task.kind=table", *NEEDED["table"]]
IMAGES = ["task.kind=images", "model.kind=conv4", "task.image_size=28"]
APART = [*IMAGES, "task.mix=false", 'task.path=["a.zip", "b.zip"]']
REFUSALS = [
    # overrides of the preset sinusoid -> what the one line must hold
    (["outer.stpes=5"], ["unknown key outer.stpes", "did you mean 'steps'", "meta_batch_size"]),
    (["outr.steps=5"], ["unknown key outr", "did you mean 'outer'", "algorithm, checkpoint"]),
    (
        ["task.path=x.zip"],
        ["unknown key task.path", "allowed are amplitude, folder, imports, inputs, kind"],
    ),
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
        ["outer.schedule must be 'constant', 'linear', 'cosine' or 'staircase', got {'x': 3}"],
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
    (
        [*IMAGES, "task.mix=false", "task.path=a.zip"],
        ["task.mix = false draws each task from one of several", "task.path names one"],
    ),
    (
        [*IMAGES, "task.test_path=a.zip"],
        ["task.test_path is for", "set task.mix = false, or unset"],
    ),
    ([*IMAGES, "task.domain_weights=[1]"], ["task.domain_weights is for", "set task.mix = false"]),
    (
        [*APART, "task.domain_weights=[1]"],
        ["task.domain_weights has 1 number, but task.path names 2 data sets; give one for each"],
    ),
    ([*APART, "task.domain_weights=[1, 0]"], ["task.domain_weights[1] must be greater than 0"]),
    ([*APART, "task.test_path=c", "task.test_classes=5"], ["task.test_classes is not for task.te"]),
    ([*APART, "task.test_path=c", "task.split_file=d"], ["task.split_file is not for task.test_p"]),
    ([*TEXT, "task.label_column=text"], ["'text' is more than one of", "name different ones"]),
    ([*TEXT, "task.split_by=domains"], ["task.split_by = 'domains', but"]),
    ([*TABLE, 'task.feature_columns=["ppm"]'], ["task.feature_columns has 'ppm', which is"]),
    (
        ["runtime.micro_batch=2", "model.normalization=batch"],
        ["runtime.micro_batch = 2", "model.normalization = 'batch'", "'layer' or 'group'"],
    ),
    (
        ["runtime.inner_memory=less"],
        ["runtime.inner_memory", "'auto', 'store' or 'recompute'", "'less'"],
    ),
    (
        ["algorithm.multi_step_until=5"],
        ["algorithm.multi_step_until = 5", "set algorithm.multi_step = true", "unset it"],
    ),
    (
        ["algorithm.second_order_after=5", "algorithm.first_order=true"],
        ["algorithm.second_order_after = 5", "algorithm.first_order = true", "unset one of them"],
    ),
    (
        ["algorithm.step_affine=true"],
        ["algorithm.step_affine = true", "model.kind = 'mlp' has none", "or unset it"],
    ),
    (
        ["algorithm.step_statistics=true", "model.normalization=batch"],
        ["algorithm.step_statistics = true", "set model.statistics = 'running'"],
    ),
    (
        ["algorithm.kind=anil", "algorithm.step_affine=true", "model.normalization=batch"],
        ["unknown key algorithm.step_affine", "belongs to another algorithm.kind"],
    ),
    (
        ["algorithm.kind=imaml", "runtime.inner_memory=recompute"],
        ["runtime.inner_memory = 'recompute'", "algorithm.kind = 'imaml'", "use 'auto'"],
    ),
    (
        ["algorithm.kind=cavia", "model.kind=keras", "model.source=a:b"],
        ["algorithm.kind = 'cavia'", "model.kind = 'keras' does not take", "'mlp', 'conv4'"],
    ),
    (
        ["algorithm.kind=cavia", "model.normalization=batch"],
        ["model.normalization = 'batch'", "algorithm.kind = 'cavia'", "use 'layer' or 'none'"],
    ),
    (["algorithm.inner_clip=0"], ["algorithm.inner_clip", "greater than 0", "0"]),
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


def test_an_attribute_that_varies_in_two_ways_is_refused():
    both = "task.vary.gravity={choice=[5.0, 15.0], uniform=[5.0, 15.0]}"
    with pytest.raises(ValueError, match="give one of uniform, loguniform, choice"):
        configuration.load("cartpole", [both])


def test_all_that_a_preset_needs_is_told_at_once():
    missing = (
        r"^task\.path is missing \(a \.csv, \.tsv, \.parquet, \.arrow or \.feather file\); so are "
        r"task\.task_column and task\.target_column$"
    )
    with pytest.raises(ValueError, match=missing):
        configuration.load("table")
    with pytest.raises(ValueError, match=r"^task\.task_column is .*; so is task\.target_column$"):
        configuration.load("table", NEEDED["table"][:1])


@pytest.mark.parametrize("key", ["evaluation.tasks", "outer.steps", "task.shots", "workers.count"])
def test_a_number_that_no_machine_has_room_for_is_refused_by_its_key(key):
    message = refusal("sinusoid", f"{key}=100000000000000000000")
    assert f"{key} must be " in message
    assert "got 100000000000000000000" in message


@pytest.mark.parametrize("source", [3, None, b"sinusoid", ["outer.steps=3"]])
def test_what_is_no_configuration_is_refused_in_words(source):
    with pytest.raises(TypeError, match=r"a configuration is a preset's name, a \.toml file, a "):
        configuration.load(source)

"""The registries compared: a kind that is missing in one of them fails by its name."""

import inspect
import subprocess
import sys
from pathlib import Path
from typing import get_args

import pytest
from typer.main import get_command

from orchestrator.adaptation.readers.reader import Reader
from orchestrator.adaptation.readers.registry import READERS
from orchestrator.cli.app import app
from orchestrator.cli.registry import COMMANDS, _description
from orchestrator.config.kinds import KINDS
from orchestrator.config.schema import load
from orchestrator.jobs.submission import SUBMITTABLE
from orchestrator.reporting.pictures.registry import PICTURES, picture_of
from workers.algorithms.algorithm import Algorithm
from workers.losses.registry import LOSSES
from workers.models.model import Model
from workers.settings.algorithms import ALGORITHMS
from workers.settings.inputs import EVERYTHING, OBSERVATIONS, Inputs
from workers.settings.models import MODELS
from workers.settings.registry import named, records
from workers.settings.task import TaskRecord
from workers.settings.tasks import TASKS
from workers.tasks.family import TaskFamily

ROOT = Path(__file__).parents[1]
EVERY_KIND = [(section, kind) for section, found in KINDS.items() for kind in found]


# All sorts.


@pytest.mark.parametrize(("section", "kind"), EVERY_KIND)
def test_a_record_calls_itself_as_its_row_and_says_what_it_is(section, kind):
    record = KINDS[section][kind]
    assert record.model_fields["kind"].default == kind
    assert record.__doc__


def test_a_row_that_calls_a_record_otherwise_is_refused():
    with pytest.raises(ValueError, match="MlpModel says kind = 'mlp', its row 'other'"):
        records({"other": "workers.models.mlp:MlpModel"})


# Algorithms.


@pytest.mark.parametrize("kind", ALGORITHMS)
def test_an_algorithm_has_a_title_and_one_outer_gradient(kind):
    record = ALGORITHMS[kind]
    assert issubclass(record, Algorithm)
    assert [other.title for other in ALGORITHMS.values()].count(record.title) == 1
    assert record.has_outer_loss == (record.outer_loss is not Algorithm.outer_loss)
    assert record.has_outer_loss == (record.outer_gradient is Algorithm.outer_gradient)
    settings = {"inner_lr", "inner_loss"}
    assert record.closed_form or settings <= record.model_fields.keys()
    assert all(hasattr(record, name) for name in settings if record.closed_form)


@pytest.mark.parametrize("kind", ALGORITHMS)
def test_what_an_algorithm_has_no_use_for_is_a_setting(kind):
    evaluation = load("sinusoid")[0].evaluation
    assert ALGORITHMS[kind].no_evaluation.keys() <= type(evaluation).model_fields.keys()
    assert ALGORITHMS[kind].never_kept.keys() <= ALGORITHMS[kind].model_fields.keys()


# Models.


@pytest.mark.parametrize("kind", MODELS)
def test_a_model_takes_something_that_tasks_give_and_is_built(kind):
    record = MODELS[kind]
    assert issubclass(record, Model)
    assert record.takes
    assert record.takes <= EVERYTHING
    assert record.build is not Model.build
    assert record.execution[0] in ("map", "vectorized")
    assert not record.refusal or record.refusal.startswith("model.kind = ")


@pytest.mark.parametrize("inputs", get_args(Inputs))
def test_every_sort_of_inputs_is_given_and_taken(inputs):
    assert any(inputs in record.gives for record in TASKS.values())
    assert any(inputs in record.takes for record in MODELS.values())


# Families.


@pytest.mark.parametrize("kind", TASKS)
def test_a_family_has_a_class_a_reader_losses_and_pictures(kind):
    record = TASKS[kind]
    assert issubclass(record, TaskRecord)
    family = named(record.family)
    assert family.__module__.startswith("workers.tasks.")
    for name in [n for n in vars(TaskFamily) if not n.startswith("_") and n != "preparation"]:
        assert name in {*dir(family), *TaskFamily.__annotations__}, name
    assert record.reader in READERS
    assert set(record.pictures) <= PICTURES.keys()
    assert set(record.losses) <= LOSSES.keys()
    assert (record.gives == OBSERVATIONS) == (LOSSES[record.losses[0]].targets == "actions")
    scored = getattr(record, "scored", {LOSSES[name].targets for name in record.losses})
    assert {LOSSES[name].targets for name in record.losses} <= scored
    for name, told in (("loss", record.losses), ("picture", record.pictures)):
        assert getattr(family, name, told[0]) in told


@pytest.mark.parametrize("kind", TASKS)
def test_a_familys_settings_are_its_own_and_its_data_are_paths(kind):
    record = TASKS[kind]
    assert {"shots", "queries", *record.data} <= record.model_fields.keys()
    assert not record.unset_data or record.model_fields[record.data[0]].default is None


@pytest.mark.parametrize("kind", TASKS)
def test_a_familys_defaults_name_kinds_that_take_its_tasks(kind):
    record = TASKS[kind]
    model = MODELS[record.default_model({})["kind"]]
    algorithm = ALGORITHMS[record.defaults["algorithm"]["kind"]]
    assert record.gives & model.takes
    for schema, table in (
        (model, record.default_model({})),
        (algorithm, record.defaults["algorithm"]),
    ):
        assert table.keys() <= schema.model_fields.keys()
    assert record.defaults.get("task", {}).keys() <= record.model_fields.keys()
    assert {"meta_batch_size", "steps"} <= record.defaults["outer"].keys()
    assert {"inner_lr", "inner_steps"} <= record.defaults["evaluation"].keys()


# Readers, pictures, commands.


@pytest.mark.parametrize("name", READERS)
def test_a_reader_reads_for_some_family(name):
    reader = named(READERS[name])
    assert issubclass(reader, Reader)
    assert list(inspect.signature(reader).parameters) == ["task", "shapes"]
    assert name in [record.reader for record in TASKS.values()]


@pytest.mark.parametrize("name", PICTURES)
def test_a_picture_is_drawn_of_some_family(name):
    picture = picture_of(name)
    given = list(inspect.signature(picture.draw).parameters)
    assert given[:5] == ["episodes", "outputs", "inner_steps", "title", "words"]
    assert given[5:] in ([], ["unit"])  # of policies, which may count episodes
    assert picture.__doc__
    assert any(name in record.pictures for record in TASKS.values())


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_has_help_and_says_what_its_options_are(name):
    command = get_command(app).commands[name]
    assert command.name == name
    assert command.help
    assert all(option.help for option in command.params if option.name not in ("help", "id"))


@pytest.mark.parametrize("name", COMMANDS)
def test_the_list_of_commands_describes_each_as_its_own_help_does(name):
    assert _description(COMMANDS[name]) == get_command(app).commands[name].help


def test_the_list_of_commands_imports_none():
    code = (
        "import sys\nfrom orchestrator.cli.app import app\n"
        "app(['--help'], standalone_mode=False)\n"
        "print([name for name in sys.modules if name.endswith('_command')], "
        "'orchestrator.config.schema' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "greet" not in done.stdout
    assert all(name in done.stdout for name in COMMANDS)
    assert done.stdout.splitlines()[-1] == "['orchestrator.cli.typed_command'] False"


def test_what_is_submitted_is_a_command():
    assert SUBMITTABLE.keys() <= COMMANDS.keys()


def test_every_table_that_kinds_choose_is_known():
    assert KINDS == {"task": TASKS, "model": MODELS, "algorithm": ALGORITHMS}

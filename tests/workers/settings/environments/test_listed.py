"""Files of environments, and what a list of them may hold."""

import json

import pytest

from workers.settings.environments.gym_task import GymTask
from workers.settings.environments.listed import read_environments

TABLES = [{"id": "Pendulum-v1", "g": 9.5}, {"goal": [0.5, 1], "deep": {"a": True}}]
TOML = """
[[environments]]
id = "Pendulum-v1"
g = 9.5

[[environments]]
goal = [0.5, 1]
deep = { a = true }
"""


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("tasks.json", json.dumps(TABLES)),
        ("tasks.json", json.dumps({"environments": TABLES})),
        ("tasks.toml", TOML),
    ],
)
def test_a_file_is_the_list_that_it_holds(tmp_path, name, text):
    file = tmp_path / name
    file.write_text(text)
    assert read_environments(str(file)) == read_environments(TABLES) == TABLES
    settings = GymTask(environment="a:B", environments=str(file))
    file.unlink()
    assert GymTask.model_validate_json(settings.model_dump_json()) == settings
    assert settings == GymTask(environment="a:B", environments=TABLES)


@pytest.mark.parametrize(
    ("name", "text", "error"),
    [
        ("tasks.csv", "", "tasks.csv: give a list of tables .* or a .json or .toml file"),
        ("tasks.json", "[", "tasks.json: cannot be read"),
        ("tasks.toml", "[", "tasks.toml: cannot be read"),
        ("tasks.json", "{}", "tasks.json: holds dict, not a list of tables"),
        ("tasks.json", '["Pendulum-v1"]', r"tasks.json: \[0\] is str, not a table"),
        ("tasks.json", '[{"g": null}]', r"\[0\].g = None; give a finite number"),
        ("tasks.json", '[{"g": [1, NaN]}]', r"\[0\].g = \[1, nan\]; give a finite number"),
        ("tasks.json", '[{}, {"id": 3}]', r"\[1\].id = 3 is not the name of an environment"),
    ],
)
def test_a_file_of_anything_else_is_refused_in_a_line(tmp_path, name, text, error):
    (tmp_path / name).write_text(text)
    with pytest.raises(ValueError, match=error) as raised:
        read_environments(str(tmp_path / name))
    assert "\n" not in str(raised.value)


def test_a_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(ValueError, match=r"gone.json: cannot be read .*No such file"):
        read_environments(str(tmp_path / "gone.json"))

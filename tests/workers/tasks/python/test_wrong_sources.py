"""What `task.source` names and what it is given, in one line before anything is trained."""

import sys
from pathlib import Path

import pytest
from pydantic import ValidationError
from test_wrong_python_tasks import MANY, RETURN, X, refused
from user_tasks_module import body

from workers.settings.python_task import PythonTask
from workers.tasks.python.family import PythonFamily
from workers.user_code.files import files_of
from workers.user_code.modules import import_module


def test_the_module_and_the_function_must_be_there(write, tmp_path):
    table = write(body(X, RETURN))
    said = refused({**table, "source": "no_such_module:task"})
    assert said.startswith(f"the module 'no_such_module' of [task] is not in {tmp_path}")
    module = table["source"].partition(":")[0]
    said = refused({**table, "source": f"{module}:tsak"})
    assert said.endswith(f"{module} has no function or class 'tsak'; it has task")
    assert "an object of type dict, not a function" in refused(write("task = {}"))
    said = refused(write("task = {}", arguments={"height": 2}))
    assert "task.arguments = {'height': 2} are for a function or a class" in said
    said = refused({**table, "source": f"{module}.py:task"})
    assert said.endswith(f"nor installed; leave out .py: {module!r}")


def test_a_builtin_is_called_without_its_signature(write):
    # No signature tells what builtins such as this one take.
    assert "task 0 of the split 'train' raised TypeError" in refused(write("task = max"))


def test_modules_that_are_built_in_or_used_twice_have_no_file_of_their_own(write):
    table = write(body(X, RETURN))
    module = import_module(table["source"].partition(":")[0], table["folder"])
    module.other, module.built_in = module, sys
    assert files_of([module, module, sys], table["folder"]) == ([Path(module.__file__)], [])


def test_a_module_that_fails_is_named_with_its_line(write):
    said = refused(write("1 / 0"))
    assert "cannot be imported: ZeroDivisionError at own_tasks_" in said
    assert "line 6 (`1 / 0`): division by zero" in said
    assert "needs 'no_such_package', which is not there" in refused(write("import no_such_package"))


def test_a_module_of_that_name_from_elsewhere_is_not_taken_for_it(write, tmp_path):
    table = write(body(X, RETURN))
    PythonFamily(PythonTask(**table))
    other = tmp_path / "other"
    other.mkdir()
    module = table["source"].partition(":")[0]
    (other / f"{module}.py").write_text((tmp_path / f"{module}.py").read_text())
    said = refused({**table, "folder": str(other)})
    assert f"was imported from {tmp_path} before, and is another one than that in {other}" in said


def test_arguments_must_be_known(write):
    said = refused(write(body(X, RETURN), arguments={"height": 2}))
    assert "is called with (rng, split, shots, queries, height)" in said
    assert "unexpected keyword argument 'height'" in said
    made = "class task:\n    def task(self, rng, split, shots, queries):\n        pass\n"
    said = refused(write(made, arguments={"height": 2}))
    assert "cannot be made with (height=2): TypeError" in said


def test_a_class_needs_a_method_and_no_global_numbers(write):
    said = refused(write("class task:\n    pass\n"))
    assert "has no method `task` (rng, split, shots, queries), nor `tasks`" in said
    text = "class task:\n    def __init__(self):\n        self.scale = np.random.random()\n"
    text += "    def task(self, rng, split, shots, queries):\n        pass\n"
    assert "is made, and numbers are drawn from the global generator" in refused(write(text))


def test_a_class_makes_the_same_tasks_wherever_it_is_made(write):
    text = "class task:\n    def __init__(self):\n"
    text += "        self.scale = np.random.default_rng().random()\n"
    text += "    def task(self, rng, split, shots, queries):\n"
    text += f"        x = self.scale * rng.normal(size=(5, 2))\n        {RETURN}\n"
    assert "is another one the second time" in refused(write(text))


def test_a_batched_draw_is_repeated_too(write):
    text = f"calls = []\n{MANY}    calls.append(0)\n"
    text += "    x = rng.normal(size=(num_tasks, 3, 2)) + len(calls)\n    return (x, x), (x, x)\n"
    assert "is another one the second time" in refused(write(text, "tasks"))


@pytest.mark.parametrize("source", ["my_tasks", "my tasks:sines", "tasks.py:a()", ":a", "a:"])
def test_a_source_is_a_module_and_a_name(source):
    with pytest.raises(ValidationError, match="should be 'module:function' or 'module:Class'"):
        PythonTask(source=source)

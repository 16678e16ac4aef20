"""What is wrong with a user's tasks, in one line before anything is trained."""

import re

import numpy as np
import pytest
from user_tasks_module import body

from workers.settings.python_task import PythonTask
from workers.tasks.python.family import PythonFamily
from workers.wire.protocol import Draw

X = "x = rng.normal(size=(5, 2))"
RETURN = "return (x[:3], x[:3]), (x[3:], x[3:])"
MANY = "def tasks(rng, split, num_tasks, shots, queries):\n"

# text of the module -> what is said.
WRONG = {
    "returns nothing": (
        body("pass"),
        "task 0 of the split 'train' returned None (is there a return?), not ((x, y), (x, y))",
    ),
    "a pair": (body(X, "return x, x"), "returned a tuple of 2 (ndarray, ndarray), not ((x, y)"),
    "another signature": (
        "def task(rng, shots):\n    pass\n",
        "takes (rng, shots), but is called with (rng, split, shots, queries): too many positional",
    ),
    "another order": (
        "def task(split, rng, shots, queries):\n    pass\n",
        "takes (split, rng, shots, queries), but is called with (rng, split, shots, queries), in "
        "this order",
    ),
    "other shapes": (
        body("x = rng.normal(size=(rng.integers(4, 50), 2))", RETURN),
        "all tasks need as many examples, of one shape",
    ),
    "other shapes of examples": (
        body(X, "return (x[:3], x[:3]), (x[3:, :1], x[3:])"),
        "query x of examples of shape [1], the family's are [2]",
    ),
    "other shapes in another split": (
        body("x = rng.normal(size=(6 if split == 'test' else 5, 2))", RETURN),
        "tasks of the split 'test' have query inputs of shape [3, 2], those of 'train' [2, 2]",
    ),
    "objects": (
        body(X, "return (x[:3].astype(object), x[:3]), (x[3:], x[3:])"),
        "has a support x of dtype object, not of numbers",
    ),
    "ragged": (
        body(X, "return ([[1.0], [1.0, 2.0]], x[:2]), (x[3:], x[3:])"),
        "has a support x whose rows differ in length",
    ),
    "a dict": (
        body(X, "return (x[:3], {'a': x[:3]}), (x[3:], {'a': x[3:]})"),
        "has a dict as support y; dicts are for x alone",
    ),
    "a dict of other keys": (
        body(X, "return ({'a': x[:3]}, x[:3]), ({'b': x[3:]}, x[3:])"),
        "has a dict of b as query x, the first task a dict of a",
    ),
    "a dict in some tasks": (
        body(X, "return ({'a': x[:3]}, x[:3]), (x[3:], x[3:])"),
        "has no dict as query x, the first task a dict of a",
    ),
    "a dict of other shapes": (
        body(X, "return ({'a': x[:3]}, x[:3]), ({'a': x[3:, :1]}, x[3:])"),
        "has a query x of a [1], the first task one of a [2]",
    ),
    "a dict of other sizes": (
        body(X, "return ({'a': x[:3], 'b': x[:2]}, x[:3]), ({'a': x[3:], 'b': x[3:]}, x[3:])"),
        "has 2 examples in its support x['b'], but 3 in support x['a']",
    ),
    "ids below 0": (
        body(X, "i = np.arange(5) - 1", "return ({'a': i[:3]}, x[:3]), ({'a': i[3:]}, x[3:])"),
        "has whole numbers outside of 0 to 2^24 in its support x['a']",
    ),
    "keys that are no names": (
        body(X, "return ({0: x[:3]}, x[:3]), ({0: x[3:]}, x[3:])"),
        "with the keys [0]; keys are names of inputs",
    ),
    "a number": (
        body(X, "return (x[:3], 1.0), (x[3:], x[3:])"),
        "has a support y that is a single number",
    ),
    "NaN": (
        body(X, "x[4] *= np.inf if x[0, 0] < 0 else 1", RETURN),
        "in its query x, example 1; finite numbers of float32 are needed",
    ),
    "too large for float32": (body("x = np.full((5, 1), 1e300)", RETURN), "has 1e+300 in its supp"),
    "too large for int32": (
        body("x = np.full((5, 1), 2**40)", "return (x, x * 1.0), (x, x * 1.0)"),
        "has 1099511627776 in its support x, whole numbers of up to 2^31 - 1".replace(",", ";"),
    ),
    "the global generator of numpy": (
        body("x = np.random.normal(size=(5, 2))", RETURN),
        "is called, and numbers are drawn from the global generator of numpy.random",
    ),
    "the global generator of Python": (
        body("x = np.full((5, 1), random.random())", RETURN),
        "is called, and numbers are drawn from the global generator of random",
    ),
    "seeds the global generator": (
        body("np.random.seed(rng.integers(100))", X, RETURN),
        "or it is seeded: no task could be drawn again; draw from `rng`",
    ),
    "another one each time": (
        body("x = np.random.default_rng().normal(size=(5, 2))", RETURN),
        "task 3 of the split 'train' is another one the second time",
    ),
    "what was drawn before": (
        "calls = []\n" + body("calls.append(0)", X, "x[0] = len(calls)", RETURN),
        "keep nothing from one call to the next",
    ),
    "an array that is used again": (
        "x = np.zeros((5, 2))\n" + body("x[:] = rng.normal(size=(5, 2))", RETURN),
        "return new arrays",
    ),
    "an empty support set": (
        body(X, "return (x[:0], x[:0]), (x[3:], x[3:])"),
        "has an empty support set; return `shots` examples or more",
    ),
    "no queries": (body(X, "return (x, x), (x[:0], x[:0])"), "has an empty query set"),
    "x without y": (body(X, "return (x, x[:4]), (x, x)"), "5 examples in its support x, but 4 in"),
    "examples of nothing": (
        body("x = np.zeros((5, 0))", RETURN),
        "which hold no number",
    ),
    "one class": (
        body(X, "y = np.zeros(5, int)", "return (x[:3], y[:3]), (x[3:], y[3:])"),
        "has one class only in its support set (y = 0)",
    ),
    "labels from 1": (
        body(X, "y = np.array([1, 2, 1, 2, 1])", "return (x[:3], y[:3]), (x[3:], y[3:])"),
        "has the labels 1, 2 in its support set, not 0 to 1: number the classes",
    ),
    "a query's label": (
        body(X, "return (x[:3], np.array([0, 1, 1])), (x[3:], np.array([2, 0]))"),
        "has the label 2 in its query y; tasks have 2 classes, 0 to 1",
    ),
    "a class that is missing in some task": (
        body(X, "y = np.array([0, 1, int(x[0, 0] > 0) * 2])", "return (x[:3], y), (x[3:], y[:2])"),
        "in its",
    ),
    "two values for a class": (
        body(X, "y = np.array([[0, 1]] * 3)", "return (x[:3], y), (x[3:], y[:2])"),
        "has a support y of shape [3, 2]; classes are [examples]",
    ),
    "integers, then floats": (
        body(
            "x = np.arange(6).reshape(6, 1)",
            "x = x / 2 if split == 'test' else x",
            "return (x[:3], x[:3] * 1.0), (x[3:], x[3:] * 1.0)",
        ),
        "has a support x of float64, others of integers; return one type always",
    ),
    "classes, then values": (
        body(
            X,
            "y = np.array([0, 1, 1])",
            "y = y * 1.0 if split == 'test' else y",
            "return (x[:3], y), (x[3:], y[:2])",
        ),
        "has a support y of float64, not of classes 0, 1, ...; return integers",
    ),
    "one value, then two": (
        body(
            X,
            "y = x if split == 'test' else x[:, :1]",
            "return (x[:3], y[:3]), (x[3:], y[3:])",
        ),
        "has a support y of shape [3, 2]; values are [examples] or [examples, 1], as many in every",
    ),
    "a list of arrays": (
        body(X, "return [x, x, x, x, x]"),
        "returned a list of 5 (ndarray, ndarray, ndarray, ndarray, ...), not ((x, y), (x, y))",
    ),
    "a set": (body("return {1}"), "returned an object of type set, not ((x, y), (x, y))"),
    "an error": (
        body(X, "x[0] = 1 / (split != 'validation')", RETURN),
        "task 0 of the split 'validation' raised ZeroDivisionError at own_tasks_",
    ),
}


def refused(table):
    with pytest.raises(ValueError, match="task") as raised:
        PythonFamily(PythonTask(**table))
    assert "\n" not in str(raised.value)
    return str(raised.value)


@pytest.mark.parametrize("what", WRONG)
def test_wrong_tasks_are_refused_in_one_line(write, what):
    text, said = WRONG[what]
    assert said in refused(write(text))


def test_the_line_is_named(write):
    said = refused(write(WRONG["an error"][0]))
    assert re.search(r"at own_tasks_\d+\.py, line 8 \(`x\[0\] = 1 / \(split", said)
    assert said.endswith("division by zero")


def test_classes_for_a_named_loss_are_integers(write):
    said = refused(write(body(X, RETURN), loss="cross_entropy"))
    assert "has a support y of float64, not of classes 0, 1, ...; return integers" in said


def test_a_batched_draw_has_tasks_first(write):
    text = MANY + "    x = rng.normal(size=(num_tasks - 1, 3, 2))\n    return (x, x), (x, x)\n"
    said = refused(write(text, "tasks"))
    assert "their support x is of 31 tasks, not of num_tasks = 32, which is its first axis" in said
    text = MANY + "    x = rng.normal(size=(num_tasks, 3, 2))\n    x[2] = np.nan\n"
    assert "task 2 of the split 'train' has nan" in refused(
        write(text + "    return (x, x), (x, x)\n", "tasks")
    )
    text = MANY + "    raise KeyError('a')\n"
    assert "tasks 0 to 31 of the split 'train' raised KeyError at" in refused(write(text, "tasks"))


def test_columns_of_one_class_each_are_classes(write):
    text = body(X, "y = np.array([[0], [1], [1]])", "return (x[:3], y), (x[3:], y[:2])")
    family = PythonFamily(PythonTask(**write(text)))
    episode = family.build(family.sample(Draw(0, "train", 0), 0, 2, 3, 2))
    assert episode.support_targets.tolist() == [[0, 1, 1]] * 2


def test_large_numbers_are_finite(write):
    # Their squares are not, in float32.
    family = PythonFamily(PythonTask(**write(body("x = np.full((5, 2), 1e30)", RETURN))))
    episode = family.build(family.sample(Draw(0, "train", 0), 0, 1, 3, 2))
    assert np.isfinite(episode.support_inputs).all()

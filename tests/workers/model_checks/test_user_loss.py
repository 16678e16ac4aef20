"""A user's loss and metrics: what is refused before training, in one line, and what is not."""

import re

import pytest
from small_configs import SINUSOID, changed

from workers.model_checks.user_loss import check_loss
from workers.tasks.registry import make_family

TASKS = """
import tensorflow as tf


def task(rng, split, shots, queries):
    x = rng.normal(size=(shots + queries, 2))
    y = x.sum(axis=1) + rng.normal()
    return (x[:shots], y[:shots]), (x[shots:], y[shots:])


"""
SQUARES = "    errors = tf.square(outputs - targets)\n"
LOSS = f"def own(outputs, targets):\n{SQUARES}    return tf.reduce_mean(errors)\n"


def check(write, text, *overrides, **settings):
    """Check a module with a function `own`, which is the loss unless said otherwise."""
    table = write(TASKS + text, **settings)
    module = table["source"].partition(":")[0]
    own = {key: value.replace("MODULE", module) for key, value in settings.items()}
    own = own or {"loss": f"{module}:own"}
    if metric := own.pop("metric", ""):
        own["metrics"] = {"own": metric}
    table = {key: value for key, value in table.items() if key != "metric"} | own
    config = changed({**SINUSOID, "task": table}, *overrides)
    return check_loss(config.worker, make_family(config.task))


def body(*lines):
    return "def own(outputs, targets):\n" + "".join(f"    {line}\n" for line in lines)


WRONG = {
    "no such function": (
        "def other(outputs, targets):\n    pass\n",
        "has no function 'own'; it has",
    ),
    "a class": ("class own:\n    pass\n", "is a class, not a function of (outputs, targets)"),
    "a number": ("own = 3\n", "is an object of int, not a function of (outputs, targets)"),
    "another signature": (
        "def own(outputs):\n    pass\n",
        "takes (outputs), but is called with (outputs, targets): too many positional arguments",
    ),
    "Keras' order": (
        "def own(y_true, y_pred):\n    pass\n",
        "takes (y_true, y_pred), but is called with (outputs, targets), in this order",
    ),
    "a vector": (
        body("return tf.square(outputs - targets)"),
        "returned a tensor of shape [3, 1]; a loss is one number for all examples: end with",
    ),
    "nothing": (body("pass"), "returned None (is there a return?), not a tensor"),
    "a float": (body("return 1.0"), "returned an object of type float, not a tensor"),
    "of numpy": (
        body("return float(np.mean((outputs.numpy() - targets.numpy()) ** 2))"),
        "returned an object of type float, not a tensor",
    ),
    "float64": (
        body("return tf.reduce_mean(tf.cast(outputs, tf.float64))"),
        "returned a number of type float64; outputs are float32",
    ),
    "not a number": (
        body("return tf.reduce_mean(tf.math.log(-tf.square(outputs) - 1))"),
        "is nan for training task 0 at the initial weights; it must be finite there",
    ),
    "no gradient": (
        body("return tf.reduce_mean(tf.cast(tf.cast(outputs, tf.int32), tf.float32))"),
        "has no gradient with respect to outputs",
    ),
    "a constant": (body("return tf.reduce_mean(targets)"), "has no gradient with respect to outp"),
    "a gradient of 0": (
        body("return tf.reduce_mean(tf.sign(outputs - targets))"),
        "has a gradient of 0 with respect to outputs wherever it was looked at",
    ),
    "an infinite gradient": (
        body("return tf.reduce_mean(tf.sqrt(outputs - tf.stop_gradient(outputs)))"),
        "has a gradient that is not finite at the initial weights",
    ),
    "random": (
        body("noise = tf.random.normal(outputs.shape)", "return tf.reduce_mean(outputs * noise)"),
        "for the same outputs and targets: no run could be repeated",
    ),
    "a memory": (
        "seen = []\n"
        + body("seen.append(1)", "return tf.reduce_mean(tf.square(outputs)) * float(len(seen))"),
        "for the same outputs and targets: no run could be repeated",
    ),
    "raises": (
        body("return tf.reduce_mean(outputs) / (1 // 0)"),
        "raised ZeroDivisionError at own_tasks_",
    ),
    "no graph": (
        body("scale = float(tf.reduce_max(outputs))", "return tf.reduce_mean(outputs) * scale"),
        "cannot be made part of a graph for runtime.execution = 'map' and runtime.xla = false",
    ),
    "a wrong second derivative": (
        body(
            "mean, variance = tf.nn.moments(outputs - targets, axes=[0])",
            "return tf.reduce_sum(tf.square(mean) * tf.exp(variance) + tf.sqrt(variance + 1))",
        ),
        "has a missing or wrong second derivative, off by",
    ),
    "no second derivative": (
        body(
            "rates = tf.exp(outputs)",
            "return tf.reduce_mean(tf.math.igamma(rates, tf.square(targets) + 1))",
        ),
        "no second derivative (",
    ),
    "another value in a graph": (
        body(
            "factor = 2.0 if tf.inside_function() else 1.0",
            "return factor * tf.reduce_mean(tf.square(outputs - targets))",
        ),
        "gives another value or gradient where it is compiled for runtime.execution = 'map'",
    ),
    "a stopped gradient": (
        body(
            "errors = outputs - targets",
            "return tf.reduce_mean(tf.stop_gradient(tf.square(errors)) * tf.square(errors))",
        ),
        "algorithm.kind = 'maml' needs it; use other operations, or set algorithm.first_order",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_loss_is_refused_in_a_line(write, name):
    text, said = WRONG[name]
    with pytest.raises(ValueError, match=re.escape(said)) as refused:
        check(write, text)
    message = str(refused.value)
    assert message.startswith("task.loss = 'own_tasks_")
    assert "\n" not in message


def test_a_module_that_there_is_not_is_refused(write):
    with pytest.raises(ValueError, match=r"'no_such_module' of .task. is not in .* task.folder"):
        check(write, LOSS, loss="no_such_module:own")


@pytest.mark.parametrize("execution", ["map", "vectorized"])
def test_a_right_loss_passes_as_it_will_run(write, execution):
    assert check(write, LOSS, f"runtime.execution={execution}", "runtime.xla=true") == []


def test_what_has_no_second_derivative_is_enough_for_the_first_order(write):
    text, _ = WRONG["a stopped gradient"]
    assert check(write, text, "algorithm.first_order=true") == []
    text, _ = WRONG["a wrong second derivative"]
    assert check(write, text, "algorithm.kind=reptile") == []


def test_a_kinked_loss_is_right_beside_its_kinks(write):
    assert check(write, body("return tf.reduce_mean(tf.abs(outputs - targets))")) == []


def test_what_does_not_compute_in_float64_is_said_to_be_unchecked(write):
    lines = "tf.square(tf.cast(outputs, tf.float32) - tf.cast(targets, tf.float32))"
    (note,) = check(write, body(f"return tf.reduce_mean({lines})"))
    assert note.startswith("the second derivative of task.loss = ")
    assert "was not checked: it does not compute in float64" in note


METRICS = {
    "a vector": (
        body("return tf.abs(outputs - targets)"),
        "returned a tensor of shape [2, 1]; a metric is one number for all examples",
    ),
    "nothing": (body("pass"), "returned None (is there a return?), not a number"),
    "a tensor of text": (body("return tf.constant('a')"), "returned a tensor of type string, not"),
    "text": (body("return 'good'"), "returned an object of type str, not a number"),
    "not a number": (
        body("return tf.reduce_mean(tf.math.log(-tf.square(outputs) - 1))"),
        "is nan for training task 0",
    ),
    "random": (body("return tf.random.normal([])"), "no run could be repeated"),
    "no such function": ("other = 1\n", "has no function 'own'"),
    "no graph": (
        body("return float(tf.reduce_max(outputs))"),
        "cannot be made part of a graph",
    ),
}


@pytest.mark.parametrize("name", METRICS)
def test_a_wrong_metric_is_refused_in_a_line(write, name):
    text, said = METRICS[name]
    with pytest.raises(ValueError, match=re.escape(said)) as refused:
        check(write, text, metric="max:MODULE:own")
    assert str(refused.value).startswith("task.metrics.own = 'max:own_tasks_")
    assert "\n" not in str(refused.value)


def test_a_metric_needs_no_gradient_and_may_be_of_any_type(write):
    text = body("return tf.math.count_nonzero(outputs > targets)")
    assert check(write, text, metric="MODULE:own") == []


def test_metrics_of_a_likelihood_are_told_what_they_get(write):
    text = body("return tf.reduce_mean(outputs)")
    (note,) = check(write, text, metric="MODULE:own", loss="gaussian_nll")
    assert "get all outputs of negative log-likelihood in nats, 2 for each number" in note

"""A user's function may give other numbers of examples than it was asked for."""

import numpy as np
import pytest
from small_runs import in_process
from user_tasks_module import body

from orchestrator.config.schema import validate
from orchestrator.outer.blocks import held_out_blocks, train_blocks
from orchestrator.records.evaluation_protocol import protocol
from orchestrator.run.opening import open_family
from workers.settings.python_task import PythonTask
from workers.tasks.family import stated_sizes
from workers.tasks.python.family import PythonFamily
from workers.wire.protocol import Recipe

NUMBERS = body("x = rng.normal(size=(4 * shots + 7, 1))", "return (x[7:], x[7:]), (x[:7], x[:7])")
IN_ALL = body(  # shots and queries count the examples of all three classes
    "x = rng.normal(size=(shots + queries, 2))",
    "y = np.r_[np.arange(shots) % 3, np.arange(queries) % 3]",
    "return (x[:shots], y[:shots]), (x[shots:], y[shots:])",
)
UNEQUAL = body(
    "y = np.r_[np.zeros(5), 1, 2].astype(int)",
    "x = rng.normal(size=(7, 2))",
    "return (x, y), (x, y)",
)
AS_ASKED = body(
    "y = np.repeat(np.arange(3), 4 * shots)",
    "x = rng.normal(size=(len(y), 2))",
    "own = np.arange(len(y)) % 4 == 0",
    "return (x[own], y[own]), (x[: 3 * queries], np.repeat(np.arange(3), queries))",
)


def family_of(settings):
    return PythonFamily(PythonTask(**settings))


@pytest.mark.parametrize(
    ("text", "asked", "stated"),
    [
        (NUMBERS, (3, 2), (12, 7)),
        (NUMBERS, (5, 9), (20, 7)),
        (IN_ALL, (6, 9), (2, 3)),
        (IN_ALL, (3, 5), (1, "5 in all")),
        (UNEQUAL, (3, 2), ("7 in all", "7 in all")),
        (AS_ASKED, (3, 2), (3, 2)),
    ],
)
def test_what_is_stated_is_what_the_tasks_have(write, text, asked, stated):
    family = family_of(write(text, shots=3))
    assert stated_sizes(family, *asked) == stated
    assert stated_sizes(family, *asked) == stated


def test_notes_and_description_say_the_real_numbers(write):
    family = family_of(write(NUMBERS))
    assert any("12 examples for shots = 3; protocols say shots 12" in n for n in family.notes())
    assert (family.describe()["support_examples"], family.describe()["query_examples"]) == (12, 7)
    assert not any("protocols say" in note for note in family_of(write(AS_ASKED)).notes())


def config_of(settings, **tables):
    small = {"kind": "mlp", "hidden": [4]}, {"xla": False, "execution": "map"}
    table = {"task": settings, "model": small[0], "runtime": small[1], **tables}
    return validate({"workers": {"count": 0, "block_size": 2}, **table})


def test_a_protocol_has_the_numbers_of_training_and_of_tests(write):
    config = config_of(write(NUMBERS), evaluation={"shots": 10})
    validation = {"inner_steps": 1, "inner_lr": 0.1, "candidates": []}
    table = protocol(config, open_family(config), validation, [], False)
    assert (table["shots"], table["queries"]) == (40, 7)
    assert (table["shots_in_training"], table["queries_in_training"]) == (12, 7)


@pytest.mark.parametrize(("text", "number"), [(NUMBERS, 12), (IN_ALL, 3), (UNEQUAL, 7)])
def test_inner_batches_are_dealt_from_the_examples_that_there_are(write, text, number):
    config = config_of(
        write(text),
        algorithm={"kind": "reptile", "inner_lr": 0.1, "inner_steps": 40, "inner_batch": 2},
        outer={"optimizer": "sgd", "lr": 0.1, "meta_batch_size": 2, "steps": 1},
        evaluation={"inner_batch": 2},
    )
    launch = in_process(config)
    training = train_blocks(config, launch.family, 0)
    tested = held_out_blocks(config, launch.family, "test", 2, Recipe(0.1, 40))
    for block in (*training, *tested):
        assert set(np.unique(block.specs["batches"])) == set(range(number))
    assert launch.family.build(training[0].specs).support_inputs.shape[1] == number
    launch.pool.run(launch.initial_state().weights, training)


def test_a_function_without_so_many_examples_is_refused_before_anything_starts(write):
    text = body(
        "x = rng.permutation(8)[: shots + queries, None].astype(float)",
        "assert len(x) == shots + queries, 'there are 8'",
        "return (x[:shots], x[:shots]), (x[shots:], x[shots:])",
    )
    with pytest.raises(ValueError, match=r"raised AssertionError .*: there are 8") as raised:
        open_family(config_of(write(text), evaluation={"queries": 6}))
    assert str(raised.value).endswith("(drawn with shots = 3 and queries = 6)")
    assert "\n" not in str(raised.value)


def test_a_trial_states_the_numbers_without_its_test_tasks(write):
    text = body(
        "assert split != 'test' or shots == 3",
        "x = rng.normal(size=(4 * shots + 7, 1))",
        "return (x[7:], x[7:]), (x[:7], x[:7])",
    )
    assert stated_sizes(family_of(write(text)), 5, 2) == (20, 7)

"""A user's own function draws the tasks: the same ones, whatever is asked for with them."""

import re
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import small_python
from user_tasks_module import body

from workers.settings.python_task import PythonTask
from workers.tasks.python.default_model import look_at
from workers.tasks.python.family import PythonFamily
from workers.wire.errors import TaskError
from workers.wire.protocol import Draw, take

HERE = str(Path(small_python.__file__).parent)
EVERY = ["sines", "many_sines", "Blobs", "ManyBlobs"]


def family_of(name, **settings):
    return PythonFamily(PythonTask(source=f"small_python:{name}", folder=HERE, **settings))


def drawn(family, lo, hi, split="train", step=0, shots=3, queries=2):
    return family.build(family.sample(Draw(7, split, step), lo, hi, shots, queries))


def test_a_task_has_the_numbers_of_its_index():
    episode = drawn(family_of("sines"), 0, 3, step=5)
    rng = Draw(7, "train", 5).generator(2)
    (x, y), (query_x, query_y) = small_python.sines(rng, "train", 3, 2)
    for mine, theirs in zip(episode, (x, y, query_x, query_y), strict=True):
        assert mine.dtype == np.float32
        assert np.array_equal(mine[2], theirs.astype(np.float32))


def test_a_group_of_tasks_has_the_numbers_of_its_number():
    episode = drawn(family_of("many_sines", draw_together=4), 4, 7)
    rng = Draw(7, "train", 0).generator(1)
    (x, _), _ = small_python.many_sines(rng, "train", 4, 3, 2)
    assert np.array_equal(episode.support_inputs, x[:3].astype(np.float32))


@pytest.mark.parametrize("name", EVERY)
def test_tasks_do_not_depend_on_how_they_are_cut_nor_on_their_order(name):
    family = family_of(name, draw_together=4)
    specs = family.sample(Draw(7, "train", 2), 0, 11, 3, 2)
    whole = family.build(specs)
    pieces = [(8, 11), (0, 3), (6, 7), (3, 6), (7, 8)]
    for lo, hi in pieces:
        for mine, all_of_them in zip(family.build(take(specs, lo, hi)), whole, strict=True):
            assert np.array_equal(mine, all_of_them[lo:hi])
    twice = [5, 5, 0, 9]
    chosen = family.build({key: values[twice] for key, values in specs.items()})
    assert all(np.array_equal(a, b[twice]) for a, b in zip(chosen, whole, strict=True))
    later = drawn(family_of(name, draw_together=4), 9, 11, step=2)
    assert all(np.array_equal(a, b[9:11]) for a, b in zip(later, whole, strict=True))


@pytest.mark.parametrize("name", EVERY)
def test_splits_steps_and_seeds_have_tasks_of_their_own(name):
    family = family_of(name)
    first = drawn(family, 0, 2)
    others = [
        drawn(family, 0, 2, split="validation"),
        drawn(family, 0, 2, step=1),
        family.build(family.sample(Draw(8, "train", 0), 0, 2, 3, 2)),
    ]
    assert all(not np.array_equal(first[0], other[0]) for other in others)


def test_specs_are_a_few_whole_numbers_a_task():
    specs = family_of("sines").sample(Draw(7, "test", 0), 3, 8, 3, 2)
    assert sum(array.nbytes for array in specs.values()) <= 40 * 5
    assert all(len(array) == 5 and array.dtype.kind == "i" for array in specs.values())


def test_floats_are_regressed_and_whole_numbers_classified():
    family = family_of("sines")
    assert (family.loss, family.input_shape, family.num_outputs) == ("mse", (1,), 1)
    assert family.picture == "curves"
    family = family_of("Blobs", arguments={"classes": 4})
    assert (family.loss, family.input_shape, family.num_outputs) == ("cross_entropy", (2,), 4)
    assert family.picture == "confusion"
    episode = drawn(family, 0, 2)
    assert episode.support_targets.dtype == np.int32
    assert episode.support_targets.shape == (2, 12)
    assert family.protocol("test")["classes"] == 4


def test_a_loss_that_is_named_decides(write):
    text = body("x = rng.normal(size=(5, 2))", "return (x[:3], np.arange(3)), (x[3:], [0, 2])")
    family = PythonFamily(PythonTask(**write(text, loss="mse")))
    assert (family.loss, family.num_outputs) == ("mse", 1)
    assert drawn(family, 0, 1).query_targets.dtype == np.float32
    assert PythonFamily(PythonTask(**write(text))).loss == "cross_entropy"


def test_lists_and_single_numbers_are_taken(write):
    text = body("x = list(rng.random(5))", "return [(x[:3], x[:3]), (x[3:], x[3:])]")
    episode = drawn(PythonFamily(PythonTask(**write(text))), 0, 2)
    assert episode.support_inputs.shape == episode.support_targets.shape == (2, 3, 1)


def test_several_values_are_predicted(write):
    text = body("x = rng.normal(size=(5, 2))", "return (x[:3], x[:3]), (x[3:], x[3:])")
    family = PythonFamily(PythonTask(**write(text)))
    assert (family.num_outputs, family.picture) == (2, "predicted")


def test_pictures_keep_their_integers_and_get_a_network_for_images():
    family = family_of("pictures")
    assert family.input_shape == (16, 16, 1)
    assert drawn(family, 0, 1).support_inputs.dtype == np.int32
    task = {"kind": "python", "source": "small_python:pictures", "folder": HERE}
    assert PythonTask.default_model(task) == {"kind": "conv4"}
    assert PythonTask.default_model({**task, "source": "small_python:Blobs"})["kind"] == "mlp"
    assert look_at("{}") == ("mlp", False)  # what is wrong is said later
    tables = PythonTask.default_tables(task)
    assert tables["algorithm"]["inner_steps"] == 5
    regression = PythonTask.default_tables({**task, "source": "small_python:sines"})
    assert regression == PythonTask.defaults


def test_a_curve_is_drawn_through_more_queries_in_order():
    family = family_of("Blobs")
    specs = family.sample(Draw(7, "test", 0), 0, 2, 3, 2)
    assert family.showcase(specs) is specs
    family = family_of("sines")
    shown = family.build(family.showcase(family.sample(Draw(7, "test", 0), 0, 2, 3, 2)))
    assert (np.diff(shown.query_inputs[..., 0]) >= 0).all()
    assert shown.query_inputs.shape[1] == 100


def test_a_curve_keeps_its_queries_where_more_would_be_of_another_task(write):
    text = body(
        "x = rng.normal(size=(queries + shots, 1))",
        "assert queries < 100 or x[0] < 0, 'no more than that'",
        "return (x[queries:], x[queries:]), (x[:queries], x[:queries])",
    )
    family = PythonFamily(PythonTask(**write(text)))
    for index in range(4):
        specs = family.sample(Draw(7, "test", 0), index, index + 1, 3, 2)
        assert family.build(family.showcase(specs)).query_inputs.shape[1] == 2


def test_what_is_said_of_it():
    family = family_of("sines", arguments={"height": 2.0})
    assert family.protocol("test")["tasks_from"] == "small_python:sines"
    assert family.protocol("test")["arguments"] == {"height": 2.0}
    assert "differ by their draws only" in family.protocol("test")["splits"]
    assert family.describe()["drawn"] == "one by one"
    assert family_of("many_sines").describe()["drawn"] == "32 tasks at once"
    assert family.names(family.sample(Draw(7, "test", 0), 3, 5, 3, 2)) == ["task 3", "task 4"]


def test_notes_say_what_may_mislead(write):
    assert ["ignores `split`" in note for note in family_of("sines").notes()] == [True]
    # From the same numbers those of 'test' are others, those of 'validation' are not.
    (note,) = family_of("Blobs").notes()
    assert "tasks of 'validation' are those of 'train'" in note
    text = body("x = np.random.default_rng(0).random((5, 1))", "return (x, x), (x, x)")
    notes = PythonFamily(PythonTask(**write(text))).notes()
    assert any("the same task again and again" in note for note in notes)
    assert any("gives 5 examples for shots = 3" in note for note in notes)


def test_the_digest_is_of_the_code_of_what_it_uses_and_of_the_first_tasks(
    write, tmp_path, monkeypatch
):
    text = body("x = rng.normal(size=(5, 2))", "return (x[:3], x[:3]), (x[3:], x[3:])")
    digests = [PythonFamily(PythonTask(**write(text))).digest for _ in range(2)]
    assert digests[0] == digests[1]
    assert PythonFamily(PythonTask(**write(f"{text}# another\n"))).digest != digests[0]
    assert PythonFamily(PythonTask(**write(text, shots=4))).digest == digests[0]  # unheeded here
    of_helpers = []
    for helper in ("scale = 1.0\n", "scale = 1.0  # another\n"):
        module = write(helper)["source"].partition(":")[0]
        (tmp_path / f"{module}.py").rename(tmp_path / "own_helper.py")
        using = f"from own_helper import scale, __name__ as other\n{text}"
        monkeypatch.delitem(sys.modules, "own_helper", raising=False)
        own = PythonFamily(PythonTask(**write(f"import own_helper\n{using}")))
        of_helpers.append(own.digest)
    monkeypatch.delitem(sys.modules, "own_helper")
    assert of_helpers[0] != of_helpers[1]


def test_data_that_the_code_reads_are_in_the_digest_too(write, tmp_path):
    text = body(
        f"x = np.loadtxt({str(tmp_path / 'x.txt')!r})",
        "return (x[:3], x[:3]), (x[3:], x[3:])",
    )
    task = PythonTask(**write(text))
    digests = []
    for first in (0.0, 1.0):
        np.savetxt(tmp_path / "x.txt", np.arange(5) + first)
        digests.append(PythonFamily(task).digest)
    assert digests[0] != digests[1]


def test_a_task_that_is_wrong_later_is_named(write):
    text = body(
        "x = rng.normal(size=(5, 2))",
        "x[4, 1] = np.nan if x[0, 0] > 2.5 else 1",
        "return (x[:3], x[:3]), (x[3:], x[3:])",
    )
    family = PythonFamily(PythonTask(**write(text)))
    rows = [Draw(7, "train", 0).generator(i).normal(size=(5, 2))[0, 0] for i in range(1000)]
    index = next(i for i, value in enumerate(rows) if value > 2.5)
    with pytest.raises(
        TaskError, match=rf"task {index} \(step 0, split 'train', seed 7\) has nan in its query x"
    ):
        drawn(family, 0, 1000)


def test_what_the_function_raises_later_says_which_task_it_was(write):
    text = body(
        "x = rng.normal(size=(5, 2))",
        "assert split != 'test' or x[0, 0] < 2.5, 'too large'",
        "return (x[:3], x[:3]), (x[3:], x[3:])",
    )
    family = PythonFamily(PythonTask(**write(text)))
    with pytest.raises(TaskError) as raised:
        drawn(family, 0, 1000, split="test")
    line, *trace = str(raised.value).splitlines()
    assert re.search(r"own_tasks_\d+:task': task \d+ \(step 0, split 'test', seed 7\) raised", line)
    assert "AssertionError at own_tasks_" in line
    assert "line 8 (`assert split != 'test'" in line
    assert line.endswith(": too large")
    assert [row.strip() for row in trace][1].startswith("assert split")


@pytest.mark.parametrize("name", ["with_covariate", "many_with_covariate"])
def test_dicts_of_inputs_are_packed_and_known_by_name(name):
    family = family_of(name)
    assert family.input_shape == (7,)
    assert family.preparation == {"parts": [["series", [6, 1], False], ["site", [1], True]]}
    assert family.describe()["example"] == "series [6, 1], site [1]"
    episode = drawn(family, 0, 3)
    assert episode.support_inputs.shape == (3, 3, 7)
    sites = episode.support_inputs[..., 6]
    assert set(np.unique(sites)) <= {0.0, 1.0, 2.0, 3.0}
    one = drawn(family, 2, 3)
    assert all(np.array_equal(a[0], b[2]) for a, b in zip(one, episode, strict=True))


def test_the_order_of_a_dicts_keys_does_not_matter(write):
    keys = "keys = ['b', 'a'] if rng.random() < 0.5 else ['a', 'b']"
    x = "x = {key: np.full((3, 1), float(key == 'b')) for key in keys}"
    family = PythonFamily(PythonTask(**write(body(keys, x, "return (x, x['a']), (x, x['a'])"))))
    assert (drawn(family, 0, 20).support_inputs == [0.0, 1.0]).all()


def test_two_threads_never_call_the_function_at_once():
    family, inside, together = family_of("many_sines", draw_together=2), threading.Lock(), []
    call = family._draws._drawer.call

    def alone(*arguments):
        together.append(not inside.acquire(blocking=False))
        time.sleep(0.002)
        inside.release()
        return call(*arguments)

    family._draws._drawer = replace(family._draws._drawer, call=alone)
    with ThreadPoolExecutor(4) as threads:
        found = list(threads.map(lambda step: drawn(family, 0, 2, step=step % 3), range(12)))
    assert not any(together)
    for step, episode in enumerate(found):
        expected = drawn(family_of("many_sines", draw_together=2), 0, 2, step=step % 3)
        assert all(np.array_equal(a, b) for a, b in zip(episode, expected, strict=True))

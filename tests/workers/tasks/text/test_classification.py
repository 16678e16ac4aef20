import numpy as np
import pytest
from small_texts import rows_of, write

from workers.settings.text_tasks import TextTask
from workers.tasks.registry import make_family
from workers.wire.errors import DataError
from workers.wire.protocol import Draw, take

DRAW = Draw(seed=3, split="train", step=7)


@pytest.fixture
def make(tmp_path):
    """A family over 12 classes of 8 texts: 6 / 3 / 3 classes."""
    path = write(tmp_path / "a.csv", rows_of())

    def make_with(**changes):
        common = {"path": str(path), "ways": 3, "shots": 2, "queries": 3}
        splits = {"train_classes": 6, "validation_classes": 3, "test_classes": 3}
        return make_family(TextTask(**{**common, **splits, **changes}))

    return make_with


def test_the_same_task_for_the_same_seed_step_and_index(make):
    family = make()
    whole, part = family.sample(DRAW, 0, 10, 2, 3), family.sample(DRAW, 4, 7, 2, 3)
    for name, values in take(whole, 4, 7).items():
        np.testing.assert_array_equal(part[name], values)


def test_no_text_is_in_support_and_query(make):
    specs = make().sample(DRAW, 0, 50, 2, 3)
    rows = np.concatenate([specs["support_rows"], specs["query_rows"]], axis=-1)
    for task in rows:
        assert len(np.unique(task)) == task.size


def test_classes_of_a_task_are_different_and_of_its_split(make):
    family = make()
    drawn = {}
    for split in ("train", "validation", "test"):
        classes = family.sample(Draw(3, split, 7), 0, 200, 2, 3)["classes"]
        assert all(len(set(task)) == 3 for task in classes.tolist())
        drawn[split] = set(classes.ravel().tolist())
    assert [len(drawn[split]) for split in drawn] == [6, 3, 3]
    assert len(set.union(*drawn.values())) == 12


def test_an_episode_holds_the_ids_of_what_its_texts_say(make):
    family = make()
    specs = family.sample(DRAW, 0, 2, 2, 3)
    episode, display = family.build(specs), family.display_text(specs)
    assert episode.support_inputs.shape == (2, 6, *family.input_shape)
    assert episode.query_targets.tolist() == [[0, 0, 0, 1, 1, 1, 2, 2, 2]] * 2
    for task in range(2):
        for text, ids in zip(display[task].queries, episode.query_inputs[task], strict=True):
            assert family.build(specs).query_inputs.dtype == np.int32
            assert 0 <= ids.min() <= ids.max() < family.num_tokens
            assert np.count_nonzero(ids) > 10, text
        for text, target, options in zip(
            display[task].queries,
            episode.query_targets[task],
            display[task].query_options,
            strict=True,
        ):
            assert options[target].removeprefix("want_") in text


def test_texts_that_differ_have_other_ids(make):
    family = make()
    episode = family.build(family.sample(DRAW, 0, 1, 2, 3))
    assert len(np.unique(episode.query_inputs[0], axis=0)) == 9


def test_the_vocabulary_holds_nothing_that_training_classes_do_not_say(make):
    family = make()
    vocabulary = set(family.preparation["tokens"]["vocabulary"])
    specs = {s: family.sample(Draw(0, s, 0), 0, 50, 2, 3) for s in ("train", "test")}
    words_of = {
        split: {options for said in family.display_text(found) for options in said.query_options[0]}
        for split, found in specs.items()
    }
    named = {name.removeprefix("want_") for name in words_of["test"]}
    assert not named & vocabulary
    assert {name.removeprefix("want_") for name in words_of["train"]} <= vocabulary


def test_global_labels_count_training_classes(make):
    family = make()
    specs = family.sample(DRAW, 0, 100, 2, 3)
    labels = family.build(specs, global_labels=True).query_targets
    assert set(labels.ravel().tolist()) == set(range(6))
    assert family.num_train_classes == 6


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"ways": 7}, r"task.ways = 7, but the train split has 6 classes"),
        ({"max_tokens": 3}, r"row \d+ has \d+ ngrams, the model takes 3"),
        ({"train_classes": 20}, r"task.train_classes = 20 .* but the source has 12 classes"),
    ],
)
def test_what_is_wrong_is_named(make, changes, match):
    with pytest.raises(DataError, match=match):
        make(**changes)


def test_a_held_out_task_of_more_classes_than_its_split_has_is_refused(make):
    family = make(ways=4)
    with pytest.raises(DataError, match=r"a task of 4 classes, but the test split has 3 to choose"):
        family.sample(Draw(0, "test", 0), 0, 0, 2, 3)
    assert family.sample(Draw(0, "test", 0), 0, 1, 2, 3, ways=3)["classes"].shape == (1, 3)


def test_a_class_with_too_few_texts_for_an_evaluation_is_named(make):
    with pytest.raises(DataError, match=r"the class 'want_\w+' has 8 different texts"):
        make().sample(DRAW, 0, 1, 5, 4)


def test_other_texts_splits_or_vocabularies_have_another_digest(make):
    digests = {
        make().digest,
        make(split_seed=1).digest,
        make(buckets=5).digest,
        make(train_classes=5).digest,
    }
    assert len(digests) == 4
    assert make().digest in digests


def test_the_protocol_says_how_texts_were_split(make):
    table = make(split_by="classes").protocol("test")
    assert (table["tasks_from"], table["split_by"], table["classes"]) == ("a.csv", "classes", 3)


def test_a_task_is_called_by_its_classes(make):
    family = make()
    specs = family.sample(DRAW, 0, 5, 2, 3)
    expected = [", ".join(words.query_options[0]) for words in family.display_text(specs)]
    assert family.names(specs) == expected

import numpy as np
import pytest
from small_texts import rows_of, write

from workers.settings.text_tasks import MatchingTask
from workers.tasks.registry import make_family
from workers.wire.errors import DataError
from workers.wire.protocol import Draw, take

DRAW = Draw(seed=3, split="train", step=7)


@pytest.fixture
def make(tmp_path):
    """A family over 6 domains of 4 classes of 8 texts."""
    path = write(tmp_path / "a.csv", rows_of(num_classes=24, num_domains=6))

    def make_with(**changes):
        common = {"path": str(path), "candidates": 3, "shots": 2, "queries": 3}
        splits = {"train_domains": 3, "validation_domains": 1, "test_domains": 2}
        return make_family(MatchingTask(**{**common, **splits, **changes}))

    return make_with


def far_rows():
    """Of another domain, and other texts."""
    return [(f"other {text}", label, "far") for text, label, _ in rows_of(num_classes=5)]


def test_the_same_task_for_the_same_seed_step_and_index(make):
    family = make()
    whole, part = family.sample(DRAW, 0, 10, 2, 3), family.sample(DRAW, 4, 7, 2, 3)
    for name, values in take(whole, 4, 7).items():
        np.testing.assert_array_equal(part[name], values)


def test_the_right_candidate_means_the_same_and_is_another_text(make):
    family = make()
    specs = family.sample(DRAW, 0, 50, 2, 3)
    episode = family.build(specs)
    for said, targets in zip(family.display_text(specs), episode.query_targets, strict=True):
        for text, options, target in zip(said.queries, said.query_options, targets, strict=True):
            assert options[target] != text
            assert options[target].split()[2] == text.split()[2]
            others = [o.split()[2] for i, o in enumerate(options) if i != target]
            assert text.split()[2] not in others
            assert len(set(others)) == 2


def test_the_right_one_stands_in_every_place(make):
    places = make().sample(DRAW, 0, 100, 2, 3)["query_places"]
    shares = np.bincount(places.ravel(), minlength=3) / places.size
    assert shares.min() > 0.25
    assert shares.max() < 0.42


def test_a_task_is_of_one_domain_and_queries_share_no_text_with_the_support_set(make):
    specs = make().sample(DRAW, 0, 50, 2, 3)
    for task in range(50):
        assert len({int(c) % 6 for c in _class_numbers(specs["classes"][task])}) == 1
        support, query = specs["support_rows"][task], specs["query_rows"][task]
        assert not set(support.ravel()) & set(query.ravel())


def _class_numbers(classes):
    """From the place among sorted names back to the order in which they were made."""
    names = sorted({label for _, label, _ in rows_of(num_classes=24, num_domains=6)})
    made = list(dict.fromkeys(label for _, label, _ in rows_of(num_classes=24, num_domains=6)))
    return [made.index(names[int(c)]) for c in classes]


def test_shapes_and_types(make):
    family = make()
    episode = family.build(family.sample(DRAW, 0, 2, 2, 3))
    assert episode.support_inputs.shape == (2, 6, *family.input_shape)
    assert episode.query_inputs.shape == (2, 9, 4, family.input_shape[1])
    assert {array.dtype for array in episode} == {np.dtype(np.int32)}
    assert (family.loss, family.num_outputs, family.num_train_classes) == ("ranking", 3, None)


def test_test_tasks_may_come_from_another_file(make, tmp_path):
    family = make(test_path=str(write(tmp_path / "b.csv", far_rows())))
    said = family.display_text(family.sample(Draw(3, "test", 0), 0, 5, 2, 3))
    assert all(text.startswith("other ") for one in said for text in one.queries)
    train = family.display_text(family.sample(DRAW, 0, 5, 2, 3))
    assert not any(text.startswith("other ") for one in train for text in one.queries)
    assert family.protocol("test")["tasks_from"] == "b.csv"
    assert family.protocol("test")["domains"] == "far"
    assert family.digest != make().digest


def test_the_vocabulary_holds_nothing_that_training_domains_do_not_say(make):
    family = make(tokens="words")
    trained = set(" ".join(family.training_texts()).split())
    words = set(family.preparation["tokens"]["vocabulary"])
    others = {text.split()[2] for text, _, _ in rows_of(num_classes=24, num_domains=6)} - trained
    assert {"please", "bring"} <= words
    assert len(others) == 12
    assert not words & others


def test_texts_that_training_sees_are_not_tested_on(make, tmp_path):
    rows = rows_of(num_classes=24, num_domains=6)
    trained = [(text.title(), label, domain) for text, label, domain in rows]
    repeated = [(text.upper(), label, "far") for text, label, _ in rows[:16]]
    family = make(
        path=str(write(tmp_path / "c.csv", trained)),
        test_path=str(write(tmp_path / "b.csv", [*far_rows(), *repeated])),
    )
    said = family.display_text(family.sample(Draw(3, "test", 0), 0, 50, 2, 3))
    assert all(text.startswith("other ") for one in said for text in one.queries)
    assert family.protocol("test")["seen_in_training"] == 16
    assert "seen_in_training" not in family.protocol("train")


def test_a_domain_that_training_sees_is_not_tested_on(make, tmp_path):
    rows = [(text, label, "domain4") for text, label, _ in far_rows()]
    match = r"b.csv: row 0 is of the domain 'domain4', which .*a.csv has too"
    with pytest.raises(DataError, match=match):
        make(test_path=str(write(tmp_path / "b.csv", rows)))


def test_a_class_may_be_too_small_once_seen_texts_are_gone(make, tmp_path):
    trained = [(text, "all seen", "far") for text, _, _ in rows_of(num_classes=1)]
    other = str(write(tmp_path / "b.csv", [*far_rows(), *trained]))
    with pytest.raises(DataError, match=r"b.csv: the class 'all seen' has 0 different texts"):
        make(test_path=other).sample(Draw(3, "test", 0), 0, 5, 2, 3)
    assert make(test_path=other, small_classes="leave_out").protocol("test")["domains"] == "far"


def test_a_test_file_that_is_not_there_is_blamed_on_its_own_key(make, tmp_path):
    with pytest.raises(DataError, match=r"task.test_path"):
        make(test_path=str(tmp_path / "no.csv"))


def test_where_another_file_is_tested_on_more_domains_are_trained_on(make, tmp_path):
    other = str(write(tmp_path / "b.csv", far_rows()))
    trained = [
        set(family.sample(DRAW, 0, 200, 2, 3)["classes"].ravel())
        for family in (make(), make(test_path=other))
    ]
    assert [len(classes) for classes in trained] == [12, 20]


def test_what_is_left_out_need_not_be_in_the_file_that_is_tested_on(make, tmp_path):
    rows = [(f"other {text}", f"new {label}", "far") for text, label, _ in rows_of(num_classes=5)]
    other = str(write(tmp_path / "b.csv", rows))
    family = make(leave_out=["want_apple0"], small_classes="leave_out", test_path=other)
    assert family.protocol("test")["domains"] == "far"
    with pytest.raises(DataError, match="leave_out names 'want_nothing', which is not a class of"):
        make(leave_out=["want_nothing"], test_path=other)


@pytest.mark.parametrize(
    ("changes", "match"),
    [
        ({"candidates": 5}, r"task.candidates = 5, but no domain of the train split of .* than 4"),
        ({"train_domains": 6}, r"task.train_domains = 6 .* but the source has 6 domains"),
    ],
)
def test_what_is_wrong_is_named(make, changes, match):
    with pytest.raises(DataError, match=match):
        make(**changes)


def test_domains_of_a_split_file_are_taken(make, tmp_path):
    file = tmp_path / "split.json"
    file.write_text(
        '{"train": ["domain0", "domain1"], "validation": ["domain2"], "test": ["domain5"]}'
    )
    described = make(
        split_file=str(file), train_domains=None, validation_domains=None, test_domains=None
    ).describe()
    assert (described["train_domains"], described["test_domains"]) == (
        ["domain0", "domain1"],
        ["domain5"],
    )


def test_a_task_is_called_by_its_domain(make):
    family = make()
    domain_of = {text: domain for text, _, domain in rows_of(num_classes=24, num_domains=6)}
    specs = family.sample(DRAW, 0, 9, 2, 3)
    for name, words in zip(family.names(specs), family.display_text(specs), strict=True):
        assert {domain_of[text] for text in (*words.support, *words.queries)} == {name}

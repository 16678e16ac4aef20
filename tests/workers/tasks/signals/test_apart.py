import itertools

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from workers.tasks.signals.apart import Apart, deal_together

SIZES = st.lists(st.integers(1, 5), min_size=1, max_size=6)


def parts_of(sizes):
    """The examples of recordings of these sizes; an example's number says its recording."""
    rows = np.arange(sum(sizes), dtype=np.int32)
    return np.split(rows, np.cumsum(sizes)[:-1]), np.repeat(np.arange(len(sizes)), sizes)


def can_be_dealt(sizes, shots, queries):
    """By trying all ways."""
    return any(
        sum(chosen) >= shots and sum(sizes) - sum(chosen) >= queries
        for number in range(1, len(sizes))
        for chosen in itertools.combinations(sizes, number)
    )


@given(SIZES, st.integers(1, 8), st.integers(1, 8), st.integers(0, 10))
def test_no_recording_is_on_both_sides_and_what_can_be_dealt_is(sizes, shots, queries, seed):
    parts, recording = parts_of(sizes)
    apart = Apart(parts)
    assert apart.holds(shots, queries) == can_be_dealt(sizes, shots, queries)
    if apart.holds(shots, queries):
        support, query = apart.draw(np.random.default_rng(seed), shots, queries)
        assert (len(set(support)), len(set(query))) == (shots, queries)
        assert not set(recording[support]) & set(recording[query])


def test_recordings_are_dealt_out_by_what_each_side_needs():
    """All examples of a class are in use: eight of ten recordings are for four fifths of them."""
    apart = Apart(parts_of([3] * 10)[0])
    rng = np.random.default_rng(0)
    sides = [tuple(map(len, apart._random_sides(rng, 4, 1))) for _ in range(20)]
    assert set(sides) == {(24, 6)}


def test_whole_signals_are_drawn_evenly():
    apart, rng = Apart(parts_of([1] * 6)[0]), np.random.default_rng(0)
    drawn = [apart.draw(rng, 2, 1) for _ in range(3000)]
    for side, number in ((0, 2), (1, 1)):
        counts = np.bincount(np.concatenate([each[side] for each in drawn]), minlength=6)
        np.testing.assert_allclose(counts, 3000 * number / 6, rtol=0.1)


def test_in_time_support_is_of_the_first_part():
    early, late = np.arange(3, dtype=np.int32), np.arange(3, 8, dtype=np.int32)
    apart = Apart([early, late], is_cut=True)
    assert apart.holds(3, 5)
    assert not apart.holds(4, 1)
    support, query = apart.draw(np.random.default_rng(0), 3, 5)
    assert (set(support), set(query)) == (set(early), set(late))


@pytest.mark.parametrize("sizes", [[], [7]])
def test_one_recording_cannot_be_dealt(sizes):
    assert not Apart([np.arange(size, dtype=np.int32) for size in sizes]).holds(1, 1)


@given(
    st.lists(st.lists(st.integers(0, 4), min_size=4, max_size=4), min_size=2, max_size=3),
    st.integers(1, 4),
    st.integers(1, 4),
    st.integers(0, 10),
)
def test_recordings_of_several_classes_are_dealt_out_once_if_they_can_be(sizes, few, more, seed):
    table = np.array(sizes)  # [classes, recordings]
    offsets = np.cumsum([0, *table.ravel()])
    recording = np.repeat(np.tile(np.arange(4), len(table)), table.ravel())
    classes = []
    for number, row in enumerate(table):
        starts = offsets[4 * number : 4 * number + 5]
        parts = [np.arange(*starts[i : i + 2], dtype=np.int32) for i in np.flatnonzero(row)]
        classes.append(Apart(parts, recordings=[f"r{i}" for i in np.flatnonzero(row)]))
    ways = np.array(list(itertools.product([0, 1], repeat=4)))
    can_be = ((table @ ways.T >= few) & (table @ (1 - ways).T >= more)).all(0).any()
    needed = [few] * len(table), [more] * len(table)
    sides = deal_together(np.random.default_rng(seed), classes, *needed)
    assert (sides is not None) == can_be
    if sides is not None:
        support, query = (np.concatenate(each) for each in zip(*sides, strict=True))
        assert not set(recording[support]) & set(recording[query])
        assert len(support) + len(query) == table.sum()
        assert all(len(told) >= few and len(asked) >= more for told, asked in sides)

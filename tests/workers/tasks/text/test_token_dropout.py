"""task.token_dropout: what training tasks see, and that other tasks see whole texts."""

import numpy as np
import pytest
from small_configs import changed
from small_texts import rows_of, write

from workers.settings.text_tasks import TextTask
from workers.tasks.registry import make_family
from workers.tasks.text.token_dropout import leave_out
from workers.wire.protocol import Draw, take

TRAIN = Draw(seed=3, split="train", step=7)


@pytest.fixture
def make(tmp_path):
    """A family over 12 classes of 8 texts: 6 / 3 / 3 classes."""
    path = write(tmp_path / "a.csv", rows_of())
    splits = {"train_classes": 6, "validation_classes": 3, "test_classes": 3}
    common = {"path": str(path), "ways": 3, "shots": 2, "queries": 3, **splits}
    return lambda rate: make_family(TextTask(**common, token_dropout=rate))


def test_a_share_of_the_tokens_is_left_out_and_no_text_is_empty():
    ids = np.arange(1, 200 * 40 + 1, dtype=np.int32).reshape(200, 40)
    ids[0, 1:] = 0
    seen = leave_out(ids, 5, 0.5)
    assert seen.dtype == np.int32
    assert ((seen == ids) | (seen == 0)).all()
    assert 0.45 < (seen[1:] != 0).mean() < 0.55
    assert (seen != 0).any(-1).all()
    assert seen[0, 0] == 1
    assert (leave_out(ids, 5, 0.5) == seen).all()
    assert (leave_out(ids, 6, 0.5) != seen).any()


def test_a_training_task_is_the_same_in_any_block_and_another_at_each_step(make):
    family = make(0.4)
    whole = family.build(family.sample(TRAIN, 0, 6, 2, 3))
    part = family.build(take(family.sample(TRAIN, 0, 6, 2, 3), 2, 5))
    alone = family.build(family.sample(TRAIN, 4, 5, 2, 3))
    for array, block, one in zip(whole, part, alone, strict=True):
        np.testing.assert_array_equal(array[2:5], block)
        np.testing.assert_array_equal(array[4:5], one)
    full = make(0.0)
    specs = full.sample(TRAIN, 0, 6, 2, 3)
    unchanged = full.build(specs)
    np.testing.assert_array_equal(whole.query_targets, unchanged.query_targets)
    for seen, text in ((whole[0], unchanged[0]), (whole[2], unchanged[2])):
        left = (seen != 0).sum() / (text != 0).sum()
        assert 0.5 < left < 0.75
    again = family.build({**family.sample(TRAIN, 0, 6, 2, 3), "token_seeds": np.arange(6)})
    assert (again.support_inputs != whole.support_inputs).any()


@pytest.mark.parametrize("split", ["validation", "test"])
def test_held_out_tasks_see_whole_texts(make, split):
    draw = Draw(3, split, 0)
    family, full = make(0.4), make(0.0)
    for seen, text in zip(
        family.build(family.sample(draw, 0, 4, 2, 3)),
        full.build(full.sample(draw, 0, 4, 2, 3)),
        strict=True,
    ):
        np.testing.assert_array_equal(seen, text)


def test_tasks_of_older_runs_and_their_identity_stay(make):
    assert set(make(0.0).sample(TRAIN, 0, 2, 2, 3)) == {"classes", "support_rows", "query_rows"}


def test_a_backbone_sees_whole_texts_and_so_the_two_are_refused_together():
    table = {
        "task": {"kind": "text", "path": "a.csv", "token_dropout": 0.3},
        "model": {"kind": "mlp", "backbone": "a.keras"},
    }
    with pytest.raises(ValueError, match=r"token_dropout = 0.3 leaves out tokens, but model.backb"):
        changed(table)

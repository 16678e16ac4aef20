import numpy as np
import pytest
from small_configs import sinusoid

from orchestrator.sweep.no_test_tasks import WithoutTestTasks
from workers.tasks.sinusoid import SinusoidFamily
from workers.wire.protocol import Draw

FAMILY = SinusoidFamily(sinusoid().task)
LOCKED = WithoutTestTasks(FAMILY)


def test_test_tasks_cannot_be_had():
    with pytest.raises(AssertionError, match="must not see the test tasks"):
        LOCKED.sample(Draw(0, "test", 0), 0, 2, 5, 5)


@pytest.mark.parametrize("split", ["train", "validation"])
def test_training_and_validation_tasks_are_the_familys_own(split):
    draw = Draw(3, split, 7)
    locked, original = LOCKED.sample(draw, 1, 4, 5, 6), FAMILY.sample(draw, 1, 4, 5, 6)
    assert locked.keys() == original.keys()
    assert all(np.array_equal(locked[name], original[name]) for name in original)
    for array, other in zip(LOCKED.build(locked), FAMILY.build(original), strict=True):
        assert np.array_equal(array, other)


def test_all_else_is_the_familys_own():
    assert (LOCKED.loss, LOCKED.picture, LOCKED.num_outputs) == ("mse", "curves", 1)
    assert LOCKED.describe() == FAMILY.describe()
    assert LOCKED.protocol("validation") == FAMILY.protocol("validation")


def test_ways_of_validation_tasks_reach_the_family():
    class Asked:
        def sample(self, *sizes, **ways):
            return sizes[1:], ways

    locked = WithoutTestTasks(Asked())
    draw = Draw(3, "validation", 7)
    assert locked.sample(draw, 0, 2, 5, 6, ways=4) == ((0, 2, 5, 6), {"ways": 4})

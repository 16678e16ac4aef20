"""Numbers from memory."""

import numpy as np
import pytest

from orchestrator.adaptation.readers.arrays import as_numbers


@pytest.mark.parametrize(
    "values", [["a"], [[1], [1, 2]], [{"a": 1}], {"a": [1]}, [10**400], [1, -(10**400)]]
)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_what_are_no_numbers_or_too_large_ones_is_refused(values, dtype):
    with pytest.raises(ValueError, match="targets are not an array of numbers"):
        as_numbers(values, dtype, "targets")

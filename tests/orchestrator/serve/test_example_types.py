"""Inputs of a request that a reader would take for names of files."""

import numpy as np
import pytest

from orchestrator.serve.example_types import check_inputs
from orchestrator.serve.request_error import RequestError


@pytest.mark.parametrize(
    "inputs",
    [
        ["/srv/a.png"],
        np.array(["/srv/a.png"]),
        np.array(["/srv/a.png"], object),
        {"/srv/a.png": [0.0]},
        [["/srv/a.png"]],
    ],
)
def test_no_text_is_let_through_to_a_reader_of_files(inputs):
    with pytest.raises(RequestError, match="give arrays of numbers"):
        check_inputs(inputs, "support", most=5, takes_paths=True)


def test_numbers_are():
    check_inputs(np.zeros((2, 3)), "support", most=5, takes_paths=True)
    check_inputs([[0.5], [1]], "support", most=5, takes_paths=True)

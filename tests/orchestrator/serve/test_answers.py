"""The type of an answer, by the header Accept."""

import pytest

from orchestrator.serve.http.answers import TYPES, chosen_type
from orchestrator.serve.request_error import RequestError

JSON, ARROW = TYPES


@pytest.mark.parametrize(
    ("accept", "chosen"),
    [
        ("", JSON),
        ("*/*", JSON),
        ("application/json", JSON),
        (ARROW, ARROW),
        (ARROW.upper(), ARROW),
        (f"text/html, {ARROW}", ARROW),
        (f"{JSON};q=0.5, {ARROW}", ARROW),
        (f"{ARROW};q=0.5, application/*", JSON),
        (f"application/json;q=0, {ARROW};q=0.1", ARROW),
        (f"{JSON};q=0, */*", ARROW),
    ],
)
def test_the_client_chooses(accept, chosen):
    assert chosen_type(accept) == chosen


@pytest.mark.parametrize("accept", ["text/html", "application/json;q=0", f"{JSON};q=x", ";"])
def test_one_that_accepts_neither_is_told(accept):
    with pytest.raises(RequestError, match="application/json or application/vnd") as raised:
        chosen_type(accept)
    assert raised.value.status == 406

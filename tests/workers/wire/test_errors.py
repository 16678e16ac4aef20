import pickle

import pytest

from workers.wire import errors
from workers.wire.errors import DataError, MetatrainError, SourceError

ALL = [
    value
    for value in vars(errors).values()
    if isinstance(value, type) and value.__module__ == errors.__name__
]


@pytest.mark.parametrize("kind", ALL)
def test_an_error_survives_pickling_with_its_message(kind):
    """An error that does not would hide the actor's error."""
    back = pickle.loads(pickle.dumps(kind("block 3: it broke")))
    assert type(back) is kind
    assert str(back) == "block 3: it broke"


@pytest.mark.parametrize("kind", ALL)
def test_every_error_has_the_one_base(kind):
    assert issubclass(kind, MetatrainError)


def test_wrong_data_is_the_users_input():
    assert [kind for kind in ALL if issubclass(kind, ValueError)] == [DataError, SourceError]

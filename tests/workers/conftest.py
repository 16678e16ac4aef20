import pytest


@pytest.fixture
def float64():
    from precision import in_float64

    with in_float64():
        yield

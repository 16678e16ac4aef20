import pytest
from user_tasks_module import writer


@pytest.fixture
def write(tmp_path):
    yield from writer(tmp_path)

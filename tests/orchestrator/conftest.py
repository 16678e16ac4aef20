import sys
from pathlib import Path

import pytest

# The image sources that the tests of `workers` use.
sys.path.append(str(Path(__file__).parents[1] / "workers"))


@pytest.fixture(scope="session")
def image_zip(tmp_path_factory):
    """A zip of 20 classes with 6 pictures each, 8 x 8 pixels."""
    from small_images import members, write_zip

    return write_zip(tmp_path_factory.mktemp("images") / "small.zip", members(num_classes=20))


@pytest.fixture(scope="session")
def image_cache(tmp_path_factory):
    return tmp_path_factory.mktemp("cache")

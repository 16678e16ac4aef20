import pytest


@pytest.fixture(scope="session")
def image_zip(tmp_path_factory):
    """A zip of 20 classes with 6 pictures each, 8 x 8 pixels."""
    from small_images import members, write_zip

    return write_zip(tmp_path_factory.mktemp("images") / "small.zip", members(num_classes=20))


@pytest.fixture(scope="session")
def image_cache(tmp_path_factory):
    return tmp_path_factory.mktemp("cache")


@pytest.fixture(scope="module")
def shared_runners():
    """Commands, learners and trials in this process trace what no test has traced before."""
    from small_runs import sharing

    with sharing():
        yield


@pytest.fixture(scope="session")
def _cluster_of_all():
    from small_ray import shared_cluster

    with shared_cluster() as address:
        yield address


@pytest.fixture(scope="module")
def shared_ray(_cluster_of_all):
    """The address of a Ray that test files share, and leave as they found it."""
    from small_ray import joined

    with joined(_cluster_of_all):
        yield _cluster_of_all

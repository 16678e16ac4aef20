"""The names of data sets, by which scores and split files tell them apart."""

from pathlib import Path

import pytest

from workers.tasks.images.data_sets.paths import names_of
from workers.wire.errors import SourceError


@pytest.mark.parametrize(
    ("paths", "names"),
    [
        (["/d/birds.zip", "/d/fungi", "/d/v1.2"], ["birds", "fungi", "v1.2"]),
        (
            ["/d/birds/images", "/d/fungi/images/", "/e/signs.csv"],
            ["birds-images", "fungi-images", "signs"],
        ),
        (["/d/a.zip", "/d/a"], ["a.zip", "a"]),
        (["/a/x/c", "/b/x/c"], ["a-x-c", "b-x-c"]),
        (["/a/x/../c", "/b/c"], ["a-c", "b-c"]),
    ],
)
def test_data_sets_are_named_by_the_ends_of_their_paths(paths, names):
    assert names_of([Path(path) for path in paths]) == names


def test_data_sets_that_nothing_tells_apart_are_refused():
    with pytest.raises(SourceError, match=r"/a/c and /a-c are data sets of one name; rename one"):
        names_of([Path("/a/c"), Path("/b/c"), Path("/a-c")])

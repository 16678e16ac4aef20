"""The images of Omniglot, from its zips and from its Parquet file."""

import hashlib
import os
import zipfile

import numpy as np
import pyarrow.parquet as pq
import pytest
from small_images import omniglot

from workers.settings.images_task import ImagesTask
from workers.tasks.images.image_cache import open_cache
from workers.tasks.images.image_sources import find_files

OMNIGLOT = {"image_size": 105, "invert": True}


LABELS = ("alphabet", "character")


@pytest.mark.slow
def test_omniglots_zips_and_parquet_file_give_the_same_pixels_and_classes(tmp_path):
    """Of an alphabet of each zip, as the files are named and drawn; all of it is counted below."""
    some, common = ["Braille", "Angelic"], {"cache": str(tmp_path / "cache"), **OMNIGLOT}
    for name in ("images_background.zip", "images_evaluation.zip"):
        whole, part = zipfile.ZipFile(omniglot() / name), zipfile.ZipFile(tmp_path / name, "w")
        with whole, part:
            for member in whole.namelist():
                if set(member.split("/")) & set(some):
                    part.writestr(member, whole.read(member))
    table = pq.read_table(omniglot() / "omniglot.parquet", filters=[("alphabet", "in", some)])
    pq.write_table(table, tmp_path / "omniglot.parquet")
    zips = open_cache(find_files(str(tmp_path)), ImagesTask(**common))
    table = open_cache([tmp_path / "omniglot.parquet"], ImagesTask(**common, label_column=LABELS))
    assert len(zips.pixels) == 20 * (26 + 20)
    assert zips.class_names == table.class_names
    assert zips.digest == table.digest
    assert np.array_equal(zips.pixels, table.pixels)


@pytest.mark.slow
def test_omniglot_has_the_known_images(tmp_path):
    cache = open_cache(find_files(str(omniglot())), ImagesTask(cache=str(tmp_path), **OMNIGLOT))
    assert cache.pixels.shape == (32460, 105, 105, 1)
    assert len(cache.class_names) == 1623
    assert set(np.diff(cache.offsets).tolist()) == {20}
    ink = (cache.pixels == 255).sum(axis=(1, 2, 3))
    assert ink.sum() == 28814268
    assert ((cache.pixels == 0).sum(axis=(1, 2, 3)) == 105 * 105 - ink).all()
    assert (ink.min(), ink.max()) == (25, 2441)

    def first(class_name, example):
        return cache.offsets[cache.class_names.index(class_name)] + example

    assert ink.argmin() == first("Braille/character01", 2)
    assert ink.argmax() == first("N_Ko/character18", 16)
    for image, expected in [
        (
            first("Alphabet_of_the_Magi/character01", 0),
            "d40816dbfe2fa1c56fbabca02d83415de72542940f3659c97ffacfe18bfa1c68",
        ),
        (
            first("Angelic/character01", 0),
            "6638b56dc7aa97f7471cf202743809c482789390c89dff9ecc4ad8a9e9890b6e",
        ),
    ]:
        drawing = (cache.pixels[image] == 255).astype(np.uint8)
        assert hashlib.sha256(drawing.tobytes()).hexdigest() == expected
    assert os.path.getsize(cache.file) < cache.pixels.nbytes * 1.001

"""A source's images, decoded once into an Arrow file that every actor of a node memory-maps.

A row of the file is a class: its name, and its images as lists of H*W*C bytes. The file's name
is a hash of everything that determines its content.
"""

import hashlib
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from workers.settings.images_task import ImagesTask
from workers.tasks.cached_batch import canonical, read_batch, write_batch
from workers.tasks.images.cache_folder import cache_file
from workers.tasks.images.data_sets.paths import DataSet
from workers.tasks.images.image_decoding import DECODING, decode_picture
from workers.tasks.images.image_decoding import decode as decode
from workers.tasks.images.image_files import ImageFile
from workers.tasks.images.image_notes import ConversionCounts
from workers.tasks.images.image_shape import shape_of
from workers.tasks.images.image_sources import open_sources, source_digest
from workers.wire.errors import DataError

Progress = Callable[[int, int], None]
_FORMAT = 1


@dataclass(frozen=True, slots=True)
class ImageCache:
    """Images by class.

    file: the Arrow file that the pixels are mapped from.
    pixels: uint8 [images, H, W, C], read-only, class by class.
    class_names: sorted.
    offsets: int64 [classes + 1]; class i has the images [offsets[i], offsets[i + 1]).
    digest: sha256 of pixels, shape, names and counts.
    conversions: counts of what was done to the images, for `image_notes.notes_of`.
    """

    file: Path
    pixels: NDArray[np.uint8]
    class_names: tuple[str, ...]
    offsets: NDArray[np.int64]
    digest: str
    conversions: Mapping[str, Any] = field(default_factory=dict)


def open_cache(
    files: Sequence[Path],
    settings: ImagesTask,
    progress: Progress | None = None,
    data_sets: Sequence[DataSet] = (),
) -> ImageCache:
    """Map the decoded images of `files`; decode them first if the cache lacks them.

    Args:
      files: as `find_files` returns them.
      progress: called with (images decoded, images) while decoding.
      data_sets: those of `files`, whose names are put before those of their classes; none: the
        classes of all files are mixed.
    Raises:
      DataError: an image cannot be decoded, or settings.cache cannot be written.
    """
    sets = data_sets or [DataSet("", tuple(files))]
    file = cache_file(settings.cache, _name(sets, settings))
    try:
        return _read(file)
    # A missing, truncated or damaged file is built again; what Arrow raises on one varies.
    except Exception:
        _build(file, sets, settings, progress)
        return _read(file)


def _name(sets: Sequence[DataSet], settings: ImagesTask) -> str:
    import PIL

    columns = settings.image_column, settings.label_column
    sources = {one.name: source_digest(one.files, *columns) for one in sets}
    key = {
        "format": _FORMAT,
        "decoding": DECODING,
        "pillow": PIL.__version__,
        "source": sources.get("", sources),
        **settings.model_dump(
            include={"image_column", "label_column", "image_size", "channels", "invert"}
        ),
    }
    return f"images-{hashlib.sha256(canonical(key)).hexdigest()[:32]}.arrow"


def _read(file: Path) -> ImageCache:
    """Map a file, and check its content against its digest.

    Raises:
      Exception: whatever Arrow and JSON raise for a missing or damaged file.
    """
    stored = read_batch(file)
    facts, images = stored.facts, stored.batch.column("images")
    pixels = images.values.values.to_numpy(zero_copy_only=True).reshape(facts["shape"])
    offsets = images.offsets.to_numpy(zero_copy_only=True)
    names = stored.batch.column("class").to_pylist()
    if offsets[0] != 0 or offsets[-1] != len(pixels):
        raise ValueError(f"{file}: {len(pixels)} images, but classes of {offsets[-1]}")
    counts = np.diff(offsets).tolist()
    stored.check(facts["digest"], lambda: _digest(pixels, names, counts))
    return ImageCache(file, pixels, tuple(names), offsets, facts["digest"], facts["seen"])


def _digest(pixels: NDArray[np.uint8], names: list[str], counts: list[int]) -> str:
    digest = hashlib.sha256(canonical([list(pixels.shape), names, counts]))
    digest.update(pixels.data)
    return digest.hexdigest()


def _build(
    file: Path, sets: Sequence[DataSet], settings: ImagesTask, progress: Progress | None
) -> None:
    sources, labels = _open_all(sets, settings)
    order = sorted(range(len(labels)), key=labels.__getitem__)
    slots = np.empty(len(labels), np.int64)
    slots[order] = np.arange(len(labels))

    size, channels = shape_of(sources, settings)
    conversions = ConversionCounts()
    pixels = np.empty((len(labels), size, size, channels), np.uint8)
    images = chain.from_iterable(source.images() for source in sources)
    for done, (slot, (where, encoded)) in enumerate(zip(slots, images, strict=True), start=1):
        picture = decode_picture(encoded, where, size, channels)
        conversions.add(picture)
        pixels[slot] = picture.pixels
        if progress is not None and (done % 100 == 0 or done == len(labels)):
            progress(done, len(labels))
    if settings.invert:
        np.subtract(255, pixels, out=pixels)
    counts = sorted(Counter(labels).items())
    names, sizes = [name for name, _ in counts], [count for _, count in counts]
    _write(file, pixels, names, sizes, conversions.as_dict())


def _open_all(sets: Sequence[DataSet], settings: ImagesTask) -> tuple[list[ImageFile], list[str]]:
    """Open the files of all data sets; return them, and the class of each image."""
    sources: list[ImageFile] = []
    labels: list[str] = []
    for one in sets:
        own = open_sources(one.files, settings.image_column, settings.label_column)
        sources += own
        labels += [one.class_name(name) for source in own for name in source.class_names]
    return sources, labels


def _write(
    file: Path,
    pixels: NDArray[np.uint8],
    names: list[str],
    counts: list[int],
    conversions: dict[str, Any],
) -> None:
    import pyarrow as pa

    facts = {
        "shape": pixels.shape,
        "digest": _digest(pixels, names, counts),
        "seen": conversions,
    }
    offsets = np.concatenate([[0], np.cumsum(counts)])
    flat = pa.FixedSizeListArray.from_arrays(pa.array(pixels.reshape(-1)), pixels[0].size)
    images = pa.LargeListArray.from_arrays(pa.array(offsets, pa.int64()), flat)
    batch = pa.record_batch([pa.array(names), images], names=["class", "images"])
    try:
        write_batch(file, batch, facts)
    except OSError as error:
        raise DataError(
            f"task.cache: cannot write {file} ({error.strerror}); use --set task.cache=FOLDER"
        ) from error

"""An image source of noise, for benchmarks that need no data set: 100 classes of 20 images."""

import io
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image


def overrides(source: Path, folder: str) -> list[str]:
    """Return overrides that make an Omniglot preset read `source`, with a cache in `folder`."""
    return [
        f"task.path={source}",
        f"task.cache={folder}/cache",
        "task.label_column=label",
        "task.train_classes=60",
        "task.validation_classes=20",
        "task.test_classes=20",
    ]


def write_noise(path: Path, size: int = 28) -> None:
    """Write `path`, a Parquet file with the columns `image` (PNG) and `label`."""
    rng = np.random.default_rng(0)
    images, labels = [], []
    for label in range(100):
        for _ in range(20):
            content = io.BytesIO()
            pixels = rng.integers(0, 256, (size, size), np.uint8)
            Image.fromarray(pixels).save(content, "png")
            images.append(content.getvalue())
            labels.append(f"class{label:03d}")
    pq.write_table(pa.table({"image": images, "label": labels}), path)

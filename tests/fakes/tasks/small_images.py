"""Small image sources for tests, and the real Omniglot where it is at hand."""

import io
import os
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

REPOSITORY = Path(__file__).parents[3]


def picture(class_index: int, example: int, size: int = 8) -> np.ndarray:
    """uint8 [size, size]: random, but for a first row that tells class and example."""
    pixels = np.random.default_rng([class_index, example]).integers(0, 256, (size, size), np.uint8)
    pixels[0, :2] = class_index, example
    return pixels


def png(pixels: np.ndarray) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(pixels).save(stream, "png")
    return stream.getvalue()


def members(
    num_classes: int = 10, examples: int = 6, top: str = "", first: int = 0
) -> dict[str, bytes]:
    """Member name -> PNG, in classes c00, c01, ... below `top`."""
    return {
        f"{top}c{index:02}/{example:02}.png": png(picture(index, example))
        for index in range(first, first + num_classes)
        for example in range(examples)
    }


def write_zip(file: Path, contents: Mapping[str, bytes]) -> Path:
    with zipfile.ZipFile(file, "w") as archive:
        for name, content in contents.items():
            archive.writestr(name, content)
    return file


def write_folder(folder: Path, contents: Mapping[str, bytes]) -> Path:
    for name, content in contents.items():
        file = folder / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)
    return folder


def write_parquet(file: Path, **columns: Any) -> Path:
    pq.write_table(pa.table(columns), file)
    return file


def omniglot() -> Path:
    """The folder of the real Omniglot; skips the test where there is none."""
    root = Path(os.environ.get("METATRAIN_DATA", REPOSITORY.parent / "shared" / "data"))
    if not (root / "omniglot").is_dir():
        pytest.skip(f"no Omniglot in {root}: set METATRAIN_DATA to the folder that has omniglot/")
    return root / "omniglot"

"""Small signals for tests: sines of a frequency a class, written as the files that are read."""

from pathlib import Path

import numpy as np


def sines(classes=6, recordings=4, length=40, channels=1, noise=0.1, seed=0):
    """x float32 [signals, length(, channels)], y text [signals]; class i has i + 1 periods."""
    rng = np.random.default_rng(seed)
    time = np.arange(length) / length
    x, y = [], []
    for number in range(classes):
        for _ in range(recordings):
            phases = rng.uniform(0, 6, channels)
            waves = np.sin(2 * np.pi * (number + 1) * time[:, None] + phases)
            x.append(waves + rng.normal(0, noise, waves.shape))
            y.append(f"c{number}")
    signals = np.array(x, np.float32)
    return (signals[..., 0] if channels == 1 else signals), np.array(y)


def class_folders(folder: Path, x, y) -> Path:
    """FOLDER/CLASS/00.npy and so on, of signals of any lengths."""
    for number, (signal, name) in enumerate(zip(x, y, strict=True)):
        own = folder / str(name)
        own.mkdir(parents=True, exist_ok=True)
        np.save(own / f"{number:02d}.npy", signal)
    return folder


def npz(file: Path, **arrays) -> Path:
    np.savez(file, **arrays)
    return file


def walks(series=10, length=60, channels=1, seed=0):
    """Random series float64 [series, length(, channels)] about 100."""
    rng = np.random.default_rng(seed)
    found = 100 + rng.normal(size=(series, length, channels)).cumsum(axis=1)
    return found[..., 0] if channels == 1 else found

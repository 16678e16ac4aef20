"""Made-up vibrations of bearings, for the `signals` preset: nothing of it was ever measured.

    python benchmarks/signals/make_bearings.py data/bearings

writes `bearings.npz` (recordings x, their load and fault) and `split.json`. Ten states (a normal
bearing; faults of the inner race, the outer race and a ball, three sizes each) under four loads, as
in the best-known data set of this kind; the classes of the test are faults never seen, under a load
never seen. Validation is on the faults of training, under a third load.

What a recording is, at 12 kHz:

- The rolling elements hit the fault at the rate that the geometry of a 6205 bearing gives: 5.42
  times a turn on the inner race, 3.58 on the outer one, 4.71 with a ball; with 1 % of slip. The
  shaft turns at 1797, 1772, 1750 and 1730 revolutions a minute, slower under more load.
- Each hit lets three resonances of the housing ring. How loud and how long each, and a little how
  high, depends on the state; that is what tells sizes apart. Load shifts them, and each recording.
- Hits on the inner race are loudest when the shaft has brought them below the load, those of a ball
  with the turns of the cage: they are modulated in amplitude.
- The shaft's own harmonics, noise of the state's loudness, a gain, and a random colouring by the
  path to the sensor, different for each recording.
"""

import argparse
import json
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

RATE_HZ = 12_000
SPEEDS_HZ = tuple(rpm / 60 for rpm in (1797, 1772, 1750, 1730))
#: Hits a turn, and what modulates their amplitude: turns of that rate, and how deeply.
HITS = {
    "inner": (5.415, 1.0, 0.6),
    "outer": (3.585, 0.0, 0.0),
    "ball": (4.714, 0.398, 0.5),
}
SIZES = (1, 2, 3)
#: The normal state and faults; a seed says which are for training, and which for testing.
STATES = ("normal", *(f"{place}_{size}" for place in HITS for size in SIZES))
#: What the housing rings at.
HOUSING_HZ = (1500.0, 2800.0, 4200.0)
_SLIP = 0.01
_RINGING_S = 0.008


class Resonance(NamedTuple):
    """frequency: Hz. damping: 1/s. loudness: relative."""

    frequency: float
    damping: float
    loudness: float


def resonances(state: str, seed: int = 0) -> list[Resonance]:
    """Draw the housing's resonances that hits of a state excite, from its name and the seed."""
    rng = np.random.default_rng([seed, STATES.index(state)])
    return [
        Resonance(own * rng.normal(1, 0.05), rng.uniform(400, 1400), rng.uniform(0.2, 1.0))
        for own in HOUSING_HZ
    ]


def recording(
    state: str, load: int, seconds: float, rng: np.random.Generator, seed: int = 0
) -> NDArray[np.float32]:
    """One recording: float32 [samples]."""
    samples = round(seconds * RATE_HZ)
    time = np.arange(samples) / RATE_HZ
    shaft = SPEEDS_HZ[load] * rng.normal(1, 0.003)
    harmonics = np.arange(1, 6)[:, None]
    phases = rng.uniform(0, 2 * np.pi, (5, 1))
    turns = np.sin(2 * np.pi * shaft * harmonics * time + phases) / harmonics
    signal = 0.15 * (1 + 0.2 * load) * turns.sum(axis=0)
    if state != "normal":
        place, _, size = state.partition("_")
        loudness = (0.8 + 0.2 * int(size)) * (1 + 0.1 * load)
        shift = (1 + 0.01 * load) * rng.normal(1, 0.008)
        ringing = _ringing(resonances(state, seed), shift)
        signal += loudness * np.convolve(_hits(place, shaft, samples, rng), ringing)[:samples]
    signal += rng.normal(0, 0.25 * rng.uniform(0.8, 1.3), samples)
    coloured = np.convolve(signal, [1.0, *rng.normal(0, 0.13, 3)], mode="same")
    return (coloured * rng.uniform(0.6, 1.6)).astype(np.float32)


def _hits(place: str, shaft: float, samples: int, rng: np.random.Generator) -> NDArray[np.float64]:
    """Return an impulse at each hit, as loud as it is."""
    per_turn, modulation, depth = HITS[place]
    interval = 1 / (per_turn * shaft)
    number = int(samples / RATE_HZ / interval) + 2
    times = interval * (rng.uniform() + np.arange(number) + rng.normal(0, _SLIP, number).cumsum())
    phase = 2 * np.pi * (modulation * shaft * times + rng.uniform())
    loud = (1 + depth * np.cos(phase)) * rng.uniform(0.8, 1.2, number)
    hits = np.zeros(samples)
    at = np.round(times * RATE_HZ).astype(int)
    inside = (at >= 0) & (at < samples)
    np.add.at(hits, at[inside], loud[inside])
    return hits


def _ringing(found: list[Resonance], shift: float) -> NDArray[np.float64]:
    time = np.arange(round(_RINGING_S * RATE_HZ)) / RATE_HZ
    return sum(
        each.loudness
        * np.exp(-each.damping * time)
        * np.sin(2 * np.pi * each.frequency * shift * time)
        for each in found
    )


def make(
    recordings: int, seconds: float, seed: int = 0
) -> tuple[dict[str, NDArray], dict[str, list[str]]]:
    """Return the arrays of all states under all loads, and the split by name, "load/state".

    Args:
      recordings: of each state under each load. seed: of all that is drawn, the split included.
    """
    x, load, fault = [], [], []
    for number in range(len(SPEEDS_HZ)):
        for place, state in enumerate(STATES):
            rng = np.random.default_rng([seed, 1, number, place])
            x += [recording(state, number, seconds, rng, seed) for _ in range(recordings)]
            load += [f"load{number}"] * recordings
            fault += [state] * recordings
    order = np.random.default_rng([seed, 2]).permutation(len(STATES))
    seen, unseen = (sorted(STATES[i] for i in part) for part in np.split(order, 2))
    split = {
        "train": [f"load{number}/{state}" for number in (0, 1) for state in seen],
        "validation": [f"load2/{state}" for state in seen],
        "test": [f"load3/{state}" for state in unseen],
    }
    return {"x": np.stack(x), "load": np.array(load), "fault": np.array(fault)}, split


def main() -> None:
    """Run the command."""
    parser = argparse.ArgumentParser(description="Write made-up vibrations of bearings.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--recordings", type=int, default=20, help="of each state and load")
    parser.add_argument("--seconds", type=float, default=0.5, help="of each recording")
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    asked.folder.mkdir(parents=True, exist_ok=True)
    arrays, split = make(asked.recordings, asked.seconds, asked.seed)
    np.savez(asked.folder / "bearings.npz", **arrays)
    (asked.folder / "split.json").write_text(json.dumps(split, indent=1) + "\n")
    print(f"{len(arrays['x'])} recordings of {arrays['x'].shape[1]} samples in {asked.folder}")


if __name__ == "__main__":
    main()

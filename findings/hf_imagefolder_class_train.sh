#!/usr/bin/env bash
# What: Hugging Face `datasets` reads a folder of class folders with the loader `imagefolder`.
# Guess: Folders `bus`, `car` and `train` are three classes of three images each.
# What happens: A class that is called like a split (`train`, `test`, `validation`, ...) is taken for
#   the split of that name. The other classes are left out without a word, and as one folder is left
#   there is no label column either. The same happens to a file: of a class's 0.png, 1.png and
#   test_2.png only the last one is read.
# Version: datasets 5.2.0
# Where it matters: Vehicles, COCO and CIFAR-100 all have a class `train`. A few-shot task made of such
#   a folder has the wrong classes, or none. Say `drop_labels=False, data_files={"train": "FOLDER/**"}`,
#   and compare the number of classes with the number of folders.
set -euo pipefail
unset PYTHONPATH
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q datasets==5.2.0 pillow==13.0.0 pyarrow==26.0.1 numpy==2.4.6
cd "$work"
export HF_HUB_OFFLINE=1 HF_HOME="$work/home" HF_DATASETS_DISABLE_PROGRESS_BARS=1
venv/bin/python - <<'PYTHON'
from pathlib import Path

import datasets
from PIL import Image


def folder(name, classes, files):
    for label in classes:
        Path(name, label).mkdir(parents=True)
        for number, file in enumerate(files):
            Image.new("RGB", (4, 4), (number, 0, 0)).save(Path(name, label, file))
    return name


def read(path, **more):
    loaded = datasets.load_dataset("imagefolder", **more or {"data_dir": path})
    return {split: (part.num_rows, sorted(part.features)) for split, part in loaded.items()}


print("datasets", datasets.__version__)
plain = ["0.png", "1.png", "2.png"]
trams = read(folder("trams", ["bus", "car", "tram"], plain))
trains = read(folder("trains", ["bus", "car", "train"], plain))
files = read(folder("files", ["bus", "car", "tram"], ["0.png", "1.png", "test_2.png"]))
named = read("trains", data_files={"train": "trains/**"}, drop_labels=False)
print("classes bus, car, tram: ", trams)
print("classes bus, car, train:", trains)
print("a file test_2.png each: ", files)
print("with data_files named:  ", named)
assert trams == {"train": (9, ["image", "label"])}
assert trains == {"train": (3, ["image"])}
assert files == {"test": (3, ["image", "label"])}
assert named == {"train": (9, ["image", "label"])}
print("6 of 9 images and the labels are gone, without a warning")
PYTHON

#!/usr/bin/env bash
# What: Hugging Face `datasets` reads two Parquet files whose class labels are numbered differently.
# Guess: The names stand in each file's schema, so they are matched by name, or an error is raised.
# What happens: The first file's names are used for the numbers of all files. Every cat of the second
#   file becomes a dog, without a warning, also where the second file is another split.
#   `concatenate_datasets` of the same two files does raise.
# Version: datasets 5.2.0
# Where it matters: Shards that were written by different jobs, or a later addition to a data set,
#   number their classes by what each of them saw. Tasks sampled by class then mix the classes.
#   Read each file by itself, turn numbers into names by its own schema, and sample by name.
set -euo pipefail
unset PYTHONPATH
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q datasets==5.2.0 pyarrow==26.0.1 numpy==2.4.6
cd "$work"
export HF_HUB_OFFLINE=1 HF_HOME="$work/home" HF_DATASETS_DISABLE_PROGRESS_BARS=1
venv/bin/python - <<'PYTHON'
import datasets
from datasets import ClassLabel, Dataset, Features, Value, load_dataset

for file, names in {"a.parquet": ["cat", "dog"], "b.parquet": ["dog", "cat"]}.items():
    features = Features(animal=Value("string"), label=ClassLabel(names=names))
    rows = {"animal": ["cat", "dog"], "label": [names.index("cat"), names.index("dog")]}
    Dataset.from_dict(rows, features=features).to_parquet(file)


def named(part):
    return [(row["animal"], part.features["label"].int2str(row["label"])) for row in part]


print("datasets", datasets.__version__)
both = named(load_dataset("parquet", data_files=["a.parquet", "b.parquet"], split="train"))
alone = named(load_dataset("parquet", data_files=["b.parquet"], split="train"))
splits = load_dataset("parquet", data_files={"train": "a.parquet", "test": "b.parquet"})
test = named(splits["test"])
print("b alone:          ", alone)
print("a and b:          ", both)
print("b as a test split:", test)
assert alone == [("cat", "cat"), ("dog", "dog")]
assert both == [("cat", "cat"), ("dog", "dog"), ("cat", "dog"), ("dog", "cat")]
assert test == [("cat", "dog"), ("dog", "cat")]
try:
    datasets.concatenate_datasets([Dataset.from_parquet(f"{name}.parquet") for name in "ab"])
except ValueError as error:
    print("concatenate_datasets raises:", str(error)[:60])
else:
    raise AssertionError("concatenate_datasets takes them")
print("the second file's cats are dogs, without a warning")
PYTHON

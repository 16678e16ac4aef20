#!/usr/bin/env bash
# What: pyarrow filters rows of a table in memory, and the same rows in a Parquet file.
# Guess: The same expression finds the same rows in both.
# What happens: `~(loss < 1)` and `loss != 1` find the rows whose loss is NaN in memory. In a Parquet
#   file they are lost wherever the other losses of their row group decide the question: the least and
#   greatest value that a row group states leave NaN out, so the whole group is skipped.
#   `is_nan(loss)` finds them in both.
# Version: pyarrow 26.0.1
# Where it matters: "Which tasks did not get below this loss?" asked of a run's Parquet file leaves out
#   just those that diverged. Ask `is_nan(loss) | (loss >= 1)`, or filter after reading.
set -euo pipefail
unset PYTHONPATH
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q pyarrow==26.0.1
cd "$work"
venv/bin/python - <<'PYTHON'
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.dataset as ds
import pyarrow.parquet as pq

NAN, loss = float("nan"), pc.field("loss")
tables = {
    "low": pa.table({"task": [0, 1, 2], "loss": [0.1, 0.2, NAN]}),
    "one": pa.table({"task": [0, 1, 2], "loss": [1.0, 1.0, NAN]}),
    "mixed": pa.table({"task": [0, 1, 2], "loss": [0.1, 2.0, NAN]}),
}
questions = {
    ("low", "~(loss < 1)"): (~(loss < 1), [2], []),
    ("one", "loss != 1"): (loss != 1, [2], []),
    ("mixed", "~(loss < 1)"): (~(loss < 1), [1, 2], [1, 2]),
    ("low", "is_nan(loss) | (loss >= 1)"): (pc.is_nan(loss) | (loss >= 1), [2], [2]),
}
print("pyarrow", pa.__version__)
for (name, text), (question, in_memory, in_file) in questions.items():
    table, file = tables[name], f"{name}.parquet"
    pq.write_table(table, file)
    found = [
        table.filter(question)["task"].to_pylist(),
        pq.read_table(file, filters=question)["task"].to_pylist(),
        ds.dataset(file).to_table(filter=question)["task"].to_pylist(),
    ]
    print(f"losses {table['loss'].to_pylist()}, {text}: memory {found[0]}, file {found[1:]}")
    assert found == [in_memory, in_file, in_file]
print("tasks whose loss is NaN are lost by reading them with the filter")
PYTHON

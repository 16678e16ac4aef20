"""The notebooks of docs/ run from their first cell to their last, with few steps."""

import io
import json

import notebook_kernel
import numpy as np
import pages
import pytest
from PIL import Image

_FOLDER = pages.ROOT / "docs" / "notebooks"
_NOTEBOOKS = sorted(_FOLDER.glob("*.ipynb"))
#: In place of the cell that is tagged "parameters".
_FEW_STEPS = """
settings = {
    "outer.steps": 3,
    "outer.meta_batch_size": 4,
    "evaluation.tasks": 6,
    "evaluation.validation_tasks": 6,
}
"""


def cells(notebook, kind="code"):
    table = json.loads(notebook.read_text())
    return [cell for cell in table["cells"] if cell["cell_type"] == kind]


def is_parameters(cell):
    return "parameters" in cell["metadata"].get("tags", [])


def kept_pictures(cell):
    return [out for out in cell["outputs"] if "image/png" in out.get("data", {})]


def is_blank(png):
    return np.asarray(Image.open(io.BytesIO(png)).convert("L")).std() < 1


def test_there_are_notebooks():
    found = {file.stem for file in _NOTEBOOKS}
    assert found >= {"first_run", "own_signals", "own_table", "own_texts"}


@pytest.mark.parametrize("notebook", _NOTEBOOKS, ids=lambda file: file.stem)
def test_a_notebook_is_kept_with_the_outputs_of_one_run_from_top_to_bottom(notebook):
    code = cells(notebook)
    assert [cell["execution_count"] for cell in code] == list(range(1, len(code) + 1))
    assert sum(map(is_parameters, code)) == 1
    assert sum(len(kept_pictures(cell)) for cell in code) >= 1
    kinds = [out["output_type"] for cell in code for out in cell["outputs"]]
    assert "error" not in kinds
    assert notebook.stat().st_size < 400_000


@pytest.mark.slow
@pytest.mark.parametrize("notebook", _NOTEBOOKS, ids=lambda file: file.stem)
def test_a_notebook_runs(notebook, tmp_path):
    with notebook_kernel.started(tmp_path) as run:
        run("%matplotlib inline")  # of itself where Matplotlib is not imported yet
        for cell in cells(notebook):
            source = "".join(cell["source"])
            output = run(_FEW_STEPS if is_parameters(cell) else source)
            assert not output.error, f"{source}\n{output.error}"
            assert len(output.pictures) == len(kept_pictures(cell)), source
            assert not any(map(is_blank, output.pictures)), source

"""Exported files that are damaged, or made to hurt: each is refused in one line."""

import contextlib
import hashlib
import io
import json
import re
import tracemalloc
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
from small_artefacts import linear

from orchestrator.adaptation import artefact
from orchestrator.cli.adapt.sources import with_workers
from orchestrator.learner import Learner
from workers.settings.user_task_shapes import UserTaskShapes
from workers.wire.errors import CheckpointError

pytestmark = pytest.mark.usefixtures("shared_runners")

GOLDEN = Path(__file__).parent / "golden" / "linear-v1.metatrain"


@pytest.mark.parametrize("cut", [10, 700, 2000])
def test_a_file_that_was_cut_short_is_told(tmp_path, cut):
    file = tmp_path / "cut"
    file.write_bytes(GOLDEN.read_bytes()[:cut])
    with pytest.raises(ValueError, match=re.escape(f"{file} is not a file that `metatrain")):
        artefact.load(str(file))


def test_a_file_whose_tensors_were_changed_is_told(tmp_path):
    file = tmp_path / "changed"
    with zipfile.ZipFile(GOLDEN) as golden, zipfile.ZipFile(file, "w") as changed:
        for name in golden.namelist():
            content = golden.read(name)
            flipped = content[:-40] + bytes([content[-40] ^ 1]) + content[-39:]
            changed.writestr(name, flipped if name == "theta.arrow" else content)
    with pytest.raises(CheckpointError, match=r"theta\.arrow is damaged"):
        artefact.load(str(file))


def rewritten(file, change, **contents):
    """The golden file with its manifest changed by `change`, and other contents."""
    with zipfile.ZipFile(GOLDEN) as golden, zipfile.ZipFile(file, "w") as other:
        manifest = json.loads(golden.read("manifest.json"))
        manifest = change(manifest) or manifest
        for name in golden.namelist():
            content = contents.get(name, golden.read(name))
            if name == "manifest.json":
                content = json.dumps(manifest).encode()
            other.writestr(name, content)
    return file


def test_a_file_cannot_name_code_to_run(tmp_path):
    """A user's model travels as a .keras file; a function to call is for those who train."""

    def call(manifest):
        manifest["config"]["model"] = {
            "kind": "keras",
            "source": "os:system",
            "arguments": {"command": f"touch {tmp_path}/done"},
        }

    file = rewritten(tmp_path / "bad", call)
    with pytest.raises(ValueError, match="lacks the user's model"):
        Learner.load(file)
    assert not (tmp_path / "done").exists()


CALLED: list[str] = []


class Noted:
    """A task source, and an environment, that notes that it was made."""

    def __init__(self, note):
        CALLED.append(note)
        raise ValueError(note)


@pytest.mark.parametrize(
    "task",
    [
        {"kind": "python", "source": f"{__name__}:Noted"},
        {"kind": "gym", "environment": f"{__name__}:Noted"},
        {"kind": "gym", "environments": [{"id": f"{__name__}:Noted"}]},
    ],
    ids=["python", "gym", "gym-listed"],
)
@pytest.mark.parametrize("kinds", ["stored", "left open"])
def test_no_task_of_a_files_configuration_is_made(tmp_path, task, kinds):
    """Defaults depend on the tasks; a file's configuration is whole, and gets none."""
    CALLED.clear()

    def call(manifest):
        note = f"{task} {kinds} {tmp_path}"  # looking at tasks is cached
        config = manifest["config"]
        config["task"] = {**task, "arguments": {"note": note}}
        if kinds == "left open":
            del config["model"]["kind"], config["algorithm"]["kind"]

    with contextlib.suppress(ValueError):
        Learner.load(rewritten(tmp_path / "task", call))
    with contextlib.suppress(ValueError):
        restored = artefact.from_bytes((tmp_path / "task").read_bytes(), "a pickle", "")
        assert with_workers(restored, "0").config.workers.count == 0
    assert not CALLED


@pytest.mark.parametrize(
    ("change", "match"),
    [
        (lambda m: [1], "is not a file that"),
        (lambda m: m.pop("format_version") and None, "is not a file that"),
        (lambda m: m.update(format_version="1"), "has format version '1'"),
        (lambda m: m.update(format_version=True), "has format version True"),
        (lambda m: m.pop("recipe") and None, r"manifest.json is not .* \(recipe: Field required"),
        (lambda m: m["recipe"].update(inner_lr=-1), r"\(recipe.inner_lr: "),
        (lambda m: m["recipe"].update(inner_steps=-3), r"\(recipe.inner_steps: "),
        (lambda m: m.update(protocol=[]), r"\(protocol: "),
        (lambda m: m.update(files=[]), r"\(files: "),
        (lambda m: m.update(files={}), "its weights cannot be read"),
        (lambda m: m.update(theta_sha256="0" * 64), "differ from those that were exported"),
    ],
)
def test_a_manifest_that_export_does_not_write_is_told(tmp_path, change, match):
    with pytest.raises((ValueError, CheckpointError), match=match):
        artefact.load(str(rewritten(tmp_path / "bad", change)))


def test_weights_that_are_not_finite_or_of_another_model_are_refused(tmp_path):
    source = linear()
    theta = [np.full((1, 1), np.nan, np.float32), source.state.theta[1]]
    (tmp_path / "nan").write_bytes(
        artefact.as_bytes(replace(source, state=replace(source.state, theta=theta)))
    )
    with pytest.raises(CheckpointError, match="differ from those that were exported"):
        artefact.load(str(tmp_path / "nan"))
    wide = replace(source, examples=UserTaskShapes(loss="mse", input_shape=(2,), num_outputs=1))
    (tmp_path / "wide").write_bytes(artefact.as_bytes(wide))
    with pytest.raises(ValueError, match="its weights are of another model"):
        Learner.load(tmp_path / "wide")


def repacked(file, compression):
    with zipfile.ZipFile(GOLDEN) as golden, zipfile.ZipFile(file, "w", compression) as other:
        for name in golden.namelist():
            other.writestr(name, golden.read(name))
    return file


def marked(file, flags=0, method=0):
    """The golden file, each of its members with these flags and this method of compression."""
    content = bytearray(GOLDEN.read_bytes())
    for signature, place in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        at = content.find(signature)
        while at >= 0:
            content[at + place] |= flags
            content[at + place + 2] = method
            at = content.find(signature, at + 4)
    file.write_bytes(content)
    return file


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda file: marked(file, flags=1), "'manifest.json' is encrypted"),
        (lambda file: marked(file, method=97), "'manifest.json' is compressed"),
        (lambda file: marked(file, method=8), "'manifest.json' is compressed"),
        (lambda file: repacked(file, zipfile.ZIP_DEFLATED), "'manifest.json' is compressed"),
        (lambda file: repacked(file, zipfile.ZIP_LZMA), "'manifest.json' is compressed"),
        (lambda file: flipped(file), "Bad CRC-32"),
    ],
)
def test_members_that_are_not_stored_as_they_are_end_in_one_line(tmp_path, make, message):
    file = make(tmp_path / "bad")
    start = re.escape(f"{file} is not a file that `metatrain export` wrote")
    with pytest.raises(ValueError, match=f"^{start}.*{re.escape(message)}") as error:
        artefact.load(str(file))
    assert len(str(error.value).splitlines()) == 1


def flipped(file):
    content = GOLDEN.read_bytes()
    place = content.index(b"format_version")
    file.write_bytes(content[:place] + b"F" + content[place + 1 :])
    return file


def test_a_small_file_that_unpacks_to_a_large_one_is_refused_before_it_is_unpacked(tmp_path):
    file = tmp_path / "bomb"
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as bomb:
        with bomb.open("theta.arrow", "w") as member:
            for _ in range(64):
                member.write(bytes(1 << 20))
        with zipfile.ZipFile(GOLDEN) as golden:
            manifest = zipfile.ZipInfo("manifest.json")  # stored
            bomb.writestr(manifest, golden.read("manifest.json"))
            bomb.writestr("carry.arrow", golden.read("carry.arrow"))
    assert file.stat().st_size < 100_000
    tracemalloc.start()
    with pytest.raises(ValueError, match="is compressed"):
        artefact.load(str(file))
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 1 << 20


def arrow(table, **options):
    stream = io.BytesIO()
    options = pa.ipc.IpcWriteOptions(**options)
    with pa.ipc.new_file(stream, table.schema, options=options) as writer:
        writer.write_table(table)
    return stream.getvalue()


def tensors(rows, size):
    values = np.zeros((rows, size), np.float32)
    return pa.table({"head/kernel": pa.FixedShapeTensorArray.from_numpy_ndarray(values)})


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"no Arrow",
        arrow(pa.table({"head/kernel": [1.0]})),
        arrow(pa.table({"head/kernel": ["2"], "head/bias": [[1.0]]})),
        arrow(tensors(3, 1)),
        arrow(tensors(1, 1).slice(0, 0)),
        arrow(tensors(1, 1 << 20), compression="zstd"),
    ],
)
def test_tensors_of_other_types_end_in_one_line(tmp_path, content):
    digest = hashlib.sha256(content).hexdigest()
    file = rewritten(
        tmp_path / "bad",
        lambda manifest: manifest["files"].update({"theta.arrow": digest}),
        **{"theta.arrow": content},
    )
    with pytest.raises(
        CheckpointError, match=r"its weights (cannot be read|differ from those)"
    ) as error:
        artefact.load(str(file))
    assert len(str(error.value).splitlines()) == 1


def test_a_manifest_that_is_nested_without_end_is_told(tmp_path):
    file = tmp_path / "nested"
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("manifest.json", "[" * 200_000)
    with pytest.raises(ValueError, match="is not a file that `metatrain export` wrote"):
        artefact.load(str(file))

"""LiteRT files that are damaged, foreign or of another version: one line, before they are run."""

import io
import json
import zipfile

import numpy as np
import pytest
from small_configs import ONE_BY_ONE, sinusoid
from small_learners import run_of
from small_litert import litert_of

from orchestrator.adaptation.litert.file_description import is_litert
from orchestrator.adaptation.litert.litert_run import open_litert
from orchestrator.learner import Learner
from workers.wire.errors import DataError

pytestmark = [
    pytest.mark.usefixtures("shared_runners"),
    pytest.mark.filterwarnings("ignore:.*tf.lite.Interpreter.*"),
]


@pytest.fixture(scope="module")
def exported(tmp_path_factory, shared_runners):
    folder = tmp_path_factory.mktemp("litert")
    return litert_of(run_of(sinusoid(*ONE_BY_ONE)), folder / "a.tflite")


def changed(exported, file, change):
    """The file with another description."""
    content = exported.read_bytes()
    with zipfile.ZipFile(io.BytesIO(content)) as behind:
        (member,) = behind.infolist()
        about = json.loads(behind.read(member))
    change(about)
    stream = io.BytesIO(content[: member.header_offset])
    with zipfile.ZipFile(stream, "a") as behind:
        behind.writestr(zipfile.ZipInfo("metatrain.json"), json.dumps(about).encode())
    file.write_bytes(stream.getvalue())
    return str(file)


def refusal(file):
    assert is_litert(str(file))
    with pytest.raises(DataError) as error:
        open_litert(str(file))
    message = str(error.value)
    assert message.startswith(str(file))
    assert "\n" not in message
    assert message.endswith("metatrain export RUN FILE.tflite --format litert")
    return message


def test_a_whole_file_opens(exported):
    run = open_litert(str(exported))
    assert run.about.number == 5
    assert run.model == exported.read_bytes()[: len(run.model)]
    assert run.model[4:8] == b"TFL3"


@pytest.mark.parametrize("share", [0.0, 0.001, 0.3, 0.8, 0.999])
def test_a_file_that_was_cut_short_is_told(exported, tmp_path, share):
    content = exported.read_bytes()
    (tmp_path / "cut.tflite").write_bytes(content[: int(share * len(content))])
    assert "is not a LiteRT file that metatrain export wrote" in refusal(tmp_path / "cut.tflite")


def test_no_changed_byte_reaches_the_interpreter(exported, tmp_path):
    content, file = exported.read_bytes(), tmp_path / "changed.tflite"
    length = len(open_litert(str(exported)).model)
    for place in np.random.default_rng(0).integers(0, length, 25):
        other = bytearray(content)
        other[place] ^= 0x10
        file.write_bytes(bytes(other))
        assert "is damaged (its model's sha256 differs)" in refusal(file)


def test_a_foreign_file_is_told(exported, tmp_path):
    model = open_litert(str(exported)).model
    for name, content in (("alone.tflite", model), ("text.tflite", b"text"), ("no_suffix", model)):
        (tmp_path / name).write_bytes(content)
        assert "is not a LiteRT file that metatrain export wrote" in refusal(tmp_path / name)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda about: about.pop("for_metatrain_adapt"), "by an older version of metatrain"),
        (lambda about: about["for_metatrain_adapt"].update(version=2), "by another version of"),
        (
            lambda about: about["for_metatrain_adapt"].pop("examples"),
            "for_metatrain_adapt.examples",
        ),
        (lambda about: about.update(inner_lr="x"), "(inner_lr: "),
        (lambda about: about["for_metatrain_adapt"].update(model_bytes=9), "sha256 differs"),
    ],
)
def test_a_description_of_another_version_is_told(exported, tmp_path, change, message):
    assert message in refusal(changed(exported, tmp_path / "a.tflite", change))


def test_the_description_names_no_folder_of_the_data(exported):
    about = open_litert(str(exported)).about
    assert "folder" not in about.reader_settings
    assert about.examples.loss_settings.folder == ""


def test_a_learner_takes_no_such_file(exported):
    with pytest.raises(
        ValueError, match="is a LiteRT file, which only metatrain adapt takes; give"
    ):
        Learner.load(exported)

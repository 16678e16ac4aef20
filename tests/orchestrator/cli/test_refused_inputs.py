"""Inputs that are refused before anything is written, and before TensorFlow is imported."""

import re
import zipfile

import pytest
from one_line import assert_one_line_and_nothing_written
from shell_commands import metatrain, snapshot, write_config
from small_configs import images, sinusoid
from small_images import members, write_zip

REFUSED = {
    "unknown preset": (["train", "sinsoid"], "did you mean 'sinusoid'"),
    "unknown key": (["train", "small.toml", "--set", "outer.stpes=3"], "did you mean 'steps'"),
    "out of range": (
        ["train", "small.toml", "--set", "outer.steps=0"],
        "outer.steps must be at least 1, got 0",
    ),
    "not key=value": (["train", "small.toml", "--set", "outer.steps"], "key=value"),
    "a setting with a space": (
        ["train", "small.toml", "--set", "outer.steps", "2000"],
        "--set outer.steps 2000: a setting and its value are one word; use --set outer.steps=2000",
    ),
    "a setting with a space and no preset": (
        ["train", "--set", "task.path", "my pets"],
        "use --set task.path='my pets'",
    ),
    "a setting with a space in one word": (
        ["train", "small.toml", "--set", "outer.steps 20"],
        "--set takes key=value, not 'outer.steps 20'; for example outer.steps=20",
    ),
    "a setting without a value": (
        ["train", "--set", "outer.steps", "small.toml"],
        "--set takes key=value, not 'outer.steps'",
    ),
    "no such file": (["train", "nowhere.toml"], "no such file: nowhere.toml"),
    "unknown option": (["train", "--nosuch"], "--nosuch"),
    "unknown command": (["trian"], "trian"),
    "unknown filesystem": (["train", "small.toml", "--out", "nosuch://a/b"], "nosuch://a/b"),
    "workers not a number": (["train", "small.toml", "--workers", "many"], "many"),
    "far too many workers": (["train", "small.toml", "--workers", "1000"], "workers.count = 1000"),
    "no folder": (["train", "small.toml", "--out", ""], "'' names no folder"),
    "negative workers": (
        ["train", "small.toml", "--workers", "-1"],
        "workers.count must be 0 to 4096",
    ),
    "a GPU that is not there": (
        ["train", "small.toml", "--set", "workers.gpus=1"],
        "workers.gpus = 1",
    ),
    "a seed too large": (["train", "small.toml", "--set", "seed=4294967296"], "seed"),
    "out is a file": (["train", "small.toml", "--out", "small.toml"], "small.toml"),
    "no image source": (["train", "omniglot-5w1s"], "task.path is not set"),
    "an image source that is not there": (
        ["train", "images.toml", "--set", "task.path=nowhere.zip"],
        "nowhere.zip does not exist",
    ),
    "a zip that is none": (
        ["train", "images.toml", "--set", "task.path=text.zip"],
        "text.zip: not a readable zip",
    ),
    "a corrupt image": (
        ["train", "images.toml", "--set", "task.path=corrupt.zip"],
        "corrupt.zip: c03/02.png",
    ),
    "a zip with a damaged member": (
        ["train", "images.toml", "--set", "task.path=damaged.zip"],
        "damaged.zip: c00/",
    ),
    "more ways than classes": (
        ["train", "images.toml", "--set", "task.ways=9"],
        "task.ways = 9",
    ),
    "more shots and queries than examples": (
        ["train", "images.toml", "--set", "task.shots=5", "--set", "task.queries=2"],
        "shots = 5 and queries = 2 need 7 images",
    ),
    "more test queries than examples": (
        ["train", "images.toml", "--set", "evaluation.queries=6"],
        "queries = 6 need 7 images",
    ),
    "no run to evaluate": (["evaluate", "nowhere"], "nowhere holds no run"),
    "no run to report": (["report", "nowhere"], "nowhere holds no run"),
    "nothing to report": (["report"], "RUN"),
    "a page over a file": (["report", "nowhere", "--out", "small.toml"], "small.toml exists"),
    "no such data": (["data", "nowhere.zip"], "'nowhere.zip' is neither a path nor a preset"),
}


@pytest.fixture(scope="module")
def inputs(tmp_path_factory):
    """A folder with configurations and with good and bad images."""
    folder = tmp_path_factory.mktemp("inputs")
    good = members(num_classes=20)
    write_zip(folder / "good.zip", good)
    write_zip(folder / "corrupt.zip", {**good, "c03/02.png": good["c03/02.png"][:40]})
    (folder / "text.zip").write_text("this is no zip")
    with zipfile.ZipFile(folder / "damaged.zip", "w", zipfile.ZIP_STORED) as archive:
        for name, content in good.items():
            archive.writestr(name, content)
    content = bytearray((folder / "damaged.zip").read_bytes())
    content[content.index(b"IDAT") + 10] ^= 1
    (folder / "damaged.zip").write_bytes(content)
    write_config(folder, sinusoid())
    write_config(folder, images(folder / "good.zip", folder / "cache"), "images")
    return folder


@pytest.mark.parametrize(("words", "expected"), REFUSED.values(), ids=REFUSED.keys())
def test_a_wrong_input_ends_with_2_and_one_line_and_writes_nothing(inputs, words, expected):
    before = {name: seen for name, seen in snapshot(inputs).items() if "cache" not in name}
    done = metatrain(inputs, *words)
    assert_one_line_and_nothing_written(done, inputs, before, expected)


def test_data_tells_what_a_source_holds(inputs):
    done = metatrain(inputs, "data", "good.zip", "--set", f"task.cache={inputs / 'cache'}")
    assert done.returncode == 0, done.stderr
    assert re.search(r"images\s.*120", done.stdout)
    assert re.search(r"classes\s.*20", done.stdout)
    done = metatrain(inputs, "data", "images.toml")
    assert done.returncode == 0, done.stderr
    assert re.search(r"train classes\s.*13", done.stdout)
    assert "split hash" in done.stdout
    done = metatrain(inputs, "data", "sinusoid")
    assert (done.returncode, done.stderr) == (0, "")
    assert "amplitude" in done.stdout

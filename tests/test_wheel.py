"""The content of the wheel, which is all that other machines get, and commands that run from it."""

import os
import shutil
import site
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest
import warm_commands

ROOT = Path(__file__).parents[1]
PARTS = ("metatrain.py", "orchestrator", "workers")
FILES = {
    str(file.relative_to(ROOT))
    for part in PARTS
    for file in [ROOT / part, *(ROOT / part).rglob("*")]
    if file.is_file() and file.suffix != ".pyc"
}
TRAIN = ["train", "sinusoid", "--set", "outer.steps=2", "--set", "evaluation.tasks=2"]
TRAIN += ["--set", "evaluation.validation_tasks=2", "--set", "runtime.xla=false"]
TRAIN += ["--set", "model.hidden=[4]", "--set", "outer.meta_batch_size=2"]
TRAIN += ["--set", "evaluation.inner_steps=[1]"]


@pytest.fixture(scope="module")
def checkout(tmp_path_factory):
    """A copy of the files that a wheel is made of, as git would check them out."""
    folder = tmp_path_factory.mktemp("checkout")
    for name in ("pyproject.toml", "README.md", "LICENSE"):
        shutil.copy(ROOT / name, folder)
    for name in FILES:
        target = folder / name
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(ROOT / name, target)
    return folder


@pytest.fixture(scope="module")
def wheel(checkout, tmp_path_factory):
    folder = tmp_path_factory.mktemp("wheel")
    pip = [sys.executable, "-m", "pip", "wheel", "-q", "--no-deps", "-w", folder, checkout]
    subprocess.run(pip, check=True)
    (built,) = folder.glob("*.whl")
    return built


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory):
    """`metatrain` of an environment that has the wheel, and otherwise this one's packages."""
    folder = tmp_path_factory.mktemp("environment")
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
    (packages,) = folder.glob("lib/python*/site-packages")
    target = ["install", "-q", "--no-deps", "--target", packages, wheel]
    subprocess.run([sys.executable, "-m", "pip", *target], check=True)
    # Plain entries: they bring no editable installation along.
    (packages / "others.pth").write_text("\n".join(site.getsitepackages()))
    return [folder / "bin" / "python", "-m", "metatrain"]


def run(command, folder, *words):
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    # Without -P the folder itself would come first in the driver too, as for no installed command.
    command = [command[0], "-P", *command[1:]]
    return subprocess.run(
        [*command, *words], cwd=folder, capture_output=True, text=True, env=environment
    )


def theta_sha256(output):
    (line,) = [line for line in output.splitlines() if line.startswith("theta after step")]
    return line.split()[-1]


@pytest.mark.slow
def test_the_wheel_holds_every_file_of_ours_and_nothing_else(wheel):
    names = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    assert names == FILES


@pytest.mark.slow
def test_a_wheel_is_built_without_leaving_anything_in_the_checkout(checkout, wheel):
    assert sorted(path.name for path in checkout.iterdir()) == sorted(
        [*PARTS, "pyproject.toml", "README.md", "LICENSE"]
    )


def test_every_folder_of_modules_is_a_package():
    folders = {Path(file).parent for file in FILES if file.endswith(".py")} - {Path()}
    assert [str(place) for place in sorted(folders) if f"{place}/__init__.py" not in FILES] == []


@pytest.mark.ray
@pytest.mark.slow
def test_an_installed_wheel_trains_on_actors_in_a_checkout_of_the_same_code(
    checkout, installed, tmp_path
):
    """The weights are those of this checkout's own command."""
    words = (*TRAIN, "--workers", "0", "--out", "here")
    here = warm_commands.run(tmp_path, *words, environment=os.environ, draws=False)
    assert here.returncode == 0, here.stderr
    actors = run(installed, checkout, *TRAIN, "--workers", "1", "--out", tmp_path / "actors")
    assert actors.returncode == 0, actors.stderr
    assert theta_sha256(actors.stdout) == theta_sha256(here.stdout)


@pytest.mark.ray
@pytest.mark.slow
def test_a_checkout_of_other_code_is_refused_and_named(checkout, installed, tmp_path):
    changed = shutil.copytree(checkout, tmp_path / "changed")
    with (changed / "workers" / "block.py").open("a") as module:
        module.write("# edited since\n")
    refused = run(installed, changed, *TRAIN, "--workers", "1", "--out", "run")
    assert refused.returncode == 2
    assert refused.stderr.splitlines()[-1].endswith(
        f"actors would import the copy in {changed}, whose workers/block.py is not the same; "
        f"install that copy (pip install {changed}), or run in another folder"
    )
    assert not (changed / "run").exists()

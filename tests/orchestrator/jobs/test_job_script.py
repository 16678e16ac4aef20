"""job.sh in a real shell, whose parent is a process that has mapped a library like Ray's."""

import json
import os
import signal
import subprocess
import sys
from importlib.resources import files

import pytest

SCRIPT = str(files("orchestrator.jobs").joinpath("job.sh"))

# A process as Ray's is: it has mapped _raylet.so, and runs what it is given in a shell.
PARENT = """
import mmap, subprocess, sys
library, entrypoint = sys.argv[1:]
if library:
    with open(library, "rb") as file:
        kept = mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ)
child = subprocess.Popen(entrypoint, shell=True)
print("child", child.pid, flush=True)
sys.exit(child.wait())
"""
# An interpreter that says how it was run; it has metatrain if a file says so.
PYTHON = """#!/bin/sh
if [ "$1" = -c ]; then [ -e "$0.has_metatrain" ]; exit; fi
printf '%s\\n' "pid $$" "python $0" "$@"
exit "$(cat "$0.has_metatrain")"
"""


def environment_in(folder, packages="site-packages", python="python", code=0, installed=True):
    """Make a Python environment with Ray, whose interpreter exits with `code`."""
    library = folder / "lib" / "python3.12" / packages / "ray" / "_raylet.so"
    library.parent.mkdir(parents=True)
    library.write_bytes(b"\x7fELF")
    interpreter(folder / "bin" / python, code, installed)
    return library


def interpreter(file, code=0, installed=True):
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(PYTHON)
    file.chmod(0o755)
    if installed:
        file.with_name(f"{file.name}.has_metatrain").write_text(str(code))
    return file


def run(library, words, path=""):
    return subprocess.run(
        [sys.executable, "-c", PARENT, str(library), f"exec /bin/sh {SCRIPT} {words}"],
        env={"PATH": f"{path}:/usr/bin:/bin"},
        capture_output=True,
        text=True,
        timeout=60,
    )


def printed(done):
    """The child's number, and the lines that it printed: before or after its parent's line."""
    lines = done.stdout.splitlines()
    (own,) = [line for line in lines if line.startswith("child ")]
    lines.remove(own)
    return own.removeprefix("child "), lines


@pytest.mark.parametrize("packages", ["site-packages", "dist-packages"])
@pytest.mark.parametrize("python", ["python", "python3"])
def test_it_runs_the_python_beside_rays_library_and_not_the_one_on_the_path(
    tmp_path, packages, python
):
    library = environment_in(tmp_path / "ray's env", packages, python)
    other = interpreter(tmp_path / "other" / "python")
    done = run(library, "train 'a b.toml' --set 'x=[\"y\"]'", other.parent)
    assert (done.returncode, done.stderr) == (0, "")
    child, (pid, ran, *words) = printed(done)
    assert ran == f"python {tmp_path}/ray's env/bin/{python}"
    assert words == ["-m", "metatrain", "train", "a b.toml", "--set", 'x=["y"]']
    # It takes the shell's place: signals reach it, and its exit code is the job's.
    assert pid == f"pid {child}"


@pytest.mark.parametrize("code", [1, 2, 75])
def test_its_exit_code_passes_through(tmp_path, code):
    assert run(environment_in(tmp_path, code=code), "train").returncode == code


def test_a_python_without_metatrain_is_named_in_one_line(tmp_path):
    done = run(environment_in(tmp_path, installed=False), "train")
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith("metatrain: metatrain is not installed in the Python that Ray runs with")
    assert f"{tmp_path}/bin/python -m pip install metatrain" in line
    assert "train" not in done.stdout.split()


def test_where_no_library_is_mapped_the_parents_own_python_is_tried():
    own = os.path.realpath(sys.executable)
    both = "import metatrain, ray"
    has_both = subprocess.run([own, "-c", both], capture_output=True).returncode == 0
    done = run("", "presets")
    assert (done.returncode == 0) is has_both
    assert "sinusoid" in done.stdout if has_both else f"on the head: {own};" in done.stderr


def test_a_python_that_is_named_is_the_only_one_that_is_tried(tmp_path):
    library = environment_in(tmp_path / "rays")
    chosen = interpreter(tmp_path / "chosen one")
    done = run(library, f"--python '{chosen}' train")
    assert printed(done)[1][1:] == [f"python {chosen}", "-m", "metatrain", "train"]
    for wrong in (tmp_path / "nowhere", interpreter(tmp_path / "bare", installed=False)):
        done = run(library, f"--python {wrong} train")
        assert done.returncode == 1
        assert done.stderr.startswith(f"metatrain: --python {wrong} is not on the head, or has no")


def test_the_real_rays_library_is_where_it_is_looked_for():
    """In a process that has really loaded Ray, with a PATH that has no Python at all."""
    code = f"""
import ray, subprocess, json
print(json.dumps(subprocess.run(["/bin/sh", {SCRIPT!r}, "presets"], env={{"PATH": "/nowhere"}},
    capture_output=True, text=True).stdout))"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=120)
    assert "sinusoid" in json.loads(done.stdout.splitlines()[-1]), done.stderr


def test_a_signal_reaches_it(tmp_path):
    library = environment_in(tmp_path)
    python = tmp_path / "bin" / "python"
    python.write_text('#!/bin/sh\n[ "$1" = -c ] && exit\necho ready\nsleep 60 & wait $!\n')
    parent = subprocess.Popen(
        [sys.executable, "-c", PARENT, str(library), f"exec /bin/sh {SCRIPT} train"],
        stdout=subprocess.PIPE,
        text=True,
    )
    # In either order: the child may be the faster one.
    ready, told = sorted(
        (parent.stdout.readline() for _ in range(2)), key=lambda line: "child" in line
    )
    assert ready == "ready\n"
    os.kill(int(told.removeprefix("child ")), signal.SIGTERM)
    assert parent.wait(timeout=60) == 256 - signal.SIGTERM
    parent.stdout.close()

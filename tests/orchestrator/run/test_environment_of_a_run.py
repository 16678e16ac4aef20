"""The environment and a user's keras.json: they do not change a run, or they are refused."""

import json
import os
import re
import subprocess
import sys

import pytest
import warm_commands
from simulated_backend import SimulatedBackend
from simulated_pool import make_pool

from workers.wire.errors import FingerprintError

RUN = ["train", "sinusoid", "--set", "outer.steps=2", "--set", "evaluation.tasks=2"]
RUN += ["--set", "evaluation.validation_tasks=2", "--set", "runtime.xla=false"]
RUN += ["--set", "model.hidden=[4]", "--set", "outer.meta_batch_size=2"]
RUN += ["--set", "evaluation.inner_steps=[1]"]
KERAS_JSON = {
    "floatx": "float16",
    "epsilon": 0.5,
    "image_data_format": "channels_first",
    "backend": "jax",
}


def metatrain(folder, *words, **environment):
    """In a new process, for what decides how Keras is imported."""
    return subprocess.run(
        [sys.executable, "-m", "metatrain", *words],
        cwd=folder,
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
    )


def warm(folder, *words, **variables):
    """In a process that has imported Keras; without pictures."""
    return warm_commands.run(folder, *words, environment={**os.environ, **variables}, draws=False)


def theta_of(done):
    assert done.returncode == 0, done.stderr
    return re.search(r"theta after step 2: sha256 (\w{64})", done.stdout)[1]


@pytest.mark.slow
def test_a_keras_json_changes_nothing_and_is_left_alone(tmp_path):
    (tmp_path / "home").mkdir()
    file = tmp_path / "home" / "keras.json"
    file.write_text(json.dumps(KERAS_JSON))
    clean = warm(tmp_path, *RUN, "--workers", "0", "--out", "clean")
    other_run = metatrain(
        tmp_path, *RUN, "--workers", "0", "--out", "other_run", KERAS_HOME=str(file.parent)
    )
    assert theta_of(other_run) == theta_of(clean)
    assert json.loads(file.read_text()) == KERAS_JSON


@pytest.mark.slow
def test_another_kernel_is_named_when_a_run_is_resumed(tmp_path):
    assert warm(tmp_path, *RUN, "--workers", "0", "--out", "run").returncode == 0
    longer = [word.replace("steps=2", "steps=3") for word in RUN]
    again = warm(
        *(tmp_path, *longer, "--workers", "0", "--out", "run", "--resume"),
        ONEDNN_MAX_CPU_ISA="SSE41",
    )
    assert again.returncode == 1
    assert "ONEDNN_MAX_CPU_ISA: 'SSE41' here, not set there" in again.stderr
    assert warm(tmp_path, *longer, "--workers", "0", "--out", "run", "--resume").returncode == 0


@pytest.mark.slow
@pytest.mark.parametrize(
    ("environment", "expected_line"),
    [
        ({"KERAS_BACKEND": "jax"}, "KERAS_BACKEND = 'jax' in the environment"),
        ({"KERAS_MAX_EPOCHS": "many"}, "Keras does not start as it is configured (ValueError: "),
        ({"KERAS_NNX_ENABLED": "1"}, "Keras does not start as it is configured (ImportError: "),
    ],
)
def test_a_keras_that_cannot_be_used_is_refused_in_a_line(tmp_path, environment, expected_line):
    done = metatrain(tmp_path, *RUN, "--workers", "0", "--out", "run", **environment)
    assert done.returncode == 2
    assert done.stderr.splitlines()[-1].startswith(f"metatrain: {expected_line}")
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "run" / "config.toml").exists()


def test_a_variable_that_the_actors_alone_have_is_named():
    there = {"cpu": "a", "gpus": [], "XLA_FLAGS": "--xla_cpu_max_isa=AVX2"}
    backend = SimulatedBackend(lambda actor: vars(actor).update(fingerprint=there))
    message = r"other bits than the driver: XLA_FLAGS: not set here, '--xla_cpu_max_isa=AVX2' there"
    with pytest.raises(FingerprintError, match=message):
        make_pool(backend, 2).wait_until_ready()


def test_the_gpus_that_the_first_actor_has_are_those_of_all():
    def other(actor):
        vars(actor).update(
            fingerprint={"cpu": "a", "gpus": ["A", "B"][actor.number : actor.number + 1]}
        )

    backend = SimulatedBackend(
        lambda actor: vars(actor).update(fingerprint={"cpu": "a", "gpus": ["A"]})
    )
    pool = make_pool(backend, 2)
    pool.wait_until_ready()
    assert pool.fingerprint == {"cpu": "a", "gpus": ["A"]}
    with pytest.raises(FingerprintError, match=r"gpus: \['A'\] here, \['B'\] there"):
        make_pool(SimulatedBackend(other), 2).wait_until_ready()


@pytest.mark.slow
def test_a_run_of_chosen_instructions_starts_itself_again_also_on_actors(tmp_path):
    """In the manifest there is no word of the processor; nothing is set for the next command."""
    chosen = [*RUN, "--set", "runtime.isa=avx2"]
    here = metatrain(tmp_path, *chosen, "--workers", "0", "--out", "here")
    there = metatrain(tmp_path, *chosen, "--workers", "1", "--out", "there")
    assert theta_of(here) == theta_of(there)
    for name in ("here", "there"):
        (manifest,) = (tmp_path / name).glob("checkpoints/*02/manifest.json")
        recorded = json.loads(manifest.read_text())["fingerprint"]
        assert recorded["instruction_sets"] == "avx2"
        assert recorded["ONEDNN_MAX_CPU_ISA"] == "AVX2"
    again = metatrain(tmp_path, *chosen, "--workers", "0", "--out", "here", "--resume")
    assert theta_of(again) == theta_of(here)

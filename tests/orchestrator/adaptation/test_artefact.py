"""Artefacts: from a run and from an exported file, which give the same bits."""

import json
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from small_artefacts import linear
from small_configs import ONE_BY_ONE, USER_MODEL, images, sinusoid
from small_images import picture
from small_learners import FIRST_ORDER, episode_of, run_of

from orchestrator.adaptation import artefact
from orchestrator.cli import export_command
from orchestrator.learner import Learner
from orchestrator.storage import checkpoint
from orchestrator.storage.storage import Storage
from workers.wire.protocol import Recipe
from workers.wire.tensors import sha256

pytestmark = pytest.mark.usefixtures("shared_runners")


GOLDEN = Path(__file__).parent / "golden" / "linear-v1.metatrain"


def small():
    return sinusoid(*ONE_BY_ONE)


def test_pickles_and_replicas_know_which_backbone_was_trained_on():
    """Otherwise one that has changed since would be taken for it."""
    source = replace(linear(), backbone_digest="abc")
    content = artefact.as_bytes(source)
    assert artefact.from_bytes(content, source.origin, "").backbone_digest == "abc"
    assert artefact.from_bytes(artefact.as_bytes(linear()), "", "").backbone_digest == ""
    assert b"backbone_digest" not in artefact.as_bytes(linear())


def after_two_steps(x, y):
    """The line adapted by hand: gradient descent on the mean squared error."""
    w, b = 2.0, 1.0
    for _ in range(2):
        error = w * x + b - y
        w, b = w - 0.1 * np.mean(2 * error * x), b - 0.1 * np.mean(2 * error)
    return w, b


def exported(config, folder, name="a.metatrain"):
    file = folder / name
    export_command.export_run(str(run_of(config)), file)
    return file


def test_a_file_of_version_1_adapts_as_it_did_when_it_was_written():
    x, y = np.array([-1.0, 0.5, 2.0]), np.array([0.0, 1.0, -1.0])
    w, b = after_two_steps(x, y)
    learner = Learner.load(GOLDEN)
    assert (learner.recipe, learner.protocol) == (linear().recipe, linear().protocol)
    answers = learner.adapt(x, y).predict([0.0, 1.0, -3.0])
    np.testing.assert_allclose(answers[:, 0], [b, w + b, b - 3 * w], rtol=1e-5)


def test_what_is_written_today_is_the_file_of_version_1(tmp_path):
    """Else its version must go up, and a golden file of the new one be added."""
    (tmp_path / "now").write_bytes(artefact.as_bytes(linear()))
    with zipfile.ZipFile(GOLDEN) as golden, zipfile.ZipFile(tmp_path / "now") as now:
        assert now.namelist() == golden.namelist()
        then, today = (json.loads(file.read("manifest.json")) for file in (golden, now))
        assert now.read("theta.arrow") == golden.read("theta.arrow")
    # Settings may be added, with defaults that mean what was before.
    assert {key for key in then if key != "config"} == {key for key in today if key != "config"}
    assert then["format_version"] == today["format_version"] == artefact.FORMAT_VERSION
    assert then["theta_sha256"] == sha256(linear().state.theta)


def test_a_file_of_another_version_is_refused(tmp_path):
    file = tmp_path / "later"
    with zipfile.ZipFile(GOLDEN) as golden, zipfile.ZipFile(file, "w") as later:
        for name in golden.namelist():
            content = golden.read(name)
            if name == "manifest.json":
                content = content.replace(b'"format_version": 1', b'"format_version": 9')
            later.writestr(name, content)
    with pytest.raises(ValueError, match=r"has format version 9, this metatrain reads 1; export"):
        artefact.load(str(file))


@pytest.mark.parametrize("of_images", [False, True])
def test_an_exported_run_predicts_the_same_bits(tmp_path, image_zip, image_cache, of_images):
    config = images(image_zip, image_cache, *ONE_BY_ONE, FIRST_ORDER) if of_images else small()
    x, y, queries, _ = episode_of(config)
    from_run, from_file = (
        Learner.load(source).adapt(x, y).by_inner_step(queries)
        for source in (run_of(config), exported(config, tmp_path))
    )
    np.testing.assert_array_equal(from_run, from_file)


def test_images_are_adapted_to_without_the_data_of_the_run(tmp_path, image_zip, image_cache):
    source = artefact.load(str(run_of(images(image_zip, image_cache, *ONE_BY_ONE, FIRST_ORDER))))
    elsewhere = images(tmp_path / "gone.zip", tmp_path / "cache", *ONE_BY_ONE, FIRST_ORDER)
    (tmp_path / "moved").write_bytes(artefact.as_bytes(replace(source, config=elsewhere)))
    x = np.stack([picture(i, 0, size=16) for i in range(2)])
    assert Learner.load(tmp_path / "moved").adapt(x, ["a", "b"]).predict(x).shape == (2,)
    assert not (tmp_path / "cache").exists()


@pytest.mark.slow
def test_a_users_model_travels_with_the_file(tmp_path):
    config = sinusoid(*ONE_BY_ONE, "runtime.execution=map", *USER_MODEL, FIRST_ORDER)
    file = exported(config, tmp_path)
    x, y, queries, _ = episode_of(config)
    expected = Learner.load(run_of(config)).adapt(x, y).by_inner_step(queries)
    source = artefact.load(str(file))
    assert source.model is not None
    np.testing.assert_allclose(
        Learner.load(file).adapt(x, y).by_inner_step(queries), expected, rtol=1e-5, atol=1e-6
    )


def test_a_model_that_keras_cannot_save_is_not_exported(tmp_path):
    config = sinusoid("model.kind=keras", "model.source=user_models:unsaveable", *USER_MODEL[2:])
    with pytest.raises(ValueError, match=r"Keras cannot save the model .* get_config"):
        exported(config, tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_the_same_run_gives_the_same_file_and_writes_over_none(tmp_path):
    first, second = (exported(small(), tmp_path, name) for name in ("a", "b"))
    assert first.read_bytes() == second.read_bytes()
    with pytest.raises(ValueError, match="exists; give another file"):
        exported(small(), tmp_path, "a")
    assert first.read_bytes() == second.read_bytes()
    with pytest.raises(ValueError, match="is not a folder"):
        exported(small(), tmp_path / "nowhere")


def test_the_best_validated_checkpoint_is_taken_with_its_protocol():
    folder = run_of(small())
    name, validation, _ = checkpoint.best(Storage(str(folder)))
    source = artefact.load(str(folder))
    assert source.origin == f"{folder}, {name}"
    assert source.recipe == Recipe(validation["inner_lr"], validation["inner_steps"])
    assert source.protocol["inner_steps"] == validation["inner_steps"]
    assert source.protocol["tasks_from"] == "sinusoids"


def test_a_checkpoint_of_version_2_is_adapted_with_the_runs_data(tmp_path, image_zip, image_cache):
    config = images(image_zip, image_cache, *ONE_BY_ONE, FIRST_ORDER)
    storage = Storage(str(tmp_path / "run"))
    storage.write("config.toml", b"")
    old = Storage(str(run_of(config)))
    name = checkpoint.best(old)[0]
    state, manifest = checkpoint.load(old, name)
    fields = manifest.as_dict() | {"format_version": 2, "examples": {}, "protocol": {}}
    checkpoint.save(storage, state, checkpoint.Manifest(**fields))
    path = tmp_path / "run" / "checkpoints" / name / "manifest.json"
    written = json.loads(path.read_text())
    del written["examples"], written["protocol"], written["manifest_sha256"]
    path.write_text(json.dumps({**written, "manifest_sha256": checkpoint.digest_of(written)}))
    assert artefact.of_run(storage).examples == artefact.of_run(old).examples


def test_a_run_without_a_validated_checkpoint_is_refused(tmp_path):
    storage = Storage(str(tmp_path / "run"))
    with pytest.raises(ValueError, match="holds no run"):
        artefact.load(storage.location)
    storage.write("config.toml", b"")
    with pytest.raises(ValueError, match="has no checkpoint: train it up to a validation"):
        artefact.load(storage.location)
    old = Storage(str(run_of(small())))
    state, manifest = checkpoint.load(old, checkpoint.names(old)[-1])
    unvalidated = checkpoint.Manifest(**(manifest.as_dict() | {"validation": {}}))
    checkpoint.save(storage, state, unvalidated)
    with pytest.raises(ValueError, match="has no validated checkpoint"):
        artefact.load(storage.location)

"""Runs on features adapt to raw images and texts, also from an exported file alone."""

import csv
import json
import pickle
import shutil
import zipfile
from pathlib import Path

import keras
import numpy as np
import pytest
import small_backbones
from shell_commands import metatrain
from small_configs import ONE_BY_ONE, changed, images
from small_images import members, write_folder
from small_learners import outputs_in_evaluation
from small_runs import in_process
from small_texts import rows_of, write

from orchestrator.adaptation import artefact
from orchestrator.adaptation.answers import probabilities
from orchestrator.cli.export_command import export_run
from orchestrator.learner import Learner
from orchestrator.outer.blocks import held_out_blocks
from orchestrator.run.training_run import TrainingRun
from orchestrator.storage.storage import Storage
from workers.tasks.family import raw_family
from workers.wire.protocol import Recipe

FAKES = Path(small_backbones.__file__).parent
SMALL = ["outer.steps=1", "model.kind=mlp", "model.hidden=[4]", "model.normalization=batch"]
PROTONET = ["algorithm.kind=protonet", "evaluation.inner_steps=[1]"]
ALIKE = {"rtol": 0, "atol": 1e-6}


def trained(config, folder):
    """A run, whose folder is returned."""
    run = TrainingRun(config, Storage(str(folder)), in_process(config), None)
    for _ in run.steps():
        pass
    run.close()
    return folder


class Trained:
    """A run on features of a backbone in a folder of its own, with its store there."""

    def __init__(self, folder, config):
        self.folder, self.config = folder, config
        self.run = trained(config, folder / "run")
        self.exported = folder / "run.metatrain"
        export_run(str(self.run), self.exported)
        self.source = artefact.load(str(self.run))

    def first_test_task(self):
        """Raw support and query arrays, and the probabilities that the run's evaluation has."""
        family, config = in_process(self.config).family, self.config
        (block, *_) = held_out_blocks(config, family, "test", 1, Recipe(0.1, 1))
        episode = [array[0] for array in raw_family(family).build(block.specs)]
        outputs = outputs_in_evaluation(config, self.source.state.weights, self.source.recipe)
        expected = probabilities(outputs, outputs.shape[-1])[-1]
        assert np.ptp(expected, axis=0).max() > 0.01, "queries are told apart"
        return episode, expected, block.specs


@pytest.fixture(scope="module")
def of_images(tmp_path_factory, image_zip):
    folder = tmp_path_factory.mktemp("of_images")
    small_backbones.saved(folder / "mine.keras")
    overrides = [*ONE_BY_ONE, *SMALL, *PROTONET, f"model.backbone={folder / 'mine.keras'}"]
    return Trained(folder, images(image_zip, folder / "cache", *overrides))


TEXTS = {
    "name": "texts",
    "task": {"kind": "text", "ways": 3, "shots": 2, "queries": 2, "tokens": "words"},
    "model": {"kind": "mlp", "hidden": [4]},
    "algorithm": {"kind": "maml", "inner_lr": 0.1, "first_order": True},
    "outer": {"steps": 1, "meta_batch_size": 2},
    "workers": {"count": 0, "block_size": 1},
    "evaluation": {"tasks": 2, "validation_tasks": 2, "every": 1, "inner_steps": [2]},
    "runtime": {"xla": False, "execution": "map"},
}


@pytest.fixture(scope="module", params=["ids", "strings"])
def of_texts(request, tmp_path_factory):
    folder = tmp_path_factory.mktemp(f"of_{request.param}")
    file = write(folder / "texts.csv", rows_of())
    model = [f"model.backbone=small_backbones:{request.param}", f"model.folder={FAKES}"]
    paths = [f"task.path={file}", f"model.backbone_cache={folder / 'cache'}"]
    return Trained(folder, changed(TEXTS, *model, *paths))


def moved_away(run, monkeypatch, tmp_path):
    """Leave nothing but the exported file: no backbone, no store, no run."""
    exported = shutil.copy(run.exported, tmp_path / "run.metatrain")
    monkeypatch.chdir(tmp_path)
    for name in ("mine.keras", "cache", "run"):
        if (run.folder / name).exists():
            monkeypatch.setattr(run, "moved", tmp_path / "away", raising=False)
            (tmp_path / "away").mkdir(exist_ok=True)
            shutil.move(run.folder / name, tmp_path / "away" / name)
    return exported


def put_back(run, tmp_path):
    for file in (tmp_path / "away").iterdir():
        shutil.move(file, run.folder / file.name)


def test_raw_images_are_predicted_as_in_the_runs_evaluation(of_images):
    (support_x, support_y, query_x, _), expected, _ = of_images.first_test_task()
    assert support_x.shape[1:] == (16, 16, 1)
    learner = Learner.load(of_images.run)
    predictor = learner.adapt(support_x, support_y)
    np.testing.assert_allclose(predictor.predict_proba(query_x), expected, **ALIKE)
    np.testing.assert_allclose(predictor.by_inner_step(query_x)[-1], expected, **ALIKE)


def test_an_exported_file_predicts_alone(of_images, tmp_path, monkeypatch):
    (support_x, support_y, query_x, query_y), expected, _ = of_images.first_test_task()
    exported = moved_away(of_images, monkeypatch, tmp_path)
    try:
        predictor = Learner.load(exported).adapt(support_x, support_y)
        np.testing.assert_allclose(predictor.predict_proba(query_x), expected, **ALIKE)
        right = np.mean(expected.argmax(-1) == query_y)
        assert predictor.evaluate(query_x, query_y)["accuracy"] == pytest.approx(right)
        again = pickle.loads(pickle.dumps(predictor))
        np.testing.assert_array_equal(
            again.predict_proba(query_x), predictor.predict_proba(query_x)
        )
        folder = write_folder(tmp_path / "support", members(3, 4))
        done = metatrain(
            *[tmp_path, "adapt", exported, "--support", folder, "--query", folder],
            *["--out", "predictions.csv", "--save-model", "adapted.keras"],
        )
        assert done.returncode == 0, done.stderr
        with (tmp_path / "predictions.csv").open() as stream:
            assert len(list(csv.DictReader(stream))) == 12
        assert keras.saving.load_model(tmp_path / "adapted.keras").input_shape == (None, 16, 16, 1)
    finally:
        put_back(of_images, tmp_path)


def test_a_saved_model_goes_from_raw_images_to_outputs(of_images, tmp_path):
    (support_x, support_y, query_x, _), _, _ = of_images.first_test_task()
    predictor = Learner.load(of_images.run).adapt(support_x, support_y)
    predictor.save(tmp_path / "adapted.keras", query_x)
    model = keras.saving.load_model(tmp_path / "adapted.keras")
    outputs = probabilities(model.predict(query_x, verbose=0), 3)
    np.testing.assert_allclose(outputs, predictor.predict_proba(query_x), rtol=0, atol=1e-5)


def test_raw_texts_are_predicted_as_in_the_runs_evaluation_and_by_the_file_alone(
    of_texts, tmp_path, monkeypatch
):
    (_, support_y, _, _), expected, specs = of_texts.first_test_task()
    shown = in_process(of_texts.config).family.display_text(specs)[0]
    exported = moved_away(of_texts, monkeypatch, tmp_path)
    try:
        predictor = Learner.load(exported).adapt(list(shown.support), support_y)
        found = predictor.predict_proba(list(shown.queries))
        np.testing.assert_allclose(found, expected, **ALIKE)
        predictor.save(tmp_path / "adapted.keras")
        with (tmp_path / "texts.csv").open("w", newline="") as stream:
            csv.writer(stream).writerows(
                [["text", "label"], *zip(shown.support, support_y, strict=True)]
            )
        done = metatrain(
            *[tmp_path, "adapt", exported, "--support", "texts.csv", "--query", "texts.csv"],
            "--json",
        )
        assert done.returncode == 0, done.stderr
        assert len(json.loads(done.stdout)["predictions"]) == 6
    finally:
        put_back(of_texts, tmp_path)
    model = keras.saving.load_model(tmp_path / "adapted.keras")
    is_strings = model.inputs[0].dtype == "string"
    inputs = Learner.load(of_texts.run).read_inputs(list(shown.queries))
    outputs = model(keras.ops.convert_to_tensor(inputs[:, None] if is_strings else inputs))
    np.testing.assert_allclose(probabilities(outputs, 3), found, rtol=0, atol=1e-5)


def test_an_export_holds_the_backbone_and_is_refused_without_it(of_images, tmp_path):
    with zipfile.ZipFile(of_images.exported) as archive:
        assert archive.read("backbone.keras") == (of_images.folder / "mine.keras").read_bytes()
        manifest = json.loads(archive.read("manifest.json"))
        contents = {name: archive.read(name) for name in archive.namelist()}
    manifest["files"].pop("backbone.keras")
    contents.pop("backbone.keras")
    contents["manifest.json"] = json.dumps(manifest).encode()
    with zipfile.ZipFile(tmp_path / "without.metatrain", "w") as archive:
        for name, content in contents.items():
            archive.writestr(name, content)
    with pytest.raises(ValueError, match="lacks the backbone that it is for; export the run again"):
        artefact.load(str(tmp_path / "without.metatrain"))


def test_another_backbone_is_refused_by_learners_and_exports(of_images, tmp_path):
    file = of_images.folder / "mine.keras"
    kept = file.read_bytes()
    pickled = pickle.dumps(Learner.load(of_images.run))
    small_backbones.saved(file, seed=5)
    try:
        message = r"mine.keras' has changed since the run was trained: its features"
        with pytest.raises(ValueError, match=message):
            Learner.load(of_images.run)
        with pytest.raises(ValueError, match=message):
            pickle.loads(pickled)
        with pytest.raises(ValueError, match=message):
            export_run(str(of_images.run), tmp_path / "other.metatrain")
        assert not list(tmp_path.iterdir())
    finally:
        file.write_bytes(kept)

"""Runs on a backbone's features: any algorithm, the same bits anywhere, resumed, and refused."""

import shutil
from pathlib import Path

import any_workers
import pyarrow as pa
import pytest
import ray
import small_backbones
import warm_commands
from any_workers import AnyBlocks, Here, There, Workers
from shell_commands import environment, metatrain, theta_sha256, write_config
from shown_protocol import protocol_in
from small_configs import images
from small_runs import in_process, sha256_after

from workers.actor import BlockActor
from workers.backbone import feature_store
from workers.execution.fingerprint import differences
from workers.tasks.cached_batch import read_batch, write_batch
from workers.tasks.family import digests_of
from workers.tasks.registry import make_family

FAKES = Path(small_backbones.__file__).parent
SMALL = ["outer.steps=2", "outer.meta_batch_size=6", "workers.block_size=2", "model.kind=mlp"]
SMALL += ["model.hidden=[4]", "evaluation.tasks=2", "evaluation.validation_tasks=2"]
ONCE = "evaluation.inner_steps=[1]"
ALGORITHMS = {
    "protonet": ["algorithm.kind=protonet", ONCE],
    "proto_maml": ["algorithm.kind=proto_maml"],
    "ridge, ways": ["algorithm.kind=ridge", ONCE, "task.ways=[2,4]", "task.shots=[1,2]"],
    "maml, linear": ["algorithm.kind=maml", "model.kind=linear"],
    "reptile": ["algorithm.kind=reptile", "algorithm.inner_steps=2"],
    "anil": ["algorithm.kind=anil"],
    "joint": ["algorithm.kind=joint"],
    "a model of one's own": ["algorithm.kind=maml", "model.kind=keras"],
}
TRACED_LONG = ["proto_maml", "ridge, ways", "a model of one's own"]
OWN = ["model.source=user_models:small", "model.statistics=support"]


def on_features(image_zip, image_cache, *overrides, backbone="small_backbones:images"):
    own = OWN if "model.kind=keras" in overrides else []
    small = [text for text in SMALL if not (own and "hidden" in text)]
    return images(
        image_zip,
        image_cache,
        *small,
        *overrides,
        *own,
        f"model.backbone={backbone}",
        f"model.folder={FAKES}",
        "task.rotations=train",
    )


@pytest.mark.quick("protonet", "maml, linear")
@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=[pytest.mark.slow] if name in TRACED_LONG else [])
        for name in ALGORITHMS
    ],
)
def test_theta_does_not_depend_on_the_number_of_workers(name, image_zip, image_cache):
    config = on_features(image_zip, image_cache, *ALGORITHMS[name])
    launch = in_process(config)
    expected = sha256_after(launch)
    for count in (2, 1):
        who = [Here(config.worker, launch.pool.runner)]
        assert sha256_after(launch, Workers(who, count)) == expected


@pytest.fixture(scope="module")
def process(shared_ray):
    ray.cloudpickle.register_pickle_by_value(any_workers)  # which actors cannot import
    yield ray.remote(num_cpus=1)(AnyBlocks).remote()
    ray.cloudpickle.unregister_pickle_by_value(any_workers)


@pytest.mark.ray
def test_a_worker_elsewhere_that_computes_the_features_itself_gives_the_same_theta(
    process, image_zip, image_cache, tmp_path
):
    config = on_features(image_zip, image_cache, *ALGORITHMS["protonet"])
    launch = in_process(config)
    other_cache = config.model.model_copy(update={"backbone_cache": str(tmp_path)})
    settings = config.worker.model_copy(update={"model": other_cache})
    who = [There(settings, process), Here(config.worker, launch.pool.runner)]
    assert sha256_after(launch, Workers(who, 2)) == sha256_after(launch)
    assert len(list(tmp_path.glob("features-*.arrow"))) == 1


def test_an_actor_with_other_features_is_told_apart_by_name(image_zip, image_cache, tmp_path):
    config = on_features(image_zip, image_cache, f"model.backbone_cache={tmp_path}")
    ours = in_process(config).fingerprint
    (file,) = tmp_path.glob("features-*.arrow")
    features = feature_store._read(file).features.copy()
    features[0, 0] += 1e-6
    column = pa.FixedSizeListArray.from_arrays(pa.array(features.ravel()), features.shape[1])
    facts = {**read_batch(file).facts, "digest": feature_store._digest(features)}
    write_batch(file, pa.record_batch([column], names=["features"]), facts)
    theirs = BlockActor(config.worker, gpus=0).build([]).fingerprint
    (line,) = differences(ours, theirs)
    assert line == f"features: {ours['features']!r} here, {theirs['features']!r} there"


def test_a_fingerprint_names_the_backbone_and_its_features(image_zip, image_cache):
    config = on_features(image_zip, image_cache)
    launch = in_process(config)
    assert digests_of(launch.family).keys() == {"backbone", "features"}
    assert digests_of(launch.family).items() <= launch.fingerprint.items()
    assert launch.family.digest == make_family(config.task).digest


def trained(folder, *words):
    """Without pictures."""
    return warm_commands.run(folder, "train", *words, environment=environment(), draws=False)


@pytest.mark.slow
def test_the_command_line_stores_resumes_evaluates_and_refuses_another_backbone(
    tmp_path, image_zip, image_cache
):
    small_backbones.saved(tmp_path / "mine.keras")
    small_backbones.saved(tmp_path / "other.keras", seed=4)
    config = on_features(image_zip, image_cache, *ALGORITHMS["protonet"], backbone="mine.keras")
    file = write_config(tmp_path, config.model_copy(update={"name": "mine"}))
    text = (tmp_path / file).read_text().replace(str(FAKES), str(tmp_path))
    (tmp_path / file).write_text(text)
    half = trained(tmp_path, file, "--out", "run", "--set", "outer.steps=1")
    assert half.returncode == 0, half.stderr
    whole = trained(tmp_path, file, "--out", "run", "--resume")
    assert whole.returncode == 0, whole.stderr
    undisturbed = trained(tmp_path, file, "--out", "undisturbed")
    assert theta_sha256(whole.stdout) == theta_sha256(undisturbed.stdout)
    protocol = protocol_in(whole.stdout)
    assert (protocol["backbone"], protocol["features"]) == ("mine.keras", "6")

    shutil.copy(tmp_path / "other.keras", tmp_path / "mine.keras")
    more = ["--resume", "--set", "outer.steps=9"]
    refused = metatrain(tmp_path, "train", file, "--out", "run", *more)
    assert refused.returncode == 1
    assert "would not continue with the same bits here: backbone: " in refused.stderr
    again = metatrain(tmp_path, "evaluate", "run")
    assert again.returncode == 2
    assert "mine.keras' has changed since the run was trained: its features" in again.stderr


REFUSED = {
    "model.backbone=none.keras": "model.backbone = 'none.keras': there is no file",
    "model.backbone=small_backbones:maps": "has outputs of shape ('batch', 14, 14, 2)",
    "task.image_size=17": "takes examples of shape (16, 16, 1), but the tasks have (17, 17, 1); "
    "set task.image_size and task.channels",
    "model.kind=conv4": "model.kind = 'conv4' takes images, but model.backbone gives it a vector",
    "model.backbone_cache=/dev/null/x": "model.backbone_cache: cannot write /dev/null/x/features-",
}


@pytest.mark.parametrize("override", REFUSED)
def test_a_refusal_is_one_line_and_leaves_nothing(override, tmp_path, image_zip, image_cache):
    config = on_features(image_zip, image_cache)
    file = write_config(tmp_path, config)
    refused = metatrain(tmp_path, "train", file, "--out", "run", "--set", override)
    assert refused.returncode == 2, refused.stderr
    last = refused.stderr.strip().splitlines()[-1]
    assert last.startswith("metatrain: ")
    assert REFUSED[override] in last
    assert not (tmp_path / "run" / "config.toml").exists()


@pytest.mark.parametrize("kind", ["sinusoid", "navigation"])
def test_tasks_without_images_or_texts_are_refused_with_those_that_have_them(kind, tmp_path):
    words = ["--out", "run", "--set", "model.backbone=a.keras"]
    refused = metatrain(tmp_path, "train", kind, *words)
    assert refused.returncode == 2
    assert f"but task.kind = '{kind}' has" in refused.stderr
    assert "use task.kind = 'images' or 'text'" in refused.stderr

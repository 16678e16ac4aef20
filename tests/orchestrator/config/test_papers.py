"""The presets of papers say what the papers and their code say."""

import re

import pytest

from orchestrator.config.schema import load, preset_file, presets
from orchestrator.config.sources import PAPERS

NAMES = sorted(path.stem for path in PAPERS.glob("*.toml"))
#: ways, shots, queries, inner_lr, inner_steps, tasks a step, steps, inner steps at test.
FINN = {
    "omniglot-5w1s": (5, 1, 1, 0.4, 1, 32, 60000, 3),
    "omniglot-5w5s": (5, 5, 5, 0.4, 1, 32, 60000, 3),
    "omniglot-20w1s": (20, 1, 1, 0.1, 5, 16, 60000, 5),
    "omniglot-20w5s": (20, 5, 5, 0.1, 5, 16, 60000, 5),
    "miniimagenet-5w1s": (5, 1, 15, 0.01, 5, 4, 60000, 10),
    "miniimagenet-5w5s": (5, 5, 15, 0.01, 5, 2, 60000, 10),
}
#: The code's --classes, --shots, --train-shots, --inner-batch, --inner-iters, --learning-rate,
#: --meta-step, --meta-batch, --meta-iters, --eval-batch and --eval-iters. A batch that is larger
#: than the support set is all of it.
NICHOL = {
    "omniglot-5w1s-transductive": (5, 1, 15, 25, 3, 1e-3, 1, 10, 100000, 5, 5),
    "omniglot-5w1s": (5, 1, 12, 5, 12, 4.4e-4, 1, 3, 200000, 5, 86),
    "omniglot-5w5s": (5, 5, 10, 10, 5, 1.5e-3, 0.7, 5, 100000, 6, 100),
    "omniglot-20w1s": (20, 1, 9, 15, 12, 4.6e-4, 1, 3, 200000, 10, 97),
    "omniglot-20w5s": (20, 5, 12, 20, 12, 4.6e-4, 1, 3, 200000, 10, 97),
    "miniimagenet-5w1s": (5, 1, 12, 3, 19, 1.2e-3, 0.235, 2, 200000, 3, 55),
    "miniimagenet-5w5s": (5, 5, 15, 10, 8, 2.2e-4, 1, 5, 200000, 15, 88),
}
#: ways, shots, queries, filters, tasks a step, inner_lr, steps of the multi-step loss, schedule of
#: the outer rate, and its end: of the files in the code's experiment_config.
ANTONIOU = {
    "omniglot-5w1s": (5, 1, 1, 64, 8, 0.1, 10 * 500, "cosine", 1e-5),
    "omniglot-5w5s": (5, 5, 1, 64, 8, 0.1, 10 * 500, "cosine", 1e-5),
    "omniglot-20w1s": (20, 1, 1, 64, 8, 0.1, 10 * 500, "cosine", 1e-5),
    "omniglot-20w5s": (20, 5, 1, 64, 8, 0.1, 10 * 500, "cosine", 1e-5),
    "miniimagenet-5w1s": (5, 1, 15, 48, 2, 0.01, 15 * 500, "constant", 0),
    "miniimagenet-5w5s": (5, 5, 15, 48, 2, 0.01, 15 * 500, "constant", 0),
}
#: ways in training and at test, shots, queries in training and at test, test tasks.
SNELL = {
    "omniglot-5w1s": (60, 5, 1, 5, 15, 1000),
    "omniglot-5w5s": (60, 5, 5, 5, 15, 1000),
    "omniglot-20w1s": (60, 20, 1, 5, 15, 1000),
    "omniglot-20w5s": (60, 20, 5, 5, 15, 1000),
    "miniimagenet-5w1s": (30, 5, 1, 15, 15, 600),
    "miniimagenet-5w5s": (20, 5, 5, 15, 15, 600),
}
#: The code's --data.way, images of a class, --data.batch_size (of training and test) and
#: --base_learner.init_adj_scale; ways and shots at test, and the images that a class has.
BERTINETTO = {
    "omniglot-5w1s": (60, 10, 600, 10, 5, 1, 20),
    "omniglot-5w5s": (60, 10, 600, 10, 5, 5, 20),
    "omniglot-20w1s": (60, 10, 600, 10, 20, 1, 20),
    "omniglot-20w5s": (60, 10, 600, 10, 20, 5, 20),
    "miniimagenet-5w1s": (16, 15, 240, 1, 5, 1, 600),
    "miniimagenet-5w5s": (16, 15, 240, 1, 5, 5, 600),
    "cifarfs-5w1s": (20, 12, 240, 10, 5, 1, 600),
    "cifarfs-5w5s": (20, 12, 240, 10, 5, 5, 600),
}


@pytest.mark.parametrize("name", FINN)
def test_finn_2017(name):
    config, _ = load(f"finn2017-{name}", ["task.path=nowhere"])
    task, algorithm, outer = config.task, config.algorithm, config.outer
    sizes = task.ways, task.shots, task.queries, algorithm.inner_lr, algorithm.inner_steps
    (test_steps,) = config.evaluation.inner_steps
    assert (*sizes, outer.meta_batch_size, outer.steps, test_steps) == FINN[name]
    assert (algorithm.kind, algorithm.first_order, algorithm.inner_loss) == (
        "maml",
        False,
        "sum_over_shots",
    )
    assert (outer.optimizer, outer.lr, outer.schedule) == ("adam", 1e-3, "constant")
    omniglot = name.startswith("omniglot")
    model = config.model
    assert (model.filters, model.downsample) == ((64, "stride") if omniglot else (32, "max_pool"))
    assert outer.clip_value == (None if omniglot else 10)
    assert task.rotations == ("all" if omniglot else "none")
    assert (model.normalization, model.statistics) == ("batch", "batch")


@pytest.mark.parametrize("name", NICHOL)
def test_nichol_2018(name):
    config, _ = load(f"nichol2018-{name}", ["task.path=nowhere"])
    task, algorithm, outer = config.task, config.algorithm, config.outer
    evaluation = config.evaluation
    (test_steps,) = evaluation.inner_steps
    assert (
        task.ways,
        evaluation.shots,
        task.shots,
        algorithm.inner_batch,
        algorithm.inner_steps,
        algorithm.inner_lr,
        outer.lr,
        outer.meta_batch_size,
        outer.steps,
        evaluation.inner_batch,
        test_steps,
    ) == NICHOL[name]
    assert (algorithm.kind, algorithm.inner_optimizer) == ("reptile", "adam")
    assert algorithm.inner_moments == "persistent"
    assert (outer.optimizer, outer.schedule, evaluation.queries) == ("sgd", "linear", 1)


@pytest.mark.parametrize("name", ANTONIOU)
def test_antoniou_2019(name):
    config, _ = load(f"antoniou2019-{name}", ["task.path=nowhere"])
    task, algorithm, outer = config.task, config.algorithm, config.outer
    sizes = task.ways, task.shots, task.queries, config.model.filters, outer.meta_batch_size
    rates = algorithm.inner_lr, algorithm.multi_step_until, outer.schedule, outer.final_lr
    assert (*sizes, *rates) == ANTONIOU[name]
    assert (algorithm.kind, algorithm.inner_steps, algorithm.first_order) == ("maml", 5, False)
    assert (algorithm.layer_rates, algorithm.step_affine, algorithm.multi_step) == (True,) * 3
    assert (algorithm.step_statistics, algorithm.second_order_after) == (False, 0)
    assert (config.model.downsample, config.model.statistics) == ("max_pool", "batch")
    assert (outer.optimizer, outer.lr, outer.steps) == ("adam", 1e-3, 100 * 500)
    omniglot = name.startswith("omniglot")
    assert outer.clip_value == (None if omniglot else 10)
    assert task.rotations == ("train" if omniglot else "none")
    assert config.evaluation.inner_steps == (5,)


@pytest.mark.parametrize("name", SNELL)
def test_snell_2017(name):
    config, _ = load(f"snell2017-{name}", ["task.path=nowhere"])
    task, evaluation = config.task, config.evaluation
    sizes = task.ways, evaluation.ways, task.shots, task.queries
    assert (*sizes, evaluation.queries or task.queries, evaluation.tasks) == SNELL[name]
    assert evaluation.size is None  # the shots of training
    assert config.algorithm.kind == "protonet"
    check_closed_form(config, 1e-3)
    assert (config.model.filters, config.model.downsample) == (64, "max_pool")


@pytest.mark.parametrize("name", BERTINETTO)
def test_bertinetto_2019(name):
    config, _ = load(f"bertinetto2019-{name}", ["task.path=nowhere"])
    task, algorithm, evaluation = config.task, config.algorithm, config.evaluation
    ways, images, batch, scale, test_ways, shots, of_class = BERTINETTO[name]
    assert (task.ways, task.shots, algorithm.scale) == (ways, (1, 9), scale)
    assert batch == ways * images
    assert task.queries == images - 5  # of 1 to 9 shots, 5 are the mean
    assert (evaluation.ways, evaluation.size) == (test_ways, shots)
    assert evaluation.queries == min(of_class, batch // test_ways) - shots
    assert (algorithm.kind, algorithm.penalty, algorithm.penalty_of) == ("ridge", 50, "mean")
    assert not algorithm.learn_penalty
    check_closed_form(config, 5e-3)
    assert (config.model.kind, config.model.filters) == ("r2d2", (96, 192, 384, 512))


def check_closed_form(config, lr):
    outer = config.outer
    assert (outer.optimizer, outer.lr, outer.meta_batch_size) == ("adam", lr, 1)
    assert (outer.schedule, outer.decay_steps, outer.decay_factor) == ("staircase", 2000, 0.5)
    assert config.model.statistics == "running"
    rotates = "label_column" in config.task.model_fields_set
    assert config.task.rotations == ("all" if rotates else "none")


@pytest.mark.parametrize(
    ("name", "finn", "kind"),
    [
        *((f"raghu2020-{name}", name, "anil") for name in FINN if "omniglot-5" not in name),
        *((f"li2017-{name}", name, "meta_sgd") for name in FINN),
        *((f"li2017-sinusoid-{shots}s", "sinusoid", "meta_sgd") for shots in (5, 10, 20)),
    ],
)
def test_what_is_finns_but_for_the_algorithm(name, finn, kind):
    """Where the paper's own settings were not found."""
    sets = [] if finn == "sinusoid" else ["task.path=nowhere"]
    (config, notes), (base, _) = load(name, sets), load(f"finn2017-{finn}", sets)
    assert not any("changing algorithm.kind" in note for note in notes)
    algorithm = config.algorithm
    assert algorithm.kind == kind
    steps = base.algorithm.inner_steps if kind == "anil" else 1
    kept = base.algorithm.inner_lr, steps, base.algorithm.inner_loss
    assert (algorithm.inner_lr, algorithm.inner_steps, algorithm.inner_loss) == kept
    assert (config.outer, config.model) == (base.outer, base.model)
    shots = int(name.removesuffix("s").rpartition("-")[2]) if finn == "sinusoid" else None
    same = {} if shots is None else {"shots": shots}
    assert config.task == base.task.model_copy(update=same)
    if kind == "meta_sgd":
        assert config.evaluation.inner_steps == (1,)
        assert config.evaluation.shots == shots
    else:
        assert config.evaluation == base.evaluation


@pytest.mark.parametrize("name", NAMES)
def test_a_paper_s_preset_says_what_it_is_and_what_was_published(name):
    assert name in presets()
    text = preset_file(name).read_text()
    author, year = re.fullmatch(r"([a-z]+)(\d{4})-.+", name).groups()
    assert text.startswith("# ")
    assert f"{author.capitalize()} et al. {year}" in text
    assert "Published:" in text or "sinusoid" in name

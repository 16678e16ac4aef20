"""The presets of papers say what the papers and their code say."""

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


@pytest.mark.parametrize("name", NAMES)
def test_a_paper_s_preset_says_what_it_is_and_what_was_published(name):
    assert name in presets()
    text = preset_file(name).read_text()
    year = name[:8].rstrip("-")
    assert text.startswith("# ")
    assert year[-4:] in text
    assert "Published:" in text or "sinusoid" in name

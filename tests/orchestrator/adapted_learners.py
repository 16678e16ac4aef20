"""Small runs, and predictors that are adapted to one of their test tasks."""

import pytest
import small_configs
from small_configs import ONE_BY_ONE
from small_learners import FIRST_ORDER, episode_of, outputs_in_evaluation, run_of

from orchestrator.adaptation import artefact
from orchestrator.adaptation.answers import probabilities
from orchestrator.learner import Learner


def sinusoid(*overrides):
    """Make a mapped configuration, which is traced faster than a vectorized one."""
    return small_configs.sinusoid(*ONE_BY_ONE, "runtime.execution=map", *overrides)


def images(source, cache, *overrides):
    order = [] if "algorithm.kind=joint" in overrides else [FIRST_ORDER]
    return small_configs.images(source, cache, *ONE_BY_ONE, *order, *overrides)


#: Pictures, normalized over batches as Conv4 does it, which has four times as many layers.
ONE_LAYER = ["model.kind=linear", "model.normalization=batch"]


def learner_of(config, **options):
    return Learner.load(run_of(config), **options)


def as_trained(config):
    """Return the statistics of the run's evaluation; the default is one query at a time."""
    normalizes = config.task.kind == "images" or config.model.kind == "keras"
    return config.model.statistics if normalizes else None


def adapted_to_a_test_task(config):
    """Return a predictor, the queries, and the outputs of the run's own evaluation."""
    support_x, support_y, query_x, _ = episode_of(config)
    learner = learner_of(config, statistics=as_trained(config))
    predictor = learner.adapt(support_x, support_y)
    source = artefact.load(str(run_of(config)))
    expected = outputs_in_evaluation(config, source.state.weights, source.recipe)
    if learner.classifies:
        expected = probabilities(expected, expected.shape[-1])
    return predictor, query_x, expected


def named(cases):
    """Make parameters of cases by their names."""
    return [pytest.param(case, id=name) for name, case in cases.items()]

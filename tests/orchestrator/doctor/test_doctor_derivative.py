"""Faulty layers: which of them break a run, and their findings."""

from pathlib import Path

import pytest
import tensorflow  # noqa: F401  (starts on one thread, see conftest.py)
from small_configs import sinusoid

from orchestrator.doctor.derivative import Fault, Layers, check_layers, look_at_layers
from workers import meta_parameters
from workers.model_checks import second_derivative
from workers.tasks.registry import make_family

pytestmark = pytest.mark.usefixtures("_looked_at_once")
MODELS = Path(__file__).parents[2] / "fakes/tasks"


@pytest.fixture(scope="module")
def _looked_at_once():
    """Check each model only once, as layers do not depend on the algorithm."""
    models, surveys = {}, {}
    make, survey = meta_parameters.make_train_model, second_derivative.survey_second_derivatives

    def made(settings, family):
        key = settings.model.model_dump_json()
        if key not in models:
            models[key] = make(settings, family)
        return models[key]

    def looked_at(model, *given):
        key = id(model), *given
        if key not in surveys:
            surveys[key] = survey(model, *given)
        return surveys[key]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(meta_parameters, "make_train_model", made)
        patch.setattr(second_derivative, "survey_second_derivatives", looked_at)
        yield


def judged(name, *overrides):
    config = sinusoid(
        "model.kind=keras",
        f"model.source=user_models:{name}",
        f"model.folder={MODELS}",
        *overrides,
    )
    return check_layers(config, look_at_layers(config, make_family(config.task)))


def test_every_layer_at_fault_is_named_with_what_to_do():
    first, second = judged("reversed_twice")
    assert first.verdict == second.verdict == "broken"
    assert "'first' (Reversed)" in first.found
    assert "'second' (Reversed)" in second.found
    for advice in ("replace the layer", "algorithm.first_order=true", "second_derivative=trusted"):
        assert advice in first.advice


@pytest.mark.parametrize(
    "overrides",
    [
        ["algorithm.first_order=true"],
        ["algorithm.kind=reptile"],
        ["algorithm.kind=joint"],
        ["algorithm.kind=anil"],
        ["model.second_derivative=trusted"],
    ],
)
def test_a_layer_at_fault_is_a_note_where_nothing_needs_it(overrides):
    findings = judged("reversed_twice", *overrides)
    assert [finding.verdict for finding in findings] == ["note", "note"]
    assert "'first'" in findings[0].found


@pytest.mark.parametrize(
    "overrides",
    [["algorithm.kind=boil"], ["algorithm.kind=anil", "model.statistics=support"]],
)
def test_a_layer_at_fault_breaks_what_differentiates_through_the_body(overrides):
    assert {finding.verdict for finding in judged("reversed_twice", *overrides)} == {"broken"}


def test_implicit_gradients_need_second_derivatives_and_reptile_does_not():
    first, _ = judged("reversed_twice", "algorithm.kind=imaml")
    assert first.verdict == "broken"
    assert "set algorithm.kind=reptile" in first.advice


def test_what_is_right_is_one_line():
    [finding] = judged("small")
    assert finding.verdict == "well"
    assert "right in all 8 layers" in finding.found
    assert "not needed" in judged("small", "algorithm.first_order=true")[0].found


def test_layers_that_could_not_be_checked_are_said():
    layers = Layers([Fault("a", "A", "none", True)], ["Own"], 3)
    verdicts = [finding.verdict for finding in check_layers(sinusoid(), layers)]
    assert verdicts == ["broken", "warning"]
    first_order = sinusoid("algorithm.first_order=true")
    assert check_layers(first_order, Layers([], ["Own"], 3))[0].verdict == "note"

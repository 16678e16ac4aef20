import pytest
from pydantic import ValidationError

from workers.algorithms.anil import AnilAlgorithm
from workers.algorithms.boil import BoilAlgorithm
from workers.algorithms.imaml import ImamlAlgorithm
from workers.algorithms.joint import JointAlgorithm
from workers.algorithms.maml import MamlAlgorithm
from workers.algorithms.meta_sgd import MetaSgdAlgorithm
from workers.algorithms.reptile import ReptileAlgorithm
from workers.models.mlp import MlpModel
from workers.models.transformer import TransformerModel
from workers.settings.generation_task import GenerationTask
from workers.settings.sinusoid_task import SinusoidTask
from workers.settings.worker import ActorSettings

TASK = GenerationTask(path="a.csv")


def make(model, algorithm=None, task=TASK):
    return ActorSettings(task=task, model=model, algorithm=algorithm or MamlAlgorithm())


def test_a_transformer_runs_one_task_after_another_with_xla():
    assert make(TransformerModel()).execution == ("map", True)


@pytest.mark.parametrize(
    ("model", "algorithm", "task", "match"),
    [
        (MlpModel(), None, TASK, "model.kind = 'mlp' does not predict the next token"),
        (TransformerModel(), None, SinusoidTask(), "it is for task.kind = 'generation'"),
        (TransformerModel(output="tied"), AnilAlgorithm(), TASK, "'tied' has no head"),
        (TransformerModel(output="tied"), BoilAlgorithm(), TASK, "'tied' has no head"),
        (TransformerModel(adapter_rank=2), AnilAlgorithm(), TASK, "adapter_rank = 2 decides what"),
        (TransformerModel(adapter_rank=2), ReptileAlgorithm(), TASK, "trains only what that"),
    ],
)
def test_what_does_not_go_together_is_refused(model, algorithm, task, match):
    with pytest.raises(ValidationError, match=match):
        make(model, algorithm, task)


@pytest.mark.parametrize(
    "algorithm", [MamlAlgorithm(), MetaSgdAlgorithm(), ImamlAlgorithm(), JointAlgorithm()]
)
def test_adapters_go_with_what_trains_all_weights(algorithm):
    assert make(TransformerModel(adapter_rank=2), algorithm).model.adapter_rank == 2


def test_heads_divide_the_width():
    with pytest.raises(ValidationError, match=r"model.heads = 3 does not divide model.width = 64"):
        TransformerModel(heads=3)

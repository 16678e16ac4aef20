from pathlib import Path

import pytest
from small_passages import rows_of
from small_texts import write

from workers.algorithms.maml import MamlAlgorithm
from workers.model_checks.user_model import check_model
from workers.models.user_model import KerasModel
from workers.settings.generation_task import GenerationTask
from workers.settings.worker import ActorSettings
from workers.tasks.registry import make_family


@pytest.fixture
def check(tmp_path):
    path = write(tmp_path / "a.csv", rows_of(), ("voice", "text"))

    def check(name):
        settings = ActorSettings(
            task=GenerationTask(path=str(path), task_column="voice", shots=3, queries=3, length=20),
            model=KerasModel(
                source=f"text_models:{name}", folder=str(Path(__file__).parents[2] / "fakes/tasks")
            ),
            algorithm=MamlAlgorithm(first_order=True),
        )
        return check_model(settings, make_family(settings.task))

    return check


def test_a_users_causal_model_is_taken(check):
    assert not check("causal").mixes


@pytest.mark.parametrize(
    ("name", "match"),
    [
        ("peeking", "looks ahead: another last token changes the outputs"),
        ("of_texts", r"the tasks need logits \[batch, 20, \d+\] float32"),
        ("with_softmax", "ends in a softmax"),
        (
            "of_few_tokens",
            r"ids of these tasks' tokens, 0 to \d+; its Embedding needs input_dim",
        ),
    ],
)
def test_what_does_not_say_what_comes_next_is_refused(check, name, match):
    with pytest.raises(ValueError, match=match):
        check(name)

"""A user's own model, loss and metrics: refused before any actor starts."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from orchestrator.config.schema import MetaConfig
from workers.execution import runtime
from workers.losses.registry import loss_of
from workers.tasks.family import TaskFamily

if TYPE_CHECKING:  # imports TensorFlow, before which the runtime must be set
    from workers.model_checks.user_model import ModelFacts

Say = Callable[[str], None]


def check_functions(
    config: MetaConfig, family: TaskFamily, gpus: float, verbose: bool, say: Say, notify: Say
) -> ModelFacts | None:
    """Start TensorFlow and look at what is the user's own; do nothing where nothing is.

    Args:
      gpus: of this process. verbose: print TensorFlow's messages.
      say: takes a line about what is being waited for.
      notify: takes a line about what was not checked.
    Returns:
      facts about the model; None for models of metatrain.
    Raises:
      ValueError: the model, the loss or a metric cannot be used with this configuration.
    """
    loss = loss_of(family)
    users = {
        "model": config.model.is_users,
        "loss": loss.is_users and config.task.is_drawn,
        "metrics": bool(loss.settings.metrics) and config.task.is_drawn,
    }
    if not any(users.values()):
        return None
    what = " and ".join(name for name, is_users in users.items() if is_users)
    say(f"starting TensorFlow and looking at the {what}")
    runtime.start_tensorflow(gpus, verbose)
    facts = None
    if users["model"]:
        from workers.model_checks.user_model import check_model

        facts = check_model(config.worker, family)
        _check_ranges(config, facts)
    if users["loss"] or users["metrics"]:
        from workers.model_checks.user_loss import check_loss

        for note in check_loss(config.worker, family):
            notify(note)
    return facts


def _check_ranges(config: MetaConfig, facts: ModelFacts) -> None:
    """Refuse a model whose answers depend on other examples, if some of these may be padding."""
    ranges = {f"task.{name}": getattr(config.task, name) for name in ("shots", "queries")}
    ranges["task.ways"] = getattr(config.task, "ways", None)
    evaluation = config.evaluation
    ranges |= {"evaluation.shots": evaluation.size, "evaluation.queries": evaluation.queries}
    for key, size in ranges.items():
        if isinstance(size, tuple) and (facts.mixes or "batch" in facts.normalizations):
            raise ValueError(
                f"{key} = {list(size)} is a range, and {config.model.title} normalizes examples by "
                "others, of which some would be none; use layer or group normalization in it, or "
                "give a number"
            )

"""The check, before anything starts, that Weights & Biases is installed and can be logged in to."""

import os
from importlib.util import find_spec

_WITHOUT_ACCOUNT = ("offline", "disabled")


def check_wandb(project: str | None, key: str) -> None:
    """Refuse a project if the package is missing, or nobody is logged in.

    Args:
      key: the setting that holds it, for the message.
    Raises:
      ValueError: names the project and what to do.
    """
    if project is None:
        return
    if find_spec("wandb") is None:
        raise ValueError(
            f"{key} = '{project}' needs a package that is not installed: pip install wandb, or "
            "leave it out"
        )
    if os.environ.get("WANDB_MODE") in _WITHOUT_ACCOUNT or os.environ.get("WANDB_API_KEY"):
        return
    import wandb

    if not wandb.api.api_key:
        raise ValueError(
            f"{key} = '{project}', and nobody is logged in: run wandb login, set WANDB_API_KEY, or "
            "set WANDB_MODE=offline"
        )

"""Suggestions for unknown keys: keys by other names, and settings typed as options."""

import difflib

from pydantic import BaseModel

from orchestrator.config.keys import keys_of

#: Another common name of a setting -> its possible keys, the likeliest first.
ALIASES = {
    "learning_rate": ("outer.lr", "algorithm.inner_lr"),
    "meta_lr": ("outer.lr",),
    "meta_learning_rate": ("outer.lr",),
    "outer_lr": ("outer.lr",),
    "outer_learning_rate": ("outer.lr",),
    "outer_steps": ("outer.steps",),
    "inner_learning_rate": ("algorithm.inner_lr",),
    "adaptation_lr": ("algorithm.inner_lr",),
    "fast_lr": ("algorithm.inner_lr",),
    "num_inner_steps": ("algorithm.inner_steps",),
    "adaptation_steps": ("algorithm.inner_steps",),
    "iterations": ("outer.steps",),
    "epochs": ("outer.steps",),
    "num_steps": ("outer.steps",),
    "max_steps": ("outer.steps",),
    "batch_size": ("outer.meta_batch_size",),
    "meta_batch": ("outer.meta_batch_size",),
    "tasks_per_step": ("outer.meta_batch_size",),
    "num_workers": ("workers.count",),
    "n_way": ("task.ways",),
    "num_ways": ("task.ways",),
    "n_ways": ("task.ways",),
    "way": ("task.ways",),
    "k_shot": ("task.shots",),
    "num_shots": ("task.shots",),
    "n_shots": ("task.shots",),
    "shot": ("task.shots",),
    "num_queries": ("task.queries",),
    "query": ("task.queries",),
    "dataset": ("task.path",),
    "data": ("task.path",),
    "hidden_size": ("model.hidden", "model.width"),
    "layers": ("model.layers", "model.hidden"),
    "clip": ("outer.clip_norm",),
    "grad_clip": ("outer.clip_norm",),
    "gradient_clip": ("outer.clip_norm",),
    "max_grad_norm": ("outer.clip_norm",),
    "eval_tasks": ("evaluation.tasks",),
    "eval_every": ("evaluation.every",),
    "checkpoint_every": ("checkpoint.every",),
    "random_seed": ("seed",),
    "device": ("workers.gpus",),
    "gpus": ("workers.gpus",),
}


def meant(key: str, schema: type[BaseModel]) -> str:
    """Return the key of the schema that an unknown one may mean; "" if none is close.

    Candidates, in this order: keys of its section that end in its last word, keys of the same last
    name in any section, aliases, and keys with nearly the same letters.
    """
    names = list(dict.fromkeys(name for name, _ in keys_of(schema)))
    section, _, last = key.replace("-", "_").lower().rpartition(".")
    lasts = {name: name.rpartition(".")[2] for name in names}
    close = difflib.get_close_matches(last, lasts.values(), n=1)
    in_section = [name for name in names if name.startswith(f"{section}.")]
    exact = [name for name in names if lasts[name] == last]
    matches = [name for name in in_section if name in exact]
    matches = matches or [name for name in in_section if lasts[name].endswith(f"_{last}")] or exact
    matches = matches or [name for name in ALIASES.get(last, ()) if name in lasts]
    matches = matches or [name for name in names if lasts[name] in close]
    return min(matches, key=lambda name: _rank(name, section), default="")


def option_meant(option: str, schema: type[BaseModel]) -> str:
    """Return how to set what was typed as an option (--seed) or bare (outer.steps=100)."""
    name, equals, value = option.lstrip("-").partition("=")
    key = meant(name, schema)
    return f"--set {key}={value if equals else 'VALUE'}" if key else ""


def _rank(key: str, section: str) -> tuple[bool, int]:
    """Rank a key: those of the typed section first, then by how often their section is set."""
    order = ("outer", "algorithm", "task", "model", "evaluation", "checkpoint", "workers")
    keys_section = key.partition(".")[0]
    return keys_section != section, order.index(keys_section) if keys_section in order else -1

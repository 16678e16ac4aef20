"""`metatrain evaluate`: score a run's best checkpoint again, perhaps under another protocol."""

import tomllib
from pathlib import Path

from orchestrator import checkpoint
from orchestrator import config as configuration
from orchestrator.commands.common import NOTES, RESULTS, check_machine, open_family, waiting
from orchestrator.evaluation_keys import check_overrides
from orchestrator.storage import Storage


def execute(run: str, overrides: list[str], workers: str, out: Path | None, verbose: bool) -> None:
    """Print the test scores, and write them to `out` if given.

    Raises:
      ValueError: no run is there, `out` exists, or an override is not about the evaluation.
    """
    if out is not None and out.exists():
        raise ValueError(f"--out {out} exists; give another file")
    storage = Storage(run)
    if not storage.exists("config.toml"):
        raise ValueError(
            f"{storage.location} holds no run (no config.toml); give the folder of one"
        )
    try:
        table = tomllib.loads(storage.read("config.toml").decode())
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"{storage.place('config.toml')} is not TOML: {error}") from None
    statistics = table.get("model", {}).get("statistics")
    check_overrides(overrides)
    for text in overrides:
        key, value = configuration.parse_override(text)
        changed = key == "model.statistics" and value != statistics
        if changed and "running" in (value, statistics):
            raise ValueError(
                f"model.statistics = {value!r}, but the run was trained with {statistics!r}: "
                "running statistics are kept in training or not at all"
            )
        configuration.set_key(table, key, value)
    configuration.set_key(table, *configuration.parse_override(f"workers.count={workers}"))
    config = configuration.validate(table)
    check_machine(config)
    name, _, problems = checkpoint.best(storage)
    for problem in problems:
        NOTES.print(f"note: passed over: {problem}")
    trained_with = checkpoint.load(storage, name)[1].fingerprint
    family = open_family(config)

    with waiting() as say:
        from orchestrator.launch import launch

        launched = launch(config, family, {}, say=say, notify=NOTES.print, verbose=verbose)
        try:
            from orchestrator.run import evaluate_best

            if launched.fingerprint.get("model") != trained_with.get("model"):
                raise ValueError(
                    f"{getattr(config.model, 'source', '')} has changed since the run was trained "
                    "(its file or its frozen weights): these would not be the run's numbers; set "
                    "it back"
                )
            say(f"evaluating on {config.evaluation.tasks} test tasks")
            result = evaluate_best(config, storage, launched, choose_again=bool(overrides))
        finally:
            launched.close()
    from orchestrator.report import print_result

    print_result(RESULTS, result, config.evaluation.inner_steps)
    if out is not None:
        out.write_text(result.to_json())
        NOTES.print(f"written: {out}")

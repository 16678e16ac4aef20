"""The set-up of Ray Tune: searcher, scheduler, and a sweep to run or restore. Wiring only."""

import os
from typing import Any

import ray
from ray import tune
from ray.tune.execution import class_cache
from ray.tune.schedulers import TrialScheduler
from ray.tune.search.basic_variant import BasicVariantGenerator

from orchestrator.config.schema import MetaConfig, Table
from orchestrator.pool.ray_session import end_ray, interruptible, start_ray
from orchestrator.storage.storage import Storage
from orchestrator.sweep.dimension import Dimension
from orchestrator.sweep.explore import Explore
from orchestrator.sweep.ray_relay import Relay
from orchestrator.sweep.ray_schedulers import Asha, Fifo, Median, Pbt
from orchestrator.sweep.ray_trial import POINT, RayTrial, Shared
from orchestrator.sweep.resources import bundles, check_room, num_actors
from orchestrator.sweep.settings import SweepSettings
from orchestrator.sweep.space import points
from orchestrator.sweep.trial_table import TrialTable
from orchestrator.text.plain_text import file_name

TUNE_FOLDER = "tune"
# So often may the process of a trial die; the run in it recovers from faults of its actors.
_MAX_FAILURES = 3
_SNAPSHOT_EVERY_S = "2"
_STEP = "step"


def start(config: MetaConfig, verbose: bool) -> bool:
    """Join or start Ray; if it is started it has room for at least one trial.

    Returns:
      whether it was started here, so that `stop` must end it.
    Raises:
      ValueError: no trial can ever be placed.
    """
    # Settings that Ray reads when it starts. Trials stay in the working directory of the command,
    # as the user's code expects; their metrics are in the folders of their runs.
    os.environ.setdefault("RAY_CHDIR_TO_TRIAL_DIR", "0")
    os.environ.setdefault("TUNE_DISABLE_AUTO_CALLBACK_LOGGERS", "1")
    os.environ.setdefault("TUNE_DISABLE_SIGINT_HANDLER", "1")
    os.environ.setdefault("TUNE_GLOBAL_CHECKPOINT_S", _SNAPSHOT_EVERY_S)
    os.environ.setdefault("RAY_AIR_NEW_OUTPUT", "0")  # the other output greets at any verbosity
    needed, is_new = bundles(config), not ray.is_initialized()
    if is_new:
        cores = len(os.sched_getaffinity(0))
        start_ray(max(cores, sum(bundle["CPU"] for bundle in needed)), verbose)
    check_room(needed, [node["Resources"] for node in ray.nodes() if node["Alive"]])
    return is_new


def room_for(sweep: SweepSettings, config: MetaConfig) -> int:
    """Return how many trials fit at a time, by CPUs alone."""
    cpus = sum(bundle["CPU"] for bundle in bundles(config))
    room = max(1, int(ray.cluster_resources().get("CPU", 0) / cpus))
    return min(room, sweep.search.parallel or room)


def stop() -> None:
    """Leave the cluster, or end the Ray that `start` started with all its trials."""
    end_ray()


def run(
    sweep: SweepSettings,
    table: Table,
    config: MetaConfig,
    location: str,
    trial_table: TrialTable,
) -> None:
    """Run trials until the sweep is over; continue a sweep that is in the folder.

    Args:
      table: the table of the base with its overrides. config: the base as a configuration.
      location: the sweep's folder. trial_table: takes the events.
    """
    _keep_keys_out_of_logs()
    storage = Storage(location)
    folder = f"{storage.root}/{TUNE_FOLDER}"
    fixed_table = {**table, "workers": {**table.get("workers", {}), "count": num_actors(config)}}
    shared = Shared(fixed_table, dict(sweep.space), location, trial_table.metric)
    trainable = tune.with_resources(
        tune.with_parameters(RayTrial, shared=shared), tune.PlacementGroupFactory(bundles(config))
    )
    space = _param_space(sweep)
    Relay.trial_table, Relay.space = trial_table, sweep.space
    try:
        if tune.Tuner.can_restore(folder, storage_filesystem=storage.filesystem):
            # Tune saves plain values only, so it needs the space again.
            tuner = tune.Tuner.restore(
                folder, trainable, param_space=space, storage_filesystem=storage.filesystem
            )
        else:
            tuner = _tuner(sweep, config, storage, trainable, space, trial_table)
        with interruptible():
            tuner.fit()
    finally:
        Relay.trial_table = None


def _folder_of(trial: Any) -> str:
    """Return the folder of a trial. Tune saves this function with each trial, by its name."""
    return str(trial.trial_id)


def _keep_keys_out_of_logs() -> None:
    """Keep Tune from passing credentials to trials, because Ray logs the environment of trials.

    A Ray that is started here has the command's environment already; the machines of a cluster have
    their own credentials.
    """
    for name in [name for name in class_cache.ENV_VARS_TO_PROPAGATE if name.startswith("AWS_")]:
        class_cache.ENV_VARS_TO_PROPAGATE.discard(name)


def _param_space(sweep: SweepSettings) -> dict[str, Any]:
    """Return Tune's own space: all points, or with pbt each value; empty for Optuna."""
    if sweep.search.searcher == "optuna":
        return {}
    if sweep.search.scheduler == "pbt":
        return {key: _domain(dimension) for key, dimension in sweep.space.items()}
    return {POINT: tune.grid_search(points(sweep))}


def _tuner(
    sweep: SweepSettings,
    config: MetaConfig,
    storage: Storage,
    trainable: Any,
    space: dict[str, Any],
    trial_table: TrialTable,
) -> tune.Tuner:
    search, searcher = sweep.search, _searcher(sweep, trial_table)
    samples = 1 if POINT in space else sweep.samples
    has_objective = search.searcher == "optuna"
    is_drawn = isinstance(searcher, BasicVariantGenerator)
    return tune.Tuner(
        trainable,
        param_space=space,
        tune_config=tune.TuneConfig(
            metric=None if has_objective else trial_table.metric,
            mode=None if has_objective else trial_table.mode,
            search_alg=searcher,
            scheduler=_scheduler(sweep, config, trial_table),
            num_samples=samples,
            max_concurrent_trials=None if is_drawn else search.parallel,
            time_budget_s=search.time_s,
            reuse_actors=True,
            trial_dirname_creator=_folder_of,
        ),
        run_config=tune.RunConfig(
            name=TUNE_FOLDER,
            storage_path=storage.root,
            storage_filesystem=storage.filesystem,
            failure_config=tune.FailureConfig(max_failures=_MAX_FAILURES),
            callbacks=[
                *_mlflow(sweep, config),
                Relay(),
            ],  # Relay last: it deletes most keys of a result
            verbose=0,
        ),
    )


def _searcher(sweep: SweepSettings, trial_table: TrialTable) -> Any:
    """Return what draws points, from the sweep's seed; None where all points are in the space."""
    if sweep.search.searcher == "optuna":
        import optuna

        from orchestrator.sweep.ray_searcher import Searcher

        optuna.logging.set_verbosity(optuna.logging.WARNING)
        domains = {key: _domain(dimension) for key, dimension in sweep.space.items()}
        return Searcher(domains, metric=trial_table.metric, mode=trial_table.mode, seed=sweep.seed)
    if sweep.search.scheduler == "pbt":
        parallel = sweep.search.parallel or 0
        return BasicVariantGenerator(random_state=sweep.seed, max_concurrent=parallel)
    return None


def _scheduler(sweep: SweepSettings, config: MetaConfig, trial_table: TrialTable) -> TrialScheduler:
    search, every = sweep.search, config.evaluation.every
    # The length of a run may be in the space.
    lengths = sweep.space.get("outer.steps")
    longest = max(lengths.extremes) if lengths else config.outer.steps
    grace = min(search.grace_steps or every, longest)
    objective = (
        {"metric": trial_table.metric, "mode": trial_table.mode}
        if search.searcher == "optuna"
        else {}
    )
    match search.scheduler:
        case "asha":
            return Asha(
                time_attr=_STEP,
                max_t=longest,
                grace_period=grace,
                reduction_factor=search.reduction_factor,
                **objective,
            )
        case "median":
            return Median(time_attr=_STEP, grace_period=grace, **objective)
        case "pbt":
            return Pbt(
                time_attr=_STEP,
                perturbation_interval=search.perturb_steps or every,
                # Tune's own mutations would leave the space, and never change small integers.
                hyperparam_mutations={},
                custom_explore_fn=Explore(dict(sweep.space), sweep.seed),
            )
    return Fifo()


def _domain(dimension: Dimension) -> Any:
    make = {
        "choice": lambda *values: tune.choice(list(values)),
        "uniform": tune.uniform,
        "loguniform": tune.loguniform,
        "quniform": tune.quniform,
        "randint": tune.randint,
    }[dimension.kind]
    return make(*getattr(dimension, dimension.kind))


def _mlflow(sweep: SweepSettings, config: MetaConfig) -> list[Any]:
    if sweep.mlflow is None:
        return []
    from orchestrator.tracking.ray_mlflow import OuterStepLogger

    name = file_name(config.name)
    return [OuterStepLogger(tracking_uri=sweep.mlflow, experiment_name=name)]

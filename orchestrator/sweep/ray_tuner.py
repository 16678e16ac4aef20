"""Ray Tune's own: searchers, schedulers, and a sweep that it runs or restores. Wiring only."""

import os
from typing import Any

import ray
from ray import tune
from ray.tune.execution import class_cache
from ray.tune.schedulers import TrialScheduler

from orchestrator.config.schema import MetaConfig, Table
from orchestrator.pool.ray_session import interruptible, start_ray
from orchestrator.storage.storage import Storage
from orchestrator.sweep.dimension import Dimension
from orchestrator.sweep.explore import Explore
from orchestrator.sweep.ray_relay import Relay
from orchestrator.sweep.ray_schedulers import Asha, Fifo, Median, Pbt
from orchestrator.sweep.ray_trial import POINT, RayTrial, Shared
from orchestrator.sweep.resources import bundles, check_room, num_actors
from orchestrator.sweep.settings import SweepSettings
from orchestrator.sweep.space import points
from orchestrator.sweep.trial_table import SweepBoard
from orchestrator.text.plain_text import file_name

FOLDER = "tune"
# A trial's process may die so often: the run in it mends what happens to its actors itself.
_MAX_FAILURES = 3
_SNAPSHOT_EVERY_S = "2"
_STEP = "step"


def start(config: MetaConfig, verbose: bool) -> bool:
    """Join or start Ray; a Ray of our own has room for one trial at least.

    Returns:
      whether it is ours to stop.
    Raises:
      ValueError: no trial can ever be placed.
    """
    # Ray's own settings, read when it starts: trials stay in the folder in which the command was
    # given, as the user's code expects; their metrics are in the runs' own folders.
    os.environ.setdefault("RAY_CHDIR_TO_TRIAL_DIR", "0")
    os.environ.setdefault("TUNE_DISABLE_AUTO_CALLBACK_LOGGERS", "1")
    os.environ.setdefault("TUNE_DISABLE_SIGINT_HANDLER", "1")
    os.environ.setdefault("TUNE_GLOBAL_CHECKPOINT_S", _SNAPSHOT_EVERY_S)
    os.environ.setdefault("RAY_AIR_NEW_OUTPUT", "0")  # the other output greets at any verbosity
    needed, ours = bundles(config), not ray.is_initialized()
    if ours:
        cores = len(os.sched_getaffinity(0))
        start_ray(max(cores, sum(bundle["CPU"] for bundle in needed)), verbose)
    check_room(needed, [node["Resources"] for node in ray.nodes() if node["Alive"]])
    return ours


def room_for(sweep: SweepSettings, config: MetaConfig) -> int:
    """How many trials run at a time, by CPUs alone."""
    each = sum(bundle["CPU"] for bundle in bundles(config))
    room = max(1, int(ray.cluster_resources().get("CPU", 0) / each))
    return min(room, sweep.search.parallel or room)


def stop() -> None:
    """Leave the cluster, or end the Ray that `start` started, and every trial with it."""
    ray.shutdown()


def run(
    sweep: SweepSettings,
    table: Table,
    config: MetaConfig,
    location: str,
    board: SweepBoard,
) -> None:
    """Run trials until the sweep is over; one that is there already goes on."""
    _keep_keys_out_of_logs()
    storage = Storage(location)
    where = f"{storage.root}/{FOLDER}"
    settled = {**table, "workers": {**table.get("workers", {}), "count": num_actors(config)}}
    shared = Shared(settled, dict(sweep.space), location, board.metric)
    trainable = tune.with_resources(
        tune.with_parameters(RayTrial, shared=shared), tune.PlacementGroupFactory(bundles(config))
    )
    space = _proposed(sweep)
    Relay.board, Relay.space = board, sweep.space
    try:
        if tune.Tuner.can_restore(where, storage_filesystem=storage.filesystem):
            # What is no plain value Tune does not keep: it is told the space again.
            tuner = tune.Tuner.restore(
                where, trainable, param_space=space, storage_filesystem=storage.filesystem
            )
        else:
            tuner = _tuner(sweep, config, storage, trainable, space, board)
        with interruptible():
            tuner.fit()
    finally:
        Relay.board = None


def _folder_of(trial: Any) -> str:
    """Tune saves it with each trial: of a function with a name it saves the name."""
    return str(trial.trial_id)


def _keep_keys_out_of_logs() -> None:
    """Have Tune hand no credentials to trials: Ray logs the environment that it is given for them.

    A Ray of our own has the command's environment already; a cluster's machines have credentials of
    their own.
    """
    for name in [name for name in class_cache.ENV_VARS_TO_PROPAGATE if name.startswith("AWS_")]:
        class_cache.ENV_VARS_TO_PROPAGATE.discard(name)


def _proposed(sweep: SweepSettings) -> dict[str, Any]:
    """What Tune itself proposes: all points, or with pbt each value; Optuna has its own space."""
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
    board: SweepBoard,
) -> tune.Tuner:
    search, searcher = sweep.search, None
    samples = 1 if POINT in space else sweep.samples
    if search.searcher == "optuna":
        import optuna

        from orchestrator.sweep.ray_searcher import Searcher

        optuna.logging.set_verbosity(optuna.logging.WARNING)
        domains = {key: _domain(dimension) for key, dimension in sweep.space.items()}
        searcher = Searcher(domains, metric=board.metric, mode=board.mode, seed=sweep.seed)
    return tune.Tuner(
        trainable,
        param_space=space,
        tune_config=tune.TuneConfig(
            metric=None if searcher else board.metric,
            mode=None if searcher else board.mode,
            search_alg=searcher,
            scheduler=_scheduler(sweep, config, board),
            num_samples=samples,
            max_concurrent_trials=search.parallel,
            time_budget_s=search.time_s,
            reuse_actors=True,
            trial_dirname_creator=_folder_of,
        ),
        run_config=tune.RunConfig(
            name=FOLDER,
            storage_path=storage.root,
            storage_filesystem=storage.filesystem,
            failure_config=tune.FailureConfig(max_failures=_MAX_FAILURES),
            callbacks=[*_mlflow(sweep, config), Relay()],  # which leaves little of a result
            verbose=0,
        ),
    )


def _scheduler(sweep: SweepSettings, config: MetaConfig, board: SweepBoard) -> TrialScheduler:
    search, every = sweep.search, config.evaluation.every
    # Runs of different lengths may be in the space themselves.
    lengths = sweep.space.get("outer.steps")
    longest = max(lengths.extremes) if lengths else config.outer.steps
    grace = min(search.grace_steps or every, longest)
    own = {"metric": board.metric, "mode": board.mode} if search.searcher == "optuna" else {}
    match search.scheduler:
        case "asha":
            return Asha(
                time_attr=_STEP,
                max_t=longest,
                grace_period=grace,
                reduction_factor=search.reduction_factor,
                **own,
            )
        case "median":
            return Median(time_attr=_STEP, grace_period=grace, **own)
        case "pbt":
            return Pbt(
                time_attr=_STEP,
                perturbation_interval=search.perturb_steps or every,
                hyperparam_mutations={},  # Tune's own leave the space, and small whole numbers stay
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
    from orchestrator.sweep.tracking.ray_mlflow import OuterStepLogger

    name = file_name(config.name)
    return [OuterStepLogger(tracking_uri=sweep.mlflow, experiment_name=name)]

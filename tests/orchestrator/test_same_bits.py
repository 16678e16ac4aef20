"""Every algorithm with every normalization and inner optimizer: 0, 1, 2 or 3 workers, one theta.

Starting actors for each combination would take an hour. Here one process more serves those that
need it; this one and that one stand for up to three workers: what is compared is what RayPool
sends, cut as it cuts it.

What a combination could do wrong here: how its gradient and its carry are cut, packed and added.
That has this process as three workers show, for every algorithm with every normalization. What
another process could do otherwise is to trace a graph whose operations have another order: graphs
come from an algorithm and from a normalization, so each kind of both is traced there.
"""

from pathlib import Path

import any_workers
import pytest
import ray
import small_python
from any_workers import AnyBlocks, Here, There, Workers
from same_bits_cases import (
    ALGORITHMS,
    CARRYING,
    ELSEWHERE,
    EVERY_DAY,
    HEADS,
    NORMALIZATIONS,
    OTHER_POLICIES,
    OTHER_POLICIES_ELSEWHERE,
    OTHERS,
    OTHERS_ELSEWHERE,
    POLICIES,
    POLICY_ELSEWHERE,
    REFUSED,
)
from small_configs import gym, images, navigation, sinusoid, trials
from small_runs import in_process
from small_voices import voices

from orchestrator.config.schema import validate
from orchestrator.loop import meta_train
from orchestrator.outer.update import OuterUpdate
from workers.wire.tensors import sha256


@pytest.fixture(scope="module")
def process(shared_ray):
    ray.cloudpickle.register_pickle_by_value(any_workers)  # which actors cannot import
    yield ray.remote(num_cpus=1)(AnyBlocks).remote()
    ray.cloudpickle.unregister_pickle_by_value(any_workers)


def check_any_number_of_workers(config, carries, process=None):
    """The bits of theta and the carry after all steps, in this process and with 1 to 3 workers."""
    elsewhere = [There(config.worker, process)] if process else []
    launch = in_process(config)
    start = launch.initial_state()

    def identity(pool):
        outer = OuterUpdate(config.outer, start)
        for _ in meta_train(config, launch.family, pool, outer):
            pass
        state = outer.state()
        return sha256(state.theta), sha256(list(state.carry.values()))

    expected = identity(launch.pool)
    assert expected[0] != sha256(start.theta)
    assert bool(start.carry) == carries
    if carries:
        assert expected[1] != sha256(list(start.carry.values()))
    for count in (3, 2, 1):
        who = [*elsewhere, Here(config.worker, launch.pool.runner)]
        assert identity(Workers(who, count)) == expected, count


def sinusoids(algorithm, normalization):
    # One query at a time: a batch within a batch takes seven seconds to trace, twice there. That
    # it can be done is seen where reptile asks so, which is short.
    one_by_one = normalization == "support statistics" and "reptile" not in algorithm
    return sinusoid(
        *ALGORITHMS[algorithm],
        *NORMALIZATIONS[normalization],
        f"runtime.execution={'map' if one_by_one else 'vectorized'}",
        "task.shots=2",
        "task.queries=2",
        "model.hidden=[4]",
        "outer.steps=2",
        "outer.meta_batch_size=10",
        "workers.block_size=2",
        "outer.optimizer=sgd",
    )


def ranges(algorithm, normalization):
    table = sinusoids(algorithm, normalization).model_dump(mode="json", exclude_none=True)
    table["task"] |= {"shots": [1, 4], "queries": [2, 5]}
    return validate(table)


def heads(name, image_zip, image_cache):
    small = [*HEADS[name], "outer.steps=2", "outer.meta_batch_size=6", "workers.block_size=2"]
    if name == "ridge, numbers":
        return sinusoid(*small, "model.hidden=[4]")
    return images(image_zip, image_cache, *small, "model.kind=mlp", "model.hidden=[4]")


def carry(*names):
    return any(word in " ".join(names) for word in CARRYING)


def policies(algorithm):
    small = ["outer.steps=2", "workers.block_size=1", "task.horizon=4", "model.hidden=[4]"]
    return navigation(*POLICIES[algorithm], *small)


@pytest.mark.parametrize(("algorithm", "normalization"), REFUSED)
def test_what_is_refused_is_so(algorithm, normalization):
    with pytest.raises(ValueError, match=r"model\.normalization = 'batch' takes away"):
        sinusoids(algorithm, normalization)


@pytest.mark.parametrize(("algorithm", "normalization"), EVERY_DAY)
def test_theta_and_the_carry_do_not_depend_on_the_number_of_workers(algorithm, normalization):
    check_any_number_of_workers(
        sinusoids(algorithm, normalization), carry(algorithm, normalization)
    )


@pytest.mark.ray
@pytest.mark.parametrize(("algorithm", "normalization"), ELSEWHERE)
@pytest.mark.quick("reptile, momentum-running statistics")
def test_theta_and_the_carry_are_the_same_with_workers_elsewhere(process, algorithm, normalization):
    check_any_number_of_workers(
        sinusoids(algorithm, normalization), carry(algorithm, normalization), process
    )


@pytest.mark.slow
@pytest.mark.parametrize(("algorithm", "normalization"), OTHERS)
def test_each_algorithm_goes_with_each_normalization(algorithm, normalization):
    check_any_number_of_workers(
        sinusoids(algorithm, normalization), carry(algorithm, normalization)
    )


@pytest.mark.ray
@pytest.mark.slow
@pytest.mark.parametrize(("algorithm", "normalization"), OTHERS_ELSEWHERE)
def test_each_kind_of_algorithm_and_each_normalization_gives_the_same_elsewhere(
    process, algorithm, normalization
):
    check_any_number_of_workers(
        sinusoids(algorithm, normalization), carry(algorithm, normalization), process
    )


def per_step(*overrides):
    algorithm = ["layer_rates", "step_affine", "step_statistics"]
    return sinusoid(
        *ALGORITHMS["maml++"],
        *(f"algorithm.{name}=true" for name in algorithm),
        *NORMALIZATIONS["running statistics"],
        *["task.shots=2", "task.queries=2", "model.hidden=[4]", "outer.steps=2"],
        *overrides,
    )


@pytest.mark.parametrize(
    "memory",
    [
        ["runtime.execution=vectorized"],
        pytest.param(["runtime.inner_memory=recompute"], marks=pytest.mark.slow),
    ],
)
@pytest.mark.slow
def test_normalization_for_each_inner_step_gives_one_theta_with_any_number_of_workers(memory):
    check_any_number_of_workers(per_step(*memory), True)


@pytest.mark.ray
@pytest.mark.slow
def test_so_it_does_with_workers_elsewhere(process):
    check_any_number_of_workers(per_step(), True, process)


def test_ranges_of_shots_give_one_theta_with_any_number_of_workers():
    check_any_number_of_workers(ranges("maml", "batch"), False)


@pytest.mark.ray
@pytest.mark.slow
@pytest.mark.parametrize("algorithm", ["maml", "joint"])
def test_ranges_of_shots_give_one_theta_with_workers_elsewhere(process, algorithm):
    check_any_number_of_workers(ranges(algorithm, "batch"), False, process)


@pytest.mark.quick("protonet", "ridge, numbers", "proto-maml")
@pytest.mark.parametrize("name", HEADS)
def test_computed_heads_give_one_theta_with_any_number_of_workers(name, image_zip, image_cache):
    carries = name in ("protonet", "protonet, ways", "ridge")  # running statistics, their default
    check_any_number_of_workers(heads(name, image_zip, image_cache), carries)


@pytest.mark.ray
@pytest.mark.slow
@pytest.mark.parametrize("name", HEADS)
def test_computed_heads_give_the_same_with_workers_elsewhere(name, process, image_zip, image_cache):
    carries = name in ("protonet", "protonet, ways", "ridge")
    check_any_number_of_workers(heads(name, image_zip, image_cache), carries, process)


@pytest.mark.slow
def test_micro_batches_give_one_theta_with_any_number_of_workers():
    small = ["task.shots=3", "task.queries=3", "outer.steps=2", "runtime.micro_batch=2"]
    check_any_number_of_workers(sinusoid(*small, "runtime.inner_memory=recompute"), False)


@pytest.mark.ray
@pytest.mark.slow
def test_texts_give_one_theta_with_any_number_of_workers(process):
    config = voices("outer.steps=2", "outer.meta_batch_size=6")
    check_any_number_of_workers(config, False, process)


@pytest.mark.ray
@pytest.mark.slow
def test_a_users_loss_and_metrics_give_one_theta_with_workers_elsewhere(process):
    config = sinusoid(
        "task.kind=python",
        "task.source=small_python:sines",
        f"task.folder={Path(small_python.__file__).parent}",
        "task.loss=small_losses:huber",
        "task.metrics={r2='max:small_losses:r2'}",
        "runtime.execution=vectorized",
        "outer.steps=2",
    )
    check_any_number_of_workers(config, False, process)


@pytest.mark.slow
@pytest.mark.ray
def test_a_policys_theta_is_the_same_with_workers_elsewhere(process):
    check_any_number_of_workers(policies(POLICY_ELSEWHERE), False, process)


@pytest.mark.ray
@pytest.mark.slow
def test_listed_environments_give_one_theta_with_workers_elsewhere(process):
    pytest.importorskip("gymnasium")
    listed = "{id='small_gym:Slope'},{id='small_gym:Tilted'},{id='small_gym:Tilted',tilt=0.4}"
    small = ["outer.steps=2", "workers.block_size=1", "task.horizon=4", "model.hidden=[4]"]
    config = gym(f"task.environments=[{listed}]", "task.vary={friction={choice=[0,1]}}", *small)
    assert config.task.is_split
    check_any_number_of_workers(config, False, process)


@pytest.mark.ray
@pytest.mark.slow
@pytest.mark.parametrize("algorithm", OTHER_POLICIES_ELSEWHERE)
def test_other_policies_thetas_are_the_same_with_workers_elsewhere(process, algorithm):
    check_any_number_of_workers(policies(algorithm), False, process)


def test_a_recurrent_policys_theta_does_not_depend_on_the_number_of_workers():
    check_any_number_of_workers(trials("workers.block_size=1"), False)


@pytest.mark.ray
@pytest.mark.slow
def test_a_recurrent_policys_theta_is_the_same_with_workers_elsewhere(process):
    check_any_number_of_workers(trials("workers.block_size=1"), False, process)


@pytest.mark.slow
@pytest.mark.parametrize("algorithm", OTHER_POLICIES)
def test_a_policys_theta_does_not_depend_on_the_number_of_workers(algorithm):
    """Elsewhere their rounds are those of promp and of trpo; their algorithms, the above."""
    check_any_number_of_workers(policies(algorithm), False)

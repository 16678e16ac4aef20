import pytest
from small_configs import sinusoid

from orchestrator.sweep.resources import bundles, check_room, num_actors

DRIVER = {"CPU": 1.0}
HALF = {"CPU": 1.0, "GPU": 0.5}


@pytest.mark.parametrize(
    ("overrides", "expected"),
    [
        (["workers.count=0"], [DRIVER]),
        (["workers.count=0", "workers.cpus=2"], [{"CPU": 2.0}]),
        (["workers.count=0", "workers.cpus=0.5"], [DRIVER]),
        (["workers.count=0", "workers.gpus=0.5"], [HALF]),
        (["workers.count=auto"], [DRIVER]),
        (["workers.count=auto", "workers.gpus=1"], [{"CPU": 1.0, "GPU": 1.0}]),
        (["workers.count=2"], [DRIVER] * 3),
        (["workers.count=2", "workers.cpus=0.5"], [DRIVER, {"CPU": 0.5}, {"CPU": 0.5}]),
        (["workers.count=2", "workers.gpus=0.5"], [DRIVER, HALF, HALF]),
        (["workers.count=3..8"], [DRIVER] * 4),
    ],
    ids=range(10),
)
def test_a_trial_takes_a_cpu_for_its_driver_and_what_each_actor_takes(overrides, expected):
    assert bundles(sinusoid(*overrides)) == expected


@pytest.mark.parametrize(("count", "num"), [("0", 0), ("auto", 0), ("2", 2), ("3..8", 3)])
def test_a_trial_has_the_fewest_actors_that_were_asked_for(count, num):
    assert num_actors(sinusoid(f"workers.count={count}")) == num


def cpus(*amounts):
    return [{"CPU": float(amount)} for amount in amounts]


def gpus(*amounts):
    return [{"CPU": 64.0, "GPU": float(amount), "memory": 1e9} for amount in amounts]


def shares(num, share):
    return [DRIVER, *({"CPU": 1.0, "GPU": share} for _ in range(num))]


@pytest.mark.parametrize(
    ("needed", "nodes", "has_room"),
    [
        ([DRIVER] * 3, cpus(3), True),
        ([DRIVER] * 3, cpus(2), False),
        ([DRIVER] * 3, cpus(2, 1), True),
        ([DRIVER] * 3, cpus(1, 1), False),
        (cpus(1, 2, 2), cpus(3, 2), True),
        (cpus(1, 2, 2), cpus(2, 3), True),
        (cpus(*[0.07] * 100), cpus(7), True),  # 7 - 100 * 0.07 is below 0 in floats
        (cpus(1, 4), cpus(3, 3), False),  # 6 CPUs for 5, but no node has 4
        (cpus(1, 2, 2), cpus(1, 1, 3), False),
        (shares(1, 1.0), cpus(8), False),
        (shares(1, 1.0), [*cpus(8), *gpus(1)], True),
        (shares(2, 0.5), gpus(1), True),
        (shares(3, 0.5), gpus(1), False),
        (shares(3, 0.5), gpus(1, 1), True),
        (shares(10, 0.1), gpus(1), True),
        (shares(20, 0.2), gpus(4), True),  # 4 - 20 * 0.2 is below 0 in floats
        (shares(21, 0.2), gpus(4), False),
        (shares(2, 0.6), gpus(2), True),
        (shares(3, 0.6), gpus(2), False),  # a share never lies on two GPUs
        (shares(6, 0.3), gpus(2), True),
        (shares(7, 0.3), gpus(2), False),
        ([DRIVER], [], False),
    ],
)
def test_there_is_room_if_each_bundle_has_a_node(needed, nodes, has_room):
    before = [dict(node) for node in nodes]
    if has_room:
        check_room(needed, nodes)
    else:
        with pytest.raises(ValueError, match=r"a trial needs .* and the cluster has "):
            check_room(needed, nodes)
    assert nodes == before


@pytest.mark.parametrize(
    ("needed", "nodes", "expected"),
    [
        (
            cpus(1, 4, 4),
            cpus(3, 3),
            "a trial needs 9 CPU (3 bundles, the largest 4 CPU), and the cluster has 6 CPU on "
            "2 nodes; lower workers.count, workers.cpus or workers.gpus, or add machines",
        ),
        (
            shares(3, 0.5),
            gpus(1),
            "a trial needs 4 CPU and 1.5 GPU (4 bundles, the largest 1 CPU and 0.5 GPU), and the "
            "cluster has 64 CPU and 1 GPU on 1 node; lower workers.count, workers.cpus or "
            "workers.gpus, or add machines",
        ),
        (
            cpus(2),
            cpus(1),
            "a trial needs 2 CPU (1 bundle, the largest 2 CPU), and the cluster has 1 CPU on 1 "
            "node; lower workers.count, workers.cpus or workers.gpus, or add machines",
        ),
    ],
    ids=["cpus", "gpus", "one"],
)
def test_a_lack_of_room_says_what_is_needed_and_what_is_there(needed, nodes, expected):
    with pytest.raises(ValueError, match="a trial needs") as refused:
        check_room(needed, nodes)
    assert str(refused.value) == expected

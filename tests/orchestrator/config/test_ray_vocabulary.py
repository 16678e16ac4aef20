"""Ray Train's configurations, translated into settings."""

import pytest
from ray.train import CheckpointConfig, FailureConfig, RunConfig, ScalingConfig

from orchestrator.config.actor_count import CountRange
from orchestrator.config.ray_vocabulary import location, of_run_config, of_scaling_config
from orchestrator.config.schema import load
from orchestrator.run.launch import actor_demand


@pytest.mark.parametrize(
    ("scaling", "settings"),
    [
        (ScalingConfig(), {"workers.count": 1, "workers.gpus": 0}),
        (ScalingConfig(num_workers=0), {"workers.count": 0, "workers.gpus": 0}),
        (ScalingConfig(num_workers=3, use_gpu=True), {"workers.count": 3, "workers.gpus": 1}),
        (
            ScalingConfig(
                num_workers=4, use_gpu=True, resources_per_worker={"CPU": 2, "GPU": 0.25}
            ),
            {"workers.count": 4, "workers.cpus": 2, "workers.gpus": 0.25},
        ),
    ],
)
def test_a_scaling_config_is_about_the_workers(scaling, settings):
    assert of_scaling_config(scaling) == settings


def test_a_pair_of_workers_is_the_range_that_the_command_line_takes():
    settings = of_scaling_config(ScalingConfig(num_workers=(1, 4), use_gpu=True))
    config, _ = load("sinusoid", settings)
    assert config.workers.count == CountRange(min=1, max=4)
    assert config.workers.count == load("sinusoid", ["workers.count=1..4"])[0].workers.count
    assert (config.workers.count.min, config.workers.count.max) == (1, 4)
    assert config.workers.gpus == 1
    demand = actor_demand(load("sinusoid", {"workers.block_size": 5} | settings)[0])
    assert (demand.least, demand.count) == (1, 4)


def test_a_run_config_is_about_the_folder_the_checkpoints_and_the_failures():
    run = RunConfig(
        name="a",
        storage_path="s3://bucket/runs/",
        failure_config=FailureConfig(max_failures=7),
        checkpoint_config=CheckpointConfig(num_to_keep=2),
    )
    assert of_run_config(run) == {
        "name": "a",
        "workers.max_failures": 7,
        "checkpoint.keep": 2,
    }
    assert location(run) == "s3://bucket/runs/a"
    endless = RunConfig(name="a", failure_config=FailureConfig(max_failures=-1))
    assert of_run_config(endless)["workers.max_failures"] == 10**6
    load("sinusoid", of_run_config(endless))  # which is not refused
    assert of_run_config(RunConfig(name="b")) == {"name": "b"}


@pytest.mark.parametrize(
    ("config", "message"),
    [
        (ScalingConfig(placement_strategy="SPREAD"), "placement_strategy='SPREAD'"),
        (ScalingConfig(accelerator_type="A100"), "accelerator_type='A100'"),
        (ScalingConfig(label_selector={"a": "b"}), "label_selector="),
        (ScalingConfig(num_workers=(0, 3)), r"num_workers=\(0, 3\)\) starts at 0; a range starts"),
        (
            ScalingConfig(num_workers=(1, 3), elastic_resize_monitor_interval_s=5.0),
            "elastic_resize_monitor_interval_s=5.0",
        ),
        (ScalingConfig(resources_per_worker={"CPU": 1, "memory": 1}), "names memory"),
        (RunConfig(worker_runtime_env={"pip": ["a"]}), "worker_runtime_env="),
        (
            RunConfig(checkpoint_config=CheckpointConfig(checkpoint_score_attribute="loss")),
            "checkpoint_score_attribute='loss'",
        ),
        (
            RunConfig(failure_config=FailureConfig(controller_failure_limit=3)),
            "controller_failure_limit=3",
        ),
    ],
)
def test_what_means_nothing_here_is_refused_by_name(config, message):
    read = of_scaling_config if isinstance(config, ScalingConfig) else of_run_config
    with pytest.raises(ValueError, match=message):
        read(config)

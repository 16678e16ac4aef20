"""Runs whose head is computed: left, resumed, and the same as undisturbed ones."""

import pytest
from small_configs import images
from training_runs import finish, start, steps_logged

SMALL = ["model.kind=mlp", "model.hidden=[4]", "outer.steps=4", "evaluation.every=4"]
KINDS = {
    # Scalars beside the weights, and running statistics.
    "ridge": ["algorithm.kind=ridge", "model.normalization=batch", "evaluation.inner_steps=[1]"],
    "protonet, ways": [
        *["algorithm.kind=protonet", "evaluation.inner_steps=[1]"],
        *["task.ways=[2,4]", "evaluation.ways=[2,4]", "evaluation.table_tasks=2"],
    ],
}


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.quick("ridge")
def test_a_run_that_is_left_and_resumed_is_the_undisturbed_run(
    kind, tmp_path, image_zip, image_cache
):
    config = images(image_zip, image_cache, *SMALL, *KINDS[kind])
    whole = start(config, tmp_path / "whole")
    _, expected = finish(whole)
    run = start(config, tmp_path / "run")
    for progress in run.steps():
        if progress.report.step == 2:
            break
    run.save()
    run.close()
    again = start(config, tmp_path / "run", resume=True)
    assert again.first_step == 2
    _, result = finish(again)
    assert again.theta_sha256 == whole.theta_sha256
    assert result == expected
    assert steps_logged(tmp_path / "run") == [1, 2, 3, 4]
    assert (result.by_size is None) == (kind == "ridge")

"""The protocol says that something was chosen only where there was a choice."""

import pytest
from small_configs import sinusoid

from orchestrator.records.evaluation_protocol import protocol
from workers.tasks.registry import make_family


def protocol_of(config, rates, steps):
    candidates = [
        {"inner_lr": rate, "inner_steps": number, "score": 1.0}
        for rate in rates
        for number in steps
    ]
    validation = {"inner_lr": rates[0], "inner_steps": steps[0], "candidates": candidates}
    return protocol(config, make_family(config.task), validation, [], False)


@pytest.mark.parametrize(
    ("every", "rates", "steps", "expected"),
    [
        (4, [0.1], [1], "5 validation tasks: checkpoint"),
        (4, [0.1], [1, 3], "5 validation tasks: checkpoint, inner steps"),
        (4, [0.1, 0.2], [1], "5 validation tasks: checkpoint, inner rate"),
        (12, [0.1, 0.2], [1, 3], "5 validation tasks: inner rate, inner steps"),
        (12, [0.1], [1, 3], "5 validation tasks: inner steps"),
        (12, [0.1], [1], None),
    ],
)
def test_what_validation_tasks_chose_is_what_was_offered(every, rates, steps, expected):
    table = protocol_of(sinusoid(f"evaluation.every={every}"), rates, steps)
    assert table.get("chosen_on") == expected
    offered = ", ".join(f"{rate:g}" for rate in rates) if len(rates) > 1 else None
    assert table.get("inner_lr_offered") == offered

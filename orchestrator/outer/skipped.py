"""The budget of skipped tasks: `runtime.non_finite = "skip"` is meant for a few."""

from workers.wire.errors import NonFiniteError

#: A step that skips more than this share of its tasks ends the run.
MOST_OF_A_STEP = 0.5
#: So do so many steps in a row that each skip more than the share `OFTEN`.
OFTEN, MOST_STEPS = 0.1, 10


class SkipBudget:
    """The count of steps in a row that skip too many tasks; a resumed run starts again at 0."""

    def __init__(self, inner_lr: float):
        self._inner_lr, self._in_a_row = inner_lr, 0

    def spend(self, step: int, skipped: int, tasks: int) -> None:
        """Count a step, before its gradient is applied.

        Args:
          step: index of the step. skipped: number of tasks that were skipped, of `tasks`.
        Raises:
          NonFiniteError: too many tasks were skipped; names the inner rate.
        """
        share = skipped / tasks
        self._in_a_row = self._in_a_row + 1 if share > OFTEN else 0
        if share > MOST_OF_A_STEP:
            what = f"{skipped} of {tasks} tasks gave no finite gradient"
        elif self._in_a_row >= MOST_STEPS:
            what = (
                f"the last {self._in_a_row} steps each left out more than {OFTEN:.0%} of their "
                f"tasks, this one {skipped} of {tasks}"
            )
        else:
            return
        raise NonFiniteError(
            f"step {step}: {what}; the inner loop diverges: lower algorithm.inner_lr = "
            f"{self._inner_lr:g}, for example to {self._inner_lr / 10:.2g}, or look for extreme "
            "values in the tasks"
        )

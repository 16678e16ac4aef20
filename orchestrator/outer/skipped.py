"""How many tasks a run may leave out before it ends: `runtime.non_finite = "skip"` is for a few."""

from workers.wire.errors import NonFiniteError

#: More than this share of one step's tasks ends the run.
MOST_OF_A_STEP = 0.5
#: So does more than `OFTEN` of a step's tasks in so many steps one after another.
OFTEN, MOST_STEPS = 0.1, 10


class SkipBudget:
    """Counts steps in a row that leave out too much; a run that is resumed begins anew."""

    def __init__(self, inner_lr: float):
        self._inner_lr, self._in_a_row = inner_lr, 0

    def spend(self, step: int, skipped: int, tasks: int) -> None:
        """Take a step in, before theta learns of it.

        Args:
          step: its index. skipped: tasks that were left out, of `tasks`.
        Raises:
          NonFiniteError: too many were, names the inner rate.
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
            f"{self._inner_lr:g}, for example to {self._inner_lr / 10:.2g}, or look for outlandish "
            "values in the tasks"
        )

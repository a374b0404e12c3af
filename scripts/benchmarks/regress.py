"""Whether something has become slower than it was, beyond noise.

Machines differ, and so does one machine from one hour to the next. So what is compared is not how
long this crate takes, but how long in relation to the others that were measured along with it:
they say what the machine was like.
"""

import math
import statistics
from dataclasses import dataclass

# What two runs of the same code may differ by in an untroubled cell.
TOLERANCE = 0.15
# How many times their own spread medians may be apart.
SPREADS = 3


@dataclass
class Regression:
    cell: str
    column: str
    # How many times what it was.
    change: float | None
    allowed: float | None

    def __str__(self):
        if self.change is None:
            return f"{self.cell}: {self.column} hangs"
        return (
            f"{self.cell}: {self.column} is at {self.change:.2f} of what it was"
            f" (noise: up to {self.allowed:.2f})"
        )


def noise(spread):
    """Half of the distance between the quartiles, in relation to the median."""
    low, median, high = spread
    return (high - low) / 2 / median if median else 0.0


def regressions(base, new):
    """The cells in which one of this crate's columns takes longer than in `base`."""
    for cell in base.cells:
        if cell not in new.cells:
            continue
        for column in base.ours:
            if not base.is_measured(cell, column):
                continue
            if new.hangs(cell, column):
                yield Regression(cell, column, None, None)
            elif new.is_measured(cell, column):
                compared = compare_counts if is_counted(base, cell) else compare_times
                found = compared(base, new, cell, column)
                if found:
                    yield found


def is_counted(results, cell):
    return results.cells[cell]["unit"] in ("bytes", "allocations")


def compare_counts(base, new, cell, column):
    """Counts do not depend on the machine."""
    was, now = base.median(cell, column), new.median(cell, column)
    if now <= was * 1.01 + 0.1:
        return None
    return Regression(cell, column, now / was if was else math.inf, 1.01)


def compare_times(base, new, cell, column):
    others = [
        other
        for other in base.columns
        if other not in base.ours
        and base.is_measured(cell, other)
        and new.is_measured(cell, other)
        and base.median(cell, other)
        and new.median(cell, other)
    ]
    was, now = base.median(cell, column), new.median(cell, column)
    if not others or not was or not now:
        return None
    machine = statistics.median(
        math.log(new.median(cell, other) / base.median(cell, other)) for other in others
    )
    # How much the others disagree about the machine says how noisy the cell is, too.
    disagreement = statistics.median(
        abs(math.log(new.median(cell, other) / base.median(cell, other)) - machine)
        for other in others
    )
    spread = math.hypot(
        noise(base.spread(cell, column)), noise(new.spread(cell, column)), disagreement
    )
    change = math.exp(math.log(now / was) - machine)
    allowed = 1 + max(TOLERANCE, SPREADS * spread)
    return Regression(cell, column, change, allowed) if change > allowed else None

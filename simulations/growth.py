"""Whether work in progress grows without end: the rule by which a run stops.

Orders that have come and are not over are counted at equal intervals. Over the last 32 counts, in four
groups of eight, demand exceeds capacity if each group lies clearly above the one before and the last is
at least double the first and 20 more. A plant that only fills at its start, or that swings under a high
load, does not rise over four groups in a row.
"""

from dataclasses import dataclass, field

COUNTS, GROUP = 32, 8
CLEARLY = 0.1
"""Part of the first group's mean by which each group must lie above the one before."""


@dataclass(slots=True)
class Growth:
    """The counts so far."""

    counts: list[int] = field(default_factory=list[int])

    def add(self, open_orders: int) -> bool:
        """The next count; True if work in progress grows without end."""
        self.counts.append(open_orders)
        last = self.counts[-COUNTS:]
        if len(last) < COUNTS:
            return False
        means = [sum(last[at : at + GROUP]) / GROUP for at in range(0, COUNTS, GROUP)]
        step = CLEARLY * means[0] + 1.0
        rises = all(after - before >= step for before, after in zip(means, means[1:], strict=False))
        return rises and means[-1] >= 2 * means[0] + 20

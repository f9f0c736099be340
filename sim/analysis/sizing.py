"""The smallest value of a factor that keeps a promise, said only as far as the points that were tried say it.

A value passes where the verdict is PASS; INCONCLUSIVE is no pass. The smallest passing value is the smallest
from which on all larger ones that were tried pass too, so that a lucky point between failures is none. The
largest passing value is its mirror image, for factors that do harm: up to it, all smaller ones pass.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from sim.vocabulary import Verdict


@dataclass(frozen=True)
class Sizing:
    """Which of the values that were tried pass, as places in the given order.

    Attributes:
        order: of all, from the smallest value to the largest.
        smallest: from here on all larger ones pass; None where the largest does not.
        largest: up to here all smaller ones pass; None where the smallest does not.
        stray: what passes although it belongs to neither stretch.
        doubtful: INCONCLUSIVE values.
    """

    order: tuple[int, ...]
    smallest: int | None
    largest: int | None
    stray: tuple[int, ...]
    doubtful: tuple[int, ...]

    @property
    def is_every(self) -> bool:
        """Whether every value passes."""
        return self.smallest is not None and self.smallest == self.order[0]

    @property
    def is_monotone(self) -> bool:
        """Whether passing begins or ends at one value, or never changes."""
        return self.is_every or not (self.stray or (self.smallest is not None and self.largest is not None))


def sizing(values: Sequence[float], verdicts: Sequence[str]) -> Sizing:
    """Judge the values of a factor by the verdicts at them.

    Args:
        values: of the factor, in any order, no two alike.
        verdicts: at each of them.
    """
    order = sorted(range(len(values)), key=lambda place: values[place])
    passes = [verdicts[place] == Verdict.PASS for place in order]
    last = next((count for count, is_pass in enumerate(reversed(passes)) if not is_pass), len(passes))
    first = next((count for count, is_pass in enumerate(passes) if not is_pass), len(passes))
    inner = range(first, len(order) - last)
    return Sizing(
        order=tuple(order),
        smallest=order[len(order) - last] if last else None,
        largest=order[first - 1] if first else None,
        stray=tuple(order[place] for place in inner if passes[place]),
        doubtful=tuple(place for place in order if verdicts[place] == Verdict.INCONCLUSIVE),
    )

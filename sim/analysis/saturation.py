"""The knee of a saturation curve: the largest load at which a design still does what is asked of it.

The rule is that of the throughput test of RFC 2544, section 26.1 (Bradner and McQuaid 1999): the fastest rate
at which as much comes out as goes in. There the two counts must be equal; here what comes out may lack 2 %,
because messages that are under way when the window ends have not come out yet. Every smaller load that was
tried must hold too, so that no lucky point beyond a failure is taken for the knee.
"""

from __future__ import annotations

from collections.abc import Sequence

WITHIN = 0.02
"""Share of the offered load that goodput may lack."""


def knee(offered: Sequence[float], goodput: Sequence[float], within: float = WITHIN) -> int | None:
    """The place of the knee.

    Args:
        offered: messages per second at each point, in any order.
        goodput: distinct messages completed per second at each point, NaN where that is not known.
        within: share of the offered load that goodput may lack.

    Returns:
        None where not even the smallest load holds.
    """
    found: int | None = None
    for place in sorted(range(len(offered)), key=lambda place: offered[place]):
        if not goodput[place] >= (1 - within) * offered[place]:  # NaN does not hold
            break
        found = place
    return found

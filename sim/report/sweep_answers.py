"""What a sweep answers, in words: the smallest passing value of its factor, and where the knees are."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sim.analysis.saturation import WITHIN, knee
from sim.analysis.sizing import Sizing, sizing
from sim.report import numbers
from sim.report.sweep_values import SweepValues

if TYPE_CHECKING:
    from collections.abc import Sequence

    from sim.experiment.sweep import SweepData

KNEE_RULE = (
    f"Knee: the largest load up to which goodput stays within {100 * WITHIN:g} % of what is offered "
    "(after RFC 2544, section 26.1)."
)


def answers(data: SweepData) -> list[str]:
    """One sentence per expectation, one for all of them together, one per knee.

    Only a sweep of a single factor with numbers for values has an order in which one can be the smallest.
    """
    values = SweepValues(data)
    if len(values.factors) != 1 or not values.factors[0].numbers:
        return []
    factor = values.factors[0]
    texts = [level.text for level in factor.levels]
    found: list[str] = []
    promises = [each.text for each in data.grid.scenario.expect]
    for promise in promises:
        judged = sizing(factor.numbers, values.verdicts(promise))
        found.append(f"{promise}: {sentence(factor.path, texts, judged)}")
    if len(promises) > 1:
        judged = sizing(factor.numbers, values.verdicts())
        found.append(f"all expectations: {sentence(factor.path, texts, judged)}")
    return found + (_knees(values, texts) if values.is_load else [])


def sentence(path: str, texts: Sequence[str], judged: Sizing) -> str:
    """What can be said of the values that pass.

    Args:
        path: of the factor.
        texts: of its values.
        judged: which of them pass.
    """
    order = judged.order
    if judged.is_every:
        told = f"smallest passing value of {path}: {texts[order[0]]}, the smallest that was tried"
    elif judged.smallest is not None:
        told = f"smallest passing value of {path}: {texts[judged.smallest]}"
        below = [order[: order.index(judged.largest) + 1] if judged.largest is not None else (), judged.stray]
        lucky = [texts[place] for places in below for place in places]
        told += f" (not monotone: {_listed(lucky)} too, but not all between)" if lucky else ""
    elif judged.largest is not None:
        told = f"largest passing value of {path}: {texts[judged.largest]}; the largest tried does not pass"
        lucky = [texts[place] for place in judged.stray]
        told += f" (not monotone: {_listed(lucky)} too)" if lucky else ""
    elif judged.stray:
        lucky = [texts[place] for place in judged.stray]
        told = f"no smallest passing value of {path}: {_listed(lucky)}, but the largest tried does not"
    else:
        told = f"no value of {path} passes, up to {texts[order[-1]]}"
    return told + _doubt(texts, judged)


def knee_of(values: SweepValues, name: str) -> int | None:
    """The point of an architecture's knee."""
    return knee(values.offered_rate(name).tolist(), values.series(name, "throughput")[:, 0].tolist())


def _listed(texts: Sequence[str]) -> str:
    return f"{', '.join(texts)} {'passes' if len(texts) == 1 else 'pass'}"


def _doubt(texts: Sequence[str], judged: Sizing) -> str:
    if not judged.doubtful:
        return ""
    listed = ", ".join(texts[place] for place in judged.doubtful)
    return f"; INCONCLUSIVE at {listed}"


def _knees(values: SweepValues, texts: Sequence[str]) -> list[str]:
    found: list[str] = []
    for name in values.names:
        place = knee_of(values, name)
        rates = values.offered_rate(name)
        if place is None:
            found.append(f"{name} keeps up with none of the loads that were tried")
        elif rates[place] == rates.max():
            found.append(f"{name} keeps up with every load that was tried, up to {texts[place]}")
        else:
            told = numbers.rate(float(rates[place]))
            found.append(f"knee of {name}: {texts[place]} ({told} offered)")
    return [*found, KNEE_RULE]

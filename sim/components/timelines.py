"""When faults strike: every timeline is known before the run and the same for all architectures.

A component asks the :class:`FaultPlan` for what concerns it and gets :class:`Condition` objects (is this
fault active for that attempt?) or the :class:`Outage` list of a worker. So the whole fate of an attempt is
known when it starts, and nothing has to be undone. Left out: faults that the simulation itself brings about.
"""

from __future__ import annotations

import math
from bisect import bisect_left, bisect_right
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from itertools import repeat
from operator import itemgetter
from typing import Any, NamedTuple, overload

import numpy as np
from numpy.typing import NDArray

from sim.components.faults import Crash, Delay, Down, Fault, Loss, Reject, Slow
from sim.engine.columns import floats
from sim.engine.quantities import UNLIMITED
from sim.engine.record import FaultWindow
from sim.engine.streams import AttachedDraws, Streams, uniform
from sim.vocabulary import FaultKind, Role

_MOST_AT_ONCE = 1 << 16
"""Random windows that are drawn at a time."""
_AT_ONCE = 64
"""Outages that are made at a time."""


_CRASH = "lose", False
"""What a crash does to work in hand and to memory."""


class Windows:
    """Stretches of time [start, end), sorted and disjoint."""

    def __init__(self, starts: Iterable[float], ends: Iterable[float]) -> None:
        self.starts = list(starts)
        self.ends = list(ends)

    def covers(self, time: float) -> bool:
        """Whether the time lies in one of them."""
        found = bisect_right(self.starts, time) - 1
        return found >= 0 and time < self.ends[found]

    def cover(self, times: NDArray[Any]) -> NDArray[Any]:
        """Which of many times lie in one of them."""
        return self.ends_at(times) > times

    def end_at(self, time: float) -> float:
        """The end of the stretch in which the time lies; the time itself outside of all."""
        found = bisect_right(self.starts, time) - 1
        return max(self.ends[found], time) if found >= 0 else time

    def ends_at(self, times: NDArray[Any]) -> NDArray[Any]:
        """The same for many times."""
        if not self.starts:
            return times
        found = np.searchsorted(self.starts, times, side="right") - 1
        return np.where(found >= 0, np.maximum(np.array(self.ends)[found], times), times)

    def quiet_until(self, time: float) -> float:
        """When the next of them starts; minus infinity while one is on."""
        found = bisect_right(self.starts, time) - 1
        if found >= 0 and time < self.ends[found]:
            return -UNLIMITED
        return self.starts[found + 1] if found + 1 < len(self.starts) else UNLIMITED

    def has_start_in(self, after: float, until: float) -> bool:
        """Whether one of them starts in (after, until]."""
        return bisect_right(self.starts, until) > bisect_right(self.starts, after)


class Outage(NamedTuple):  # made in half the time of a dataclass
    """A stretch of time in which one worker is away.

    Attributes:
        start: when it stops.
        end: when it is back; equal to the start for a crash with an instant restart.
        in_hand: what becomes of its work: ``finish``, ``resume`` or ``lose``.
        takes_memory: whether the whole service goes down with everything it had in memory.
    """

    start: float
    end: float
    in_hand: str
    takes_memory: bool = False


class Outages(Sequence[Outage]):
    """Outages of one worker, in columns: a run can have 100,000, and end before most of them.

    Args:
        starts: sorted, s.
        ends: s.
        kinds: what becomes of work, and whether memory is lost (see :class:`Outage`), by fault.
        which: the place of each one's fault among those; None where there is but one.

    Attributes:
        starts, ends, kinds: the same.
    """

    def __init__(
        self,
        starts: Sequence[float],
        ends: Sequence[float],
        *kinds: tuple[str, bool],
        which: NDArray[Any] | None = None,
    ) -> None:
        self.starts, self.ends, self.kinds, self._which = starts, ends, kinds, which
        self._made: list[Outage] = []

    def __len__(self) -> int:
        return len(self.starts)

    @overload
    def __getitem__(self, index: int) -> Outage: ...

    @overload
    def __getitem__(self, index: slice) -> list[Outage]: ...

    def __getitem__(self, index: int | slice) -> Outage | list[Outage]:
        made = self._made
        if not isinstance(index, int) or index < 0:
            self._make(len(self))
        elif index >= len(made):
            self._make(index + _AT_ONCE)
        return made[index]

    def _make(self, stop: int) -> None:
        """As many as that, if there are."""
        some, kinds = slice(len(self._made), stop), self.kinds
        which = repeat(0) if self._which is None else self._which[some].tolist()
        for start, end, place in zip(self.starts[some], self.ends[some], which, strict=False):
            self._made.append(Outage(start, end, *kinds[place]))

    @property
    def all_lose(self) -> bool:
        """Whether whoever goes away then loses what is in hand."""
        return all(in_hand == "lose" for in_hand, _ in self.kinds)

    def stretches(self) -> Iterator[tuple[float, float]]:
        """From when to when each lasts, in turn."""
        return zip(self.starts, self.ends, strict=True)


class AllOutages(Sequence[Outage]):
    """Outages of one worker by several faults, sorted by start, those of the first fault first.

    Args:
        parts: by each of the faults; workers may share them.
    """

    def __init__(self, parts: Sequence[Outages]) -> None:
        self._parts = parts

    @cached_property
    def in_turn(self) -> Outages:
        """All of them in columns; not made before somebody looks at them one by one."""
        starts = np.concatenate([part.starts for part in self._parts])
        ends = np.concatenate([part.ends for part in self._parts])
        turn = np.argsort(starts, kind="stable")
        which = np.repeat(np.arange(len(self._parts), dtype=np.int32), [len(part) for part in self._parts])
        kinds = [kind for part in self._parts for kind in part.kinds]
        return Outages(floats(starts[turn]), floats(ends[turn]), *kinds, which=which[turn])

    def __len__(self) -> int:
        return sum(map(len, self._parts))

    @overload
    def __getitem__(self, index: int) -> Outage: ...

    @overload
    def __getitem__(self, index: slice) -> list[Outage]: ...

    def __getitem__(self, index: int | slice) -> Outage | list[Outage]:
        if index == 0 and self:  # which everybody looks at
            return min((part[0] for part in self._parts if part), key=itemgetter(0))
        return self.in_turn[index]

    @property
    def all_lose(self) -> bool:
        """Whether whoever goes away then loses what is in hand."""
        return all(part.all_lose for part in self._parts)

    def stretches(self) -> Iterator[tuple[float, float]]:
        """From when to when each lasts, in turn; those that begin together in any order."""
        places = [0] * len(self._parts)
        until = -UNLIMITED
        while until < UNLIMITED:
            ahead = [place + _AT_ONCE for place in places]
            until = min(
                part.starts[place] if place < len(part) else UNLIMITED
                for part, place in zip(self._parts, ahead, strict=True)
            )
            some: list[tuple[float, float]] = []
            for number, part in enumerate(self._parts):
                first, stop = places[number], bisect_right(part.starts, until, places[number])
                some += zip(part.starts[first:stop], part.ends[first:stop], strict=True)
                places[number] = stop
            yield from sorted(some)


def all_lose(outages: Sequence[Outage]) -> bool:
    """Whether whoever goes away loses what is in hand, as far as that is told without looking at each."""
    return not outages or (isinstance(outages, Outages | AllOutages) and outages.all_lose)


def first_from(outages: Sequence[Outage], time: float, low: int = 0) -> int:
    """The place of the first outage that begins at a time or later, from a place on."""
    if isinstance(outages, AllOutages):
        outages = outages.in_turn
    if isinstance(outages, Outages):
        return bisect_left(outages.starts, time, low)
    return bisect_left(outages, (time,), low)


def absences(outages: Sequence[Outage]) -> Iterator[tuple[float, float]]:
    """From when to when a worker is away: outages that overlap or touch are one absence."""
    begin = back = -UNLIMITED
    is_in_columns = isinstance(outages, Outages | AllOutages)
    for start, end in outages.stretches() if is_in_columns else (each[:2] for each in outages):
        if start < back or start == back < end:
            back = max(back, end)
            continue
        if begin > -UNLIMITED:
            yield begin, back
        begin, back = start, end
    if begin > -UNLIMITED:
        yield begin, back


class Condition:
    """Whether a fault is active for an attempt: by the time, by chance, or by both.

    Attributes:
        fault: as the scenario states it.
        windows: when it can be active; None for always.
        has_hit: whether it has hit anything so far.
    """

    def __init__(self, name: str, fault: Fault, windows: Windows | None, draws: AttachedDraws | None) -> None:
        self.name = name
        self.fault = fault
        self.windows = windows
        self.has_hit = False
        self._draws = draws
        self._probability = 1.0 if fault.probability is None else fault.probability

    def hits(self, message: int, attempt: int, now: float) -> bool:
        """Whether it hits this attempt, made now."""
        if self.windows is not None and not self.windows.covers(now):
            return False
        if self._draws is not None and self._draws.value(message, attempt) >= self._probability:
            return False
        self.has_hit = True
        return True

    def hits_first(self, low: int, times: NDArray[Any], besides: NDArray[Any]) -> NDArray[Any]:
        """Which first attempts of consecutive messages it hits.

        Args:
            low: the number of the first of them.
            times: when each is made, s.
            besides: those that something else has hit before.
        """
        hit = ~besides
        if self.windows is not None:
            hit &= self.windows.cover(times)
        drawn = self.may_hit(low, low + len(times)) if hit.any() else None
        if drawn is not None:
            hit &= drawn
        self.has_hit = self.has_hit or bool(hit.any())
        return hit

    def may_hit(self, low: int, high: int) -> NDArray[Any] | None:
        """Which first attempts it would hit within its time, for messages from low to high; None: all."""
        return None if self._draws is None else self._draws.first(low, high) < self._probability

    def is_on(self, now: float) -> bool:
        """Whether it is active at a time at which somebody is there to be hit."""
        is_on = self.windows is not None and self.windows.covers(now)
        self.has_hit = self.has_hit or is_on
        return is_on

    def fraction(self, message: int, attempt: int) -> float:
        """Of an attempt that it hits: an even draw in [0, 1)."""
        assert self._draws is not None
        return self._draws.value(message, attempt) / self._probability


class FaultPlan:
    """All faults of one replication that apply to one architecture.

    Args:
        faults: by name, as in the scenario.
        streams: of the replication.
        limit: no timeline reaches beyond it, s.
        architecture: its name, for ``only``.
        copies: the effects that a target means, where they are several.
    """

    def __init__(
        self,
        faults: Mapping[str, Fault],
        streams: Streams,
        limit: float,
        architecture: str,
        copies: Mapping[str, tuple[str, ...]] | None = None,
    ) -> None:
        self._streams = streams
        self._limit = limit
        self._faults = {
            name: fault for name, fault in faults.items() if fault.only is None or architecture in fault.only
        }
        self._meant = {
            name: None if fault.effect is None else (copies or {}).get(fault.effect, (fault.effect,))
            for name, fault in self._faults.items()
        }
        self._windows = {name: self._draw(name, fault) for name, fault in self._faults.items()}
        self._conditions: dict[str, list[Condition]] = {name: [] for name in self._faults}
        self._first_outage = dict.fromkeys(self._faults, UNLIMITED)

    def conditions(self, role: Role, effects: tuple[str, ...], *kinds: type[Fault]) -> list[Condition]:
        """What can hit a part that plays a role for these effects."""
        found: list[Condition] = []
        for name, fault in self._faults.items():
            hit = self._effects_hit(name, effects)
            if isinstance(fault, kinds) and fault.role == role and hit:
                draws = None
                if fault.probability is not None:
                    draws = self._streams.attached(uniform, "fault", name, hit[0])
                condition = Condition(name, fault, self._windows[name], draws)
                self._conditions[name].append(condition)
                found.append(condition)
        return found

    def outages(self, effects: tuple[str, ...], workers: int, *, is_api: bool) -> list[Sequence[Outage]]:
        """When each worker of a pool is away, sorted by start.

        Args:
            effects: what the pool does.
            workers: how many there are.
            is_api: whether the pool is part of the API server and goes down with it.
        """
        away: list[list[Outages]] = [[] for _ in range(workers)]
        for name in self.of_pool(effects, workers, is_api=is_api):
            fault = self._faults[name]
            if isinstance(fault, Down):
                part = workers if fault.count is None else fault.count.of(workers)
                windows = self._windows[name]
                assert windows is not None
                pauses = Outages(windows.starts, windows.ends, (fault.in_hand, part == workers))
                added: Sequence[Outages] = [pauses] * part
            else:
                assert isinstance(fault, Crash)
                added = self._crashes(name, fault, self._effects_hit(name, effects)[0], workers)
            for outages, more in zip(away, added, strict=False):
                if more:
                    outages.append(more)
                    self._first_outage[name] = min(self._first_outage[name], more[0].start)
        return [parts[0] if len(parts) == 1 else AllOutages(parts) if parts else [] for parts in away]

    def of_pool(self, effects: tuple[str, ...], workers: int, *, is_api: bool) -> tuple[str, ...]:
        """Names of the faults that take workers of a pool away; arguments as of :meth:`outages`."""
        found: list[str] = []
        for name, fault in self._faults.items():
            if is_api and fault.role == Role.API:
                is_hit = isinstance(fault, Down | Crash)
                if fault.probability is not None:  # it dies between two effects of a request
                    is_hit = len(effects) > 1
            else:
                is_call = is_api and _is_whole_call(fault, workers)
                is_hit = isinstance(fault, Down | Crash) and not is_call
                is_hit = is_hit and fault.role == Role.CONSUMERS and bool(self._effects_hit(name, effects))
            if is_hit:
                found.append(name)
        return tuple(found)

    def pauses(self, effects: tuple[str, ...]) -> list[Windows]:
        """When the broker for these effects is down and hands nothing out."""
        conditions = self.conditions(Role.BROKER, effects, Down)
        return [condition.windows for condition in conditions if condition.windows is not None]

    def refused_calls(self, effect: str, workers: int) -> list[Condition]:
        """Where work is a call within the request: the service of this effect being down refuses it.

        Args:
            effect: its name.
            workers: of the pool, for faults that state a count.
        """
        return [
            condition
            for condition in self.conditions(Role.CONSUMERS, (effect,), Down)
            if _is_whole_call(condition.fault, workers)
        ]

    def windows(
        self, holders: Mapping[str, tuple[str, ...]], end: float, *, has_broker: bool
    ) -> tuple[FaultWindow, ...]:
        """What was active when, for the record; windows that begin after its end never happened.

        Args:
            end: of the run, s.
            holders: name -> effects of every holder of copies.
            has_broker: whether the architecture has one.
        """
        found: list[FaultWindow] = []
        for name, fault in self._faults.items():
            timeline = self._windows[name] or Windows((), ())
            begun = bisect_left(timeline.starts, end)
            hit = tuple(
                holder
                for holder, effects in holders.items()
                if (has_broker or fault.role != Role.BROKER) and self._effects_hit(name, effects)
            )
            found.append(
                FaultWindow(
                    name=name,
                    kind=FaultKind(_kind(fault)),
                    target=fault.target,
                    starts=np.array(timeline.starts[:begun]),
                    ends=np.array(timeline.ends[:begun]),
                    is_scheduled=fault.is_scheduled,
                    components=hit,
                    has_fired=self._has_fired(name, end),
                )
            )
        return tuple(found)

    def _has_fired(self, name: str, end: float) -> bool:
        """Whether a fault hit anything: an attempt, a worker, or a broker that had to pause."""
        if any(condition.has_hit for condition in self._conditions[name]) or self._first_outage[name] < end:
            return True
        fault, windows = self._faults[name], self._windows[name]
        is_pause = isinstance(fault, Down) and fault.role == Role.BROKER and bool(self._conditions[name])
        return is_pause and windows is not None and bool(windows.starts) and windows.starts[0] < end

    def _effects_hit(self, name: str, effects: tuple[str, ...]) -> tuple[str, ...]:
        """Those of a part's effects that the target of a fault means."""
        meant = self._meant[name]
        return effects if meant is None else tuple(effect for effect in effects if effect in meant)

    def _draw(self, name: str, fault: Fault) -> Windows | None:
        if fault.at is not None:
            length = fault.mean_duration
            if fault.duration is not None and not isinstance(fault.duration, int | float):
                length = float(fault.duration.sample(self._streams.generator("fault duration", name), 1)[0])
            starts = [fault.at]
            while fault.every is not None and starts[-1] + fault.every < self._limit:
                starts.append(fault.at + len(starts) * fault.every)
            return Windows(starts, [start + length for start in starts])
        if fault.mean_up is None or (isinstance(fault, Crash) and fault.role == Role.CONSUMERS):
            return None
        return Windows(*(times.tolist() for times in self._alternating(fault, "fault", name)))

    def _alternating(self, fault: Fault, *entity: str | int) -> tuple[NDArray[Any], NDArray[Any]]:
        """Starts and ends of a fault, exponential times without and with it in turn, starting without."""
        assert fault.mean_up is not None
        assert fault.mean_down is not None
        rng = self._streams.generator(*map(str, entity[:1]), *entity[1:])
        times = np.zeros(1)
        expected = self._limit / (fault.mean_up + fault.mean_down)
        at_once = int(min(expected + 4 * math.sqrt(expected), _MOST_AT_ONCE)) + 32  # mostly enough
        while times[-1] < self._limit:
            drawn = (rng.standard_exponential((at_once, 2)) * (fault.mean_up, fault.mean_down)).ravel()
            times = np.append(times, np.add.accumulate(np.append(times[-1], drawn))[1:])
        starts, ends = times[1::2], times[2::2]
        count = int(np.searchsorted(starts, self._limit))
        return starts[:count], ends[:count]

    def _crashes(self, name: str, fault: Crash, entity: str, workers: int) -> Sequence[Outages]:
        if fault.mean_up is not None:
            drawn = [self._alternating(fault, "fault", name, entity, worker) for worker in range(workers)]
            return [Outages(floats(starts), floats(ends), _CRASH) for starts, ends in drawn]
        away: list[tuple[list[float], list[float]]] = [([], []) for _ in range(workers)]
        if fault.at is not None:
            windows = self._windows[name]
            assert windows is not None
            chosen = self._streams.generator("fault", name, entity).random(len(windows.starts))
            for start, end, share in zip(windows.starts, windows.ends, chosen.tolist(), strict=True):
                starts, ends = away[int(share * len(away))]
                starts.append(start)
                ends.append(end)
        return [Outages(*each, _CRASH) for each in away]


def names(conditions: Iterable[Condition]) -> tuple[str, ...]:
    """The names of the faults, each once."""
    return tuple(dict.fromkeys(condition.name for condition in conditions))


def union(outages: Iterable[Outage]) -> Windows:
    """The time in which at least one of some outages is on; those of no length are left out.

    Args:
        outages: sorted by start.
    """
    starts: list[float] = []
    ends: list[float] = []
    for outage in outages:
        if outage.end <= outage.start:
            continue
        if ends and outage.start <= ends[-1]:
            ends[-1] = max(ends[-1], outage.end)
        else:
            starts.append(outage.start)
            ends.append(outage.end)
    return Windows(starts, ends)


def ends_of(pauses: list[Windows]) -> list[float]:
    """When pauses end, sorted; those without an end are left out."""
    return sorted(end for windows in pauses for end in windows.ends if end < UNLIMITED)


def _is_whole_call(fault: Fault, workers: int) -> bool:
    """Whether a service that is called by the request handler is down as a whole."""
    if not isinstance(fault, Down) or fault.effect is None:
        return False
    return fault.count is None or fault.count.of(workers) == workers


def _kind(fault: Fault) -> str:
    assert isinstance(fault, Down | Reject | Slow | Crash | Delay | Loss)
    return fault.kind

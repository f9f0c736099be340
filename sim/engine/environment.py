"""Simulated time: a SimPy environment with absolute times and processes that begin at once.

``timeout(t - now)`` can land one unit in the last place short of ``t``; :meth:`Environment.at` does not.

What falls on the same instant happens in the order of its rank, and within a rank in the order in which it
was scheduled: brokers come back, workers end what they do (those of a later effect before those of the effect
it waits for), workers come back in the order of their numbers, messages become visible again, messages
arrive, failed pushes are repeated (those of a later effect after those of the effect it waits for), idle
members of consumer groups look again, retention ends. So what is finished at an instant counts as finished
for all else that happens then.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Generator
from heapq import heappop, heappush, heappushpop
from typing import Any

import simpy
from simpy.events import NORMAL, PENDING, URGENT, Event

Process = Generator[Event, Any, None]
"""A SimPy process of this project: yields events, returns nothing."""
Steps = Generator[float | None, Any, None]
"""What a :class:`Loop` does: yields when it goes on, or None where somebody else will see to that."""

_BEFORE_ALL = -1 << 62
BROKER_BACK = -1 << 61
MOST_WORKERS = 1 << 20
"""Of a pool: so many ranks follow that of its work, one for the return of each worker."""
ARRIVAL = NORMAL
PUSH_AGAIN = 2
LOOK_AGAIN = 3
"""Of idle members of a consumer group: they find what has arrived at the same instant, and commit then."""
VISIBLE_AGAIN = -2
GIVEN_BACK = -1
RETENTION = 1 << 30


def work_rank(forerunners: int) -> int:
    """The rank of the ends of a pool's work, whose effects wait for so many others, one after the other."""
    return -(forerunners + 1) * 2 * MOST_WORKERS


class Alarm(Event):
    """An event at an absolute time, not earlier than now; its rank orders it within that instant."""

    _ok = True
    _value = None

    def __init__(self, env: Environment, time: float, rank: int = ARRIVAL) -> None:
        self.callbacks = []
        heappush(env._queue, (time, rank, next(env._eid), self))  # noqa: SLF001 # pyright: ignore[reportPrivateUsage, reportArgumentType]


class Signal(Event):
    """An event that one process waits for again and again; it is armed anew each time."""

    def rearm(self) -> Signal:
        """Ready to be waited for."""
        self._value = PENDING
        self.callbacks = []
        return self


class Loop:
    """A process with a step for every message: the same as a SimPy process, at half of its price.

    It never waits for anybody's event, only for a time (``yield time``) or until somebody goes on with it
    (:meth:`Environment.wake`, :meth:`at`). So it stands itself among the events, and nothing is made anew
    for a step: no event, no list of callbacks. It begins in its turn, and takes its turns, as a SimPy process
    does.

    Args:
        env: the clock.
        steps: what it does.
        rank: among what falls on the same instant, of the times that it yields.

    Attributes:
        resume: goes on with it, here and now; the time that it yields.
        rank: as above.
        queue: what is yet to happen, as a heap; the time of what comes next is ``queue[0][0]``.
    """

    __slots__ = ("_env", "_number", "queue", "rank", "resume")

    def __init__(self, env: Environment, steps: Steps, rank: int = ARRIVAL) -> None:
        self.resume = steps.send
        self.rank = rank
        self._env = env
        self.queue: list[Any] = env._queue  # noqa: SLF001 # pyright: ignore[reportPrivateUsage]
        self._number = env._eid  # noqa: SLF001 # pyright: ignore[reportPrivateUsage]
        self.at(env.now, URGENT)

    def at(self, time: float, rank: int = ARRIVAL) -> None:
        """It goes on at an absolute time, not earlier than now, in another rank: ``yield loop.at(…)``."""
        heappush(self.queue, (time, rank, next(self._number), self))

    def reach(self, time: float) -> bool:
        """Go to a time: at once if nothing else happens until then, else it must wait.

        Only while nothing but this loop is being run (:meth:`Environment.wake`).

        Returns:
            Whether it has to ``yield`` the time.
        """
        queue = self.queue
        if queue and queue[0][0] <= time:
            return True
        self._env._now = time  # noqa: SLF001 # pyright: ignore[reportPrivateUsage]
        return False

    def go_on(self, value: Any) -> None:
        """Do its next step, which has been waited for, and note when the one after that comes."""
        time = self.resume(value)
        if time is not None:
            self.at(time, self.rank)


class Environment(simpy.Environment):
    """The clock of one run."""

    __slots__ = ("_is_waking", "_now")

    def __init__(self) -> None:
        super().__init__()
        self._is_waking = False

    def run_until(self, time: float) -> None:
        """Process every event earlier than a time; then it is that time.

        As :meth:`simpy.Environment.run` and ``step`` do, without a call per event and with :class:`Loop`.
        """
        queue: list[tuple[float, int, int, Any]] = self._queue  # pyright: ignore[reportAssignmentType]
        number = self._eid
        end = Event(self)
        heappush(queue, (time, _BEFORE_ALL, next(number), end))
        entry = heappop(queue)
        while True:
            self._now, _, _, event = entry
            if event.__class__ is Loop:
                resume = event.resume  # read, then called: calling what is no method takes CPython longer
                try:
                    following = resume(None)
                except StopIteration:
                    following = None  # that was its last step
                if following is None:
                    entry = heappop(queue)
                else:  # push and pop at once: half the work, and less if it is its own turn again
                    entry = heappushpop(queue, (following, event.rank, next(number), event))
                continue
            if event is end:
                return
            callbacks = event.callbacks
            event.callbacks = None
            for callback in callbacks:
                callback(event)
            if not event._ok:  # noqa: SLF001
                raise event._value  # noqa: SLF001
            entry = heappop(queue)

    def at(self, time: float, rank: int = ARRIVAL) -> Alarm:
        """An event at an absolute time, not earlier than now."""
        return Alarm(self, time, rank)

    def call_at(self, time: float, function: Callable[[], None], rank: int = ARRIVAL) -> None:
        """Call a function at a time."""

        def call(event: Event) -> None:
            del event
            function()

        self.at(time, rank).callbacks.append(call)  # pyright: ignore[reportUnknownMemberType, reportUnknownVariableType, reportOptionalMemberAccess, reportAttributeAccessIssue]

    def wake(self, loop: Loop, value: Any = None) -> None:
        """Go on with a loop that waits for it, and never ends, right now, not in its turn at this instant.

        Where one such step leads to another, the inner ones take their turn, so that a long chain of them
        cannot exhaust the stack.
        """
        if self._is_waking:
            self.call_at(self._now, lambda: loop.go_on(value))
            return
        self._is_waking = True
        resume = loop.resume  # read, then called: calling what is no method takes CPython longer
        time = resume(value)
        if time is not None:  # what go_on does, without a call
            heappush(self._queue, (time, loop.rank, next(self._eid), loop))  # pyright: ignore[reportArgumentType]
        self._is_waking = False

    def immediately(self, process: Process) -> None:
        """Run a process from here on, at no cost if it never waits.

        Its first part runs before this call returns, unlike :meth:`simpy.Environment.process`, which starts
        it with an event of its own.
        """
        event = next(process, None)
        if event is not None:
            self.process(_continued(event, process))


# a slot, where SimPy has a property that costs a call
Environment.now = Environment._now  # noqa: SLF001 # pyright: ignore[reportAttributeAccessIssue, reportPrivateUsage]


def _continued(event: Event, process: Process) -> Process:
    yield event
    yield from process


class DelayLine:
    """What goes in comes out again after a fixed delay: one process, however many things are on their way.

    Args:
        env: the clock.
        delay: seconds.
        release: called with each thing when its time has come.
        forget: takes what is no longer wanted from the front of the line, so that nobody wakes up for it.
        rank: of the coming out, among what falls on the same instant.

    Attributes:
        line: of all that is on its way a tuple: when it is due, and what ``release`` is called with then.
        is_parked: whether the line was empty, so that :meth:`start` must follow an append.
    """

    def __init__(
        self,
        env: Environment,
        delay: float,
        release: Callable[..., None],
        forget: Callable[[deque[Any]], None] | None = None,
        *,
        rank: int = ARRIVAL,
    ) -> None:
        self._env = env
        self.delay = delay
        self._release = release
        self._forget = forget
        self.line: deque[tuple[Any, ...]] = deque()
        self.is_parked = False
        self._loop = Loop(env, self._run(), rank)

    def add(self, thing: Any, now: float) -> None:
        """Send a thing on its way, now."""
        self.line.append((now + self.delay, thing))
        if self.is_parked:
            self.start()

    def start(self) -> None:
        """Begin to watch a line that was empty."""
        self.is_parked = False
        self._loop.at(self._env.now)

    def _run(self) -> Steps:
        line, forget = self.line, self._forget
        while True:
            if forget is not None:
                forget(line)
            if not line:
                self.is_parked = True
                yield
                continue
            due = line[0][0]
            if due > self._env.now:
                yield due
                continue
            self._release(*line.popleft()[1:])

"""A second, plain simulation of the same rules: slow, short, and written without looking at the first.

Every holder of messages is one small class, every change of state one event on a heap. It shares no code
with the simulator which it judges; outcomes and times are to agree message by message.
"""

from __future__ import annotations

import hashlib
import heapq
import itertools
import math
import struct
from collections import deque
from dataclasses import dataclass, field

KINDS = ("synchronous", "single_broker", "dual_brokers", "stream", "pubsub", "sns_sqs")
QUEUE_ERRORS = ("wait", "nack", "skip", "dead_letter", "retry")
ON_ERROR = {  # what each kind may do with a failed effect; the first is its default
    "synchronous": ("skip",),
    "single_broker": QUEUE_ERRORS,
    "dual_brokers": QUEUE_ERRORS,
    "sns_sqs": QUEUE_ERRORS,
    "stream": ("retry", "skip", "dead_letter"),
    "pubsub": ("nack", "skip", "retry"),
}
FAULTS = {
    ("down", "consumers"),
    ("crash", "consumers"),
    ("slow", "consumers"),
    ("slow", "sink"),
    ("reject", "sink"),
    ("reject", "broker"),
}
FINISH, OTHER = 0, 1  # of two events at one time: what is finished then, counts as finished


@dataclass(frozen=True)
class Options:
    """The options of an architecture; `None` is the default of its kind."""

    workers: int = 1
    visibility: float = 30.0
    max_receives: int = 3
    dead_letter: bool = True
    retention: float = math.inf
    on_error: str | None = None
    retry_delay: float = 1.0
    batch: int | None = None
    partitions: int = 1
    commit_interval: float = 5.0
    idempotent: bool = False
    push_retries: int = 3
    push_retry_delay: float = 20.0
    buffer: float = math.inf
    capacity: float = math.inf
    publish_retry_for: float = 0.0
    publish_retry_delay: float = 0.1
    write_gap: float = 0.0
    reply_first: bool = False
    outbox_poll: float | None = None
    speeds: tuple[float, ...] | None = None
    heartbeat: float | None = None
    poll: float = 0.0
    starts: float = 0.0
    reset_to_latest: bool = False
    partitioner: str = "modulo"


@dataclass(frozen=True)
class Window:
    """A fault in [start, end); `effect` None hits every effect, `workers` None the whole pool."""

    kind: str
    role: str
    start: float
    end: float
    effect: str | None = None
    in_hand: str = "finish"  # of down: finish, resume, lose
    workers: int | None = None  # of down and slow: the first so many of each pool
    worker: int = 0  # of crash: this one of each pool
    factor: float = 1.0  # of slow

    def hits(self, role, effects, now):
        """Whether it goes on now and meant this role of one of these effects."""
        return self.role == role and self.start <= now < self.end and self.effect in (None, *effects)

    def hits_worker(self, index):
        """Whether it is meant for the worker of this number."""
        if self.kind == "crash":
            return index == self.worker
        return self.workers is None or index < self.workers


@dataclass
class Pair:
    """What became of one effect of one message."""

    outcome: str = "pending"
    first_delivered: float | None = None
    first_applied: float | None = None
    applications: int = 0
    deliveries: int = 0
    attempts: int = 0
    applied_attempt: int | None = None  # number of the attempt which applied it first, from 1
    applied_delivery: int | None = None  # number of the delivery (of the push, refused ones too), from 1

    @property
    def late(self):
        """Whether it was first applied on attempt 2 or later."""
        return self.first_applied is not None and max(self.applied_attempt, self.applied_delivery) > 1


@dataclass
class Result:
    """What became of every message; lists by the number of the message, times absolute."""

    pairs: dict[tuple[int, str], Pair]
    reply: list[str]
    reply_time: list[float | None]
    outcome: list[str] = field(default_factory=list)
    dead_letters: dict[str, int] = field(default_factory=dict)


@dataclass(eq=False)
class Job:
    """A delivery of a message to a worker, with what its holder needs to know it again."""

    message: int
    delivery: int
    token: object = None


class Clock:
    """The events, in the order of their times."""

    def __init__(self):
        self.now = 0.0
        self.heap = []
        self.numbers = itertools.count()

    def at(self, time, action, *arguments, order=OTHER):
        """Do something at a time; the event returned can be handed to `cancel`."""
        event = [time, order, next(self.numbers), action, arguments]
        if time < math.inf:
            heapq.heappush(self.heap, event)
        return event

    def cancel(self, event):
        """Take back an event, if it is still to come."""
        if event is not None:
            event[3] = None

    def run(self, limit):
        """Go on until nothing can happen any more, or the limit."""
        while self.heap and self.heap[0][0] <= limit:
            time, _, _, action, arguments = heapq.heappop(self.heap)
            if action is not None:
                self.now = time
                action(*arguments)


class Run:
    """The books and the questions that every holder asks."""

    def __init__(self, kind, messages, effects, *, service, fails, options, faults):
        self.kind, self.effects, self.options, self.faults = kind, tuple(effects), options, tuple(faults)
        self.service, self.fails = service, fails
        self.clock = Clock()
        self.on_error = options.on_error or ON_ERROR[kind][0]
        pairs = {(message, effect): Pair() for message in range(messages) for effect in effects}
        self.result = Result(pairs, ["none"] * messages, [None] * messages)

    def delivered(self, message, effects):
        """A message reached a consumer."""
        for effect in effects:
            pair = self.result.pairs[message, effect]
            pair.deliveries += 1
            if pair.first_delivered is None:
                pair.first_delivered = self.clock.now

    def applied(self, message, effect, attempt, delivery):
        """An effect happened."""
        pair = self.result.pairs[message, effect]
        if self.options.idempotent and pair.applications:
            return
        pair.applications += 1
        if pair.applications == 1:
            pair.first_applied = self.clock.now
            pair.applied_attempt, pair.applied_delivery = attempt, delivery

    def fate(self, message, effects, outcome):
        """What became of pairs, unless they are applied sooner or later."""
        for effect in effects:
            self.result.pairs[message, effect].outcome = outcome

    def reply(self, message, answer):
        """The caller hears of it; only the first answer counts."""
        if self.result.reply[message] == "none":
            self.result.reply[message], self.result.reply_time[message] = answer, self.clock.now

    def bury(self, message, effects, component):
        """A copy goes to the dead-letter queue of a component."""
        self.fate(message, effects, "dead_lettered")
        self.result.dead_letters[component] = self.result.dead_letters.get(component, 0) + 1

    def refused(self, effects):
        """Whether the broker which serves these effects refuses publishes now."""
        return any(fault.hits("broker", effects, self.clock.now) for fault in self.faults)

    def sink_fails(self, effect):
        """Whether an attempt that starts now fails at once."""
        for fault in self.faults:
            rejects = fault.kind == "reject" and fault.hits("sink", (effect,), self.clock.now)
            if rejects or (self.narrowed(fault) and fault.hits("consumers", (effect,), self.clock.now)):
                return True
        return False

    def narrowed(self, fault):
        """Whether it is the service of one effect which a synchronous caller finds down."""
        whole = fault.workers is None or fault.workers >= self.options.workers
        return self.kind == "synchronous" and fault.kind == "down" and fault.effect is not None and whole

    def stops(self, effects, index):
        """The windows in which this worker of the pool of these effects is down."""
        return [
            fault
            for fault in self.faults
            if fault.kind in ("down", "crash")
            and fault.effect in (None, *effects)
            and fault.hits_worker(index)
            and not self.narrowed(fault)
        ]

    def seconds(self, effect, message, attempt, pool, index):
        """How long an attempt takes that starts now."""
        speeds = self.options.speeds
        seconds = self.service(effect, message, attempt) / (speeds[index] if speeds else 1.0)
        mine = (effect,) if self.kind == "synchronous" else pool
        for fault in self.faults:
            if fault.kind == "slow" and (
                fault.hits("sink", (effect,), self.clock.now)
                or (fault.hits("consumers", mine, self.clock.now) and fault.hits_worker(index))
            ):
                seconds *= fault.factor
        return seconds


class Source:
    """What workers take messages from: `take(count)` and `failed(job)`, and what else it cares for.

    `failed` gives the pause before another attempt on the spot; None: the worker lets go of the message.
    """

    def begun(self, job):
        """A worker turns to a message in its hand."""

    def done(self, job):
        """All effects of a message in hand happened."""

    def give_back(self, job):
        """A worker which stops had not begun this one."""

    def crashed(self, jobs):
        """A worker forgot these. In a queue: the copies stay in flight until their visibility ends."""

    def stopped(self):
        """A worker ended gracefully, with nothing in hand."""

    def restarted(self):
        """A worker begins anew, as a process that was started."""

    def forgotten(self):
        """All workers stopped in one fault and forgot what they knew; so does what they share."""


class Worker:
    """Takes messages from a source and works on the effects of each, one after the other."""

    def __init__(self, run, source, effects, index):
        self.run, self.source, self.effects, self.index = run, source, effects, index
        self.hand = deque()  # the first is worked on
        self.todo = None  # effects still to do of the first; None: not begun
        self.timer = None  # the event that ends what it does now
        self.paused = None  # (seconds left, what comes then) of suspended work
        self.finishing = False
        self.restarts = False  # whether it is away as a process that ended, not as one that was suspended
        self.stops = run.stops(effects, index)
        self.idle_since = None  # a number which grows with time
        self.busy_since = None  # likewise, of the attempt or pause that goes on
        if not self.down():
            self.idle_since = next(run.clock.numbers)
            self.doze()

    def down(self):
        """Whether a fault keeps it from taking messages now, or its group has not begun."""
        if self.run.kind == "stream" and self.run.clock.now < self.run.options.starts:
            return True
        return any(window.start <= self.run.clock.now < window.end for window in self.stops)

    def idle(self):
        """Whether it would take a message now, unasked."""
        return self.idle_since is not None and not self.down() and not self.run.options.poll

    def work(self, most=None):
        """Go on until something takes time or there is nothing to do."""
        since, self.idle_since = self.idle_since, None
        while self.timer is None and self.paused is None:
            if self.todo is not None:
                self.attempt()
            elif self.down():
                for job in self.hand:
                    self.source.give_back(job)
                self.hand.clear()
                if self.finishing:
                    self.source.stopped()
                self.leave()
                return
            elif self.hand:
                self.todo = list(self.effects)
                self.source.begun(self.hand[0])
            else:
                self.hand.extend(self.source.take(most or self.run.options.batch))
                most = None
                if not self.hand:
                    self.idle_since = next(self.run.clock.numbers) if since is None else since
                    self.doze()
                    return
                since = None

    def doze(self):
        """Nothing was there: ask again after the interval, if there is one."""
        if self.run.options.poll:
            self.run.clock.at(self.run.clock.now + self.run.options.poll, self.ask, self.idle_since)

    def ask(self, since):
        """The interval is over, unless something else happened meanwhile."""
        if self.idle_since == since and not self.down():
            self.idle_since = None
            self.work()

    def alive_with(self, job):
        """Whether it holds this job and is neither suspended nor gone."""
        return self.paused is None and any(job is other for other in self.hand)

    def attempt(self):
        """Begin the next effect of the message in hand, or be done with it."""
        run, job = self.run, self.hand[0]
        pairs = run.result.pairs
        while self.todo and run.options.idempotent and pairs[job.message, self.todo[0]].applications:
            self.todo.pop(0)
        if not self.todo:
            self.let_go()
            self.source.done(job)
            return
        effect = self.todo[0]
        pair = pairs[job.message, effect]
        attempt, pair.attempts = pair.attempts, pair.attempts + 1
        if run.sink_fails(effect):
            self.fail()
        else:
            seconds = run.seconds(effect, job.message, attempt, self.effects, self.index)
            self.wait(seconds, self.finish, effect, attempt)

    def wait(self, seconds, action, *arguments):
        """Be busy for a while."""
        self.busy_since = next(self.run.clock.numbers)
        self.timer = self.run.clock.at(self.run.clock.now + seconds, action, *arguments, order=FINISH)

    def finish(self, effect, attempt):
        """The service time of an attempt is over: now the effect happens, or fails."""
        self.timer = None
        job = self.hand[0]
        if self.run.fails(effect, job.message, attempt):
            self.fail()
        else:
            self.run.applied(job.message, effect, attempt + 1, job.delivery)
            self.todo.pop(0)
        self.work()

    def fail(self):
        """The effect did not happen: the source says what to do about it."""
        job = self.hand[0]
        pause = self.source.failed(job)
        if pause is None:
            self.let_go()
        else:
            self.wait(pause, self.again)

    def again(self):
        """The pause between two attempts on the spot is over."""
        self.timer = None
        self.work()

    def let_go(self):
        """Be rid of the message in hand."""
        self.hand.popleft()
        self.todo = None

    def stop(self, window):
        """A fault begins; in good order a worker stops after the message in hand."""
        self.idle_since = None
        in_hand = "lose" if window.kind == "crash" else window.in_hand
        self.restarts = in_hand != "resume"
        if in_hand == "lose":
            self.run.clock.cancel(self.timer)
            jobs = list(self.hand)
            self.hand.clear()
            self.timer = self.paused = self.todo = None
            self.finishing = False
            self.source.crashed(jobs)
        elif in_hand == "resume":
            if self.timer is not None:
                time, _, _, action, arguments = self.timer
                self.run.clock.cancel(self.timer)
                self.timer, self.paused = None, (time - self.run.clock.now, action, *arguments)
        else:
            self.finishing = True
            if self.timer is not None or self.paused is not None:
                return
            self.source.stopped()
        self.leave()

    def leave(self):
        """Be away until the last of the faults that go on now is over."""
        now = self.run.clock.now
        ends = [window.end for window in self.stops if window.start <= now <= window.end]
        self.run.clock.at(max(ends), self.back)

    def back(self):
        """A fault ends."""
        if self.down() or self.timer is not None:
            return
        self.finishing = False
        if self.restarts:
            self.source.restarted()
        if self.paused is not None:
            paused, self.paused = self.paused, None
            self.wait(*paused)
        if self.idle_since is None:
            self.work()


def stop_together(run, source, workers):
    """Stop workers when faults begin: first the idle ones, then the busy, as long as they have been busy.

    Who leaves first is back first.
    """

    def stop(window, hit):
        for worker in sorted(hit, key=lambda one: (one.timer is not None, one.busy_since or 0, one.index)):
            worker.stop(window)
        if window.kind == "down" and window.in_hand == "lose" and len(hit) == run.options.workers:
            source.forgotten()

    for window in dict.fromkeys(window for worker in workers for window in worker.stops):
        hit = [worker for worker in workers if window in worker.stops]
        run.clock.at(window.start, stop, window, hit)


class Pool:
    """Workers which share one source; of the idle ones the longest idle is first."""

    def __init__(self, run, source, effects):
        self.source = source
        self.workers = [Worker(run, source, effects, index) for index in range(run.options.workers)]
        stop_together(run, source, self.workers)

    def wake(self):
        """Something became visible: whoever is idle may take it."""
        while self.source.waiting and (idle := [worker for worker in self.workers if worker.idle()]):
            min(idle, key=lambda worker: worker.idle_since).work()

    def all_down(self):
        """Whether nobody is there."""
        return all(worker.down() for worker in self.workers)


@dataclass(eq=False)
class Copy:
    """A message in a queue."""

    message: int
    expires: float
    receives: int = 0
    state: str = "flight"  # flight, visible, gone
    clock: list | None = None  # the event that makes it visible again


class Queue(Source):
    """Copies which hide while they are worked on and come back when nobody deletes them in time."""

    def __init__(self, run, name, effects):
        self.run, self.name, self.effects = run, name, effects
        self.waiting = {}  # visible copies, the first to become visible first
        self.held = 0
        self.pool = Pool(run, self, effects)

    def publish(self, message):
        """Accept a message, or refuse it for want of room."""
        if self.held >= self.run.options.capacity:
            return False
        copy = Copy(message, self.run.clock.now + self.run.options.retention)
        self.held += 1
        self.run.clock.at(copy.expires, self.expire, copy)
        self.show(copy)
        return True

    def show(self, copy):
        """The copy becomes visible, at the tail."""
        if copy.state == "flight":
            if self.run.clock.now >= copy.expires:
                self.remove(copy, "expired")
                return
            copy.state = "visible"
            self.waiting[copy] = None
            self.pool.wake()

    def expire(self, copy):
        """Its retention is over; one in flight goes when it comes back."""
        if copy.state == "visible":
            self.remove(copy, "expired")

    def take(self, count):
        """A worker receives; what was received too often is moved out of the way."""
        jobs = []
        while self.waiting and len(jobs) < count:
            copy = next(iter(self.waiting))
            if copy.receives >= self.run.options.max_receives:
                self.bury(copy)
                continue
            del self.waiting[copy]
            copy.state = "flight"
            copy.receives += 1
            copy.clock = self.run.clock.at(self.run.clock.now + self.run.options.visibility, self.show, copy)
            self.run.delivered(copy.message, self.effects)
            jobs.append(Job(copy.message, copy.receives, copy))
            if self.run.options.heartbeat:
                self.plan_beat(jobs[-1], self.run.clock.now, 1)
        return jobs

    def plan_beat(self, job, received, number):
        """The next heartbeat of a delivery."""
        time = received + number * self.run.options.heartbeat
        self.run.clock.at(time, self.beat, job, received, number)

    def beat(self, job, received, number):
        """Whoever holds the message and lives hides it for another timeout, at most 12 h in all."""
        if not self.is_ours(job) or not any(job in worker.hand for worker in self.pool.workers):
            return
        ends = self.run.clock.now + self.run.options.visibility
        if any(worker.alive_with(job) for worker in self.pool.workers) and ends <= received + 12 * 3600:
            self.run.clock.cancel(job.token.clock)
            job.token.clock = self.run.clock.at(ends, self.show, job.token)
        self.plan_beat(job, received, number + 1)

    def remove(self, copy, outcome):
        """The copy is gone, wherever it was."""
        if copy.state == "gone":
            return
        copy.state = "gone"
        self.run.clock.cancel(copy.clock)
        self.waiting.pop(copy, None)
        self.held -= 1
        if outcome == "dead_lettered":
            self.run.bury(copy.message, self.effects, self.name)
        else:
            self.run.fate(copy.message, self.effects, outcome)

    def bury(self, copy):
        """Given up."""
        self.remove(copy, "dead_lettered" if self.run.options.dead_letter else "dropped")

    def done(self, job):
        """All effects happened: the worker deletes the message."""
        self.remove(job.token, "applied")

    def failed(self, job):
        """One effect failed; who is no longer the one it was delivered to last, has no say."""
        if self.run.on_error == "retry":
            return self.run.options.retry_delay
        if self.is_ours(job):
            if self.run.on_error == "nack":
                self.release(job, self.run.options.retry_delay)
            elif self.run.on_error == "skip":
                self.remove(job.token, "dropped")
            elif self.run.on_error == "dead_letter":
                self.bury(job.token)
        return None

    def is_ours(self, job):
        """Whether the copy is still hidden on behalf of this delivery."""
        return job.token.state == "flight" and job.token.receives == job.delivery

    def release(self, job, delay):
        """Visible again after a delay instead of at the end of its visibility, if still ours."""
        copy = job.token
        if self.is_ours(job):
            self.run.clock.cancel(copy.clock)
            copy.clock = self.run.clock.at(self.run.clock.now + delay, self.show, copy)

    def give_back(self, job):
        """A worker which stops returns what it has not begun."""
        self.release(job, 0.0)


class Subscription(Source):
    """Pushes each message to the service of one effect, a few times."""

    def __init__(self, run, effect):
        self.run, self.effects = run, (effect,)
        self.waiting = deque()
        self.pool = Pool(run, self, self.effects)

    def push(self, message, attempt=1):
        """Deliver, if somebody is there and has room."""
        full = len(self.waiting) >= self.run.options.buffer
        if self.pool.all_down() or (full and not any(worker.idle() for worker in self.pool.workers)):
            self.again(message, attempt)
        else:
            self.run.delivered(message, self.effects)
            self.waiting.append(Job(message, attempt))
            self.pool.wake()

    def again(self, message, attempt):
        """The push came to nothing: once more later, or never."""
        if attempt > self.run.options.push_retries:
            self.run.fate(message, self.effects, "dropped")
        else:
            time = self.run.clock.now + self.run.options.push_retry_delay
            self.run.clock.at(time, self.push, message, attempt + 1)

    def take(self, count):
        """First come, first served."""
        return [self.waiting.popleft() for _ in range(min(count, len(self.waiting)))]

    def failed(self, job):
        """The service says no."""
        if self.run.on_error == "retry":
            return self.run.options.retry_delay
        if self.run.on_error == "skip":
            self.run.fate(job.message, self.effects, "dropped")
        else:
            self.again(job.message, job.delivery)
        return None

    def give_back(self, job):
        """It waits again, at the tail."""
        self.waiting.append(job)
        self.pool.wake()

    def crashed(self, jobs):
        """Nobody else has a copy."""
        for job in jobs:
            self.run.fate(job.message, self.effects, "lost")

    def forgotten(self):
        """The memory of the service is gone."""
        self.crashed(self.waiting)
        self.waiting.clear()


class Api(Source):
    """A request waits for a worker, which does all effects before it answers."""

    def __init__(self, run):
        self.run = run
        self.waiting = deque()
        self.pool = Pool(run, self, run.effects)

    def request(self, message):
        """A caller calls."""
        if self.pool.all_down():
            self.failed(Job(message, 0))
        else:
            self.waiting.append(message)
            self.pool.wake()

    def take(self, _count):
        """One request at a time, the first that came."""
        if not self.waiting:
            return []
        message = self.waiting.popleft()
        self.run.delivered(message, self.run.effects)
        return [Job(message, 1)]

    def done(self, job):
        """All went well."""
        self.run.reply(job.message, "ok")

    def failed(self, job):
        """The effect and the ones after it will never be; the caller is told."""
        self.run.fate(job.message, self.run.effects, "dropped")
        self.run.reply(job.message, "error")

    def crashed(self, jobs):
        """The caller never hears of it."""
        for job in jobs:
            self.run.fate(job.message, self.run.effects, "lost")

    def forgotten(self):
        """Nor do the callers who wait."""
        self.crashed(Job(message, 0) for message in self.waiting)
        self.waiting.clear()


@dataclass(frozen=True)
class Record:
    """A message in a partition."""

    message: int
    expires: float


class Stream:
    """Partitions which only grow, and for each effect a group of readers."""

    def __init__(self, run, keys):
        self.run, self.keys = run, keys
        self.partitions = [[] for _ in range(run.options.partitions)]
        self.members = []
        each, more = divmod(run.options.partitions, run.options.workers)
        for effect in run.effects:
            first = 0
            for index in range(run.options.workers):
                count = each + (index < more)
                self.members.append(Member(run, self, effect, index, range(first, first + count)))
                first += count

    def publish(self, message):
        """Append; idle readers of the partition see it at once."""
        partition = partition_of(self.keys[message], self.run.options.partitioner, len(self.partitions))
        expires = self.run.clock.now + self.run.options.retention
        self.partitions[partition].append(Record(message, expires))
        for member in self.members:
            if partition in member.position and member.worker.idle():
                member.worker.work(1)
        return True

    def close(self, limit):
        """What nobody fetched in time is not there any more at the end."""
        for member in self.members:
            for partition, position in member.position.items():
                for record in self.partitions[partition][position:]:
                    if record.expires <= limit:
                        self.expire(record.message, member.effects)

    def expire(self, message, effects):
        """A record is gone; one which was skipped or buried before a crash made it to do again stays so."""
        if self.run.result.pairs[message, effects[0]].outcome == "pending":
            self.run.fate(message, effects, "expired")


class Member(Source):
    """One reader of a group, with a position in each of its partitions."""

    def __init__(self, run, stream, effect, index, partitions):
        self.run, self.stream, self.effects = run, stream, (effect,)
        self.position = dict.fromkeys(partitions, 0)  # next to fetch
        self.processed = dict(self.position)  # next to work on
        self.committed = dict(self.position)
        self.last_commit = 0.0
        self.turn = 0  # the partition to begin with
        self.joined = not run.options.starts
        self.worker = Worker(run, self, self.effects, index)
        stop_together(run, self, [self.worker])
        if not self.joined:
            run.clock.at(run.options.starts, self.worker.back)

    def join(self):
        """The first fetch of a group that begins late: it has no offset to go on from."""
        self.joined = True
        if self.run.options.reset_to_latest:
            for partition in self.position:
                self.leap(partition)
            self.commit()

    def leap(self, partition):
        """To the end of a partition; what lies before it and is not yet gone is left out by rule."""
        log = self.stream.partitions[partition]
        for record in log[self.position[partition] :]:
            pair = self.run.result.pairs[record.message, self.effects[0]]
            if self.run.clock.now >= record.expires:
                self.stream.expire(record.message, self.effects)
            elif pair.outcome == "pending":
                self.run.fate(record.message, self.effects, "dropped")
        self.position[partition] = self.processed[partition] = len(log)

    def fresh(self):
        """Whether one of its partitions has a record which it has not fetched."""
        return any(at < len(self.stream.partitions[p]) for p, at in self.position.items())

    def take(self, count):
        """Commit when it is time, then fetch: one partition after the other, beginning after the last."""
        due = self.last_commit + self.run.options.commit_interval
        if self.run.clock.now >= due and (self.fresh() or self.processed != self.committed):
            self.commit()
        if not self.joined:
            self.join()
        jobs = []
        for partition in [p for p in self.position if p >= self.turn] + [
            p for p in self.position if p < self.turn
        ]:
            self.fetch(partition, count, jobs)
            if len(jobs) == count:
                self.turn = partition + 1
                break
        if not jobs and self.processed != self.committed:
            poll, looks = self.run.options.poll, 1
            while poll and self.run.clock.now + looks * poll < due:
                looks += 1
            due = self.run.clock.now + looks * poll if poll else due
            self.run.clock.at(due, self.commit_idle, self.last_commit)
        return jobs

    def fetch(self, partition, count, jobs):
        """Take what fits of one partition."""
        log = self.stream.partitions[partition]
        while self.position[partition] < len(log) and len(jobs) < count:
            record = log[self.position[partition]]
            if self.run.options.reset_to_latest and self.run.clock.now >= record.expires:
                self.leap(partition)
                return
            self.position[partition] += 1
            if self.run.clock.now >= record.expires:
                self.stream.expire(record.message, self.effects)
            else:
                jobs.append(Job(record.message, 0, (partition, self.position[partition])))

    def commit(self):
        """Remember the positions."""
        self.committed = dict(self.processed)
        self.last_commit = self.run.clock.now

    def commit_idle(self, last):
        """Nothing to fetch, but something to commit."""
        is_idle = self.worker.idle_since is not None and not self.worker.down()
        if is_idle and self.last_commit == last and self.processed != self.committed:
            self.commit()

    def begun(self, job):
        """What was only fetched does not count as delivered yet."""
        self.run.delivered(job.message, self.effects)
        job.delivery = self.run.result.pairs[job.message, self.effects[0]].deliveries

    def done(self, job):
        """On to the next record."""
        partition, after = job.token
        self.processed[partition] = after

    def failed(self, job):
        """Try again on the spot, or leave it behind."""
        if self.run.on_error == "retry":
            return self.run.options.retry_delay
        if self.run.on_error == "dead_letter" and self.run.options.dead_letter:
            self.run.bury(job.message, self.effects, f"{self.effects[0]}_stream")
        else:
            self.run.fate(job.message, self.effects, "dropped")
        self.done(job)
        return None

    def give_back(self, job):
        """It will be fetched again."""
        partition, after = job.token
        self.position[partition] = min(self.position[partition], after - 1)

    def crashed(self, _jobs):
        """All that was not committed is to do again."""
        self.position, self.processed = dict(self.committed), dict(self.committed)

    def stopped(self):
        """A graceful end: what is done is committed."""
        self.commit()

    def restarted(self):
        """The commit interval counts from the start of the process."""
        self.last_commit = self.run.clock.now


class Endpoint:
    """Where a producer writes to: one broker, for some effects."""

    def __init__(self, run, effects, accept):
        self.run, self.effects, self.accept = run, effects, accept
        self.outbox = deque()

    def publish(self, message):
        """One attempt to publish."""
        return not self.run.refused(self.effects) and self.accept(message)

    def store(self, message):
        """Into the outbox: the relay looks at the next tick."""
        self.outbox.append(message)
        if len(self.outbox) == 1:
            self.plan()

    def plan(self):
        """The next tick is the next multiple of the interval, strictly later than now."""
        poll = self.run.options.outbox_poll
        tick = math.floor(self.run.clock.now / poll)
        while tick * poll <= self.run.clock.now:
            tick += 1
        self.run.clock.at(tick * poll, self.relay)

    def relay(self):
        """Publish in order, up to the first refusal."""
        while self.outbox and self.publish(self.outbox[0]):
            self.outbox.popleft()
        if self.outbox:
            self.plan()


class Producer:
    """Writes each message to one endpoint after the other: the next when the one before has ended."""

    def __init__(self, run, endpoints):
        self.run, self.endpoints = run, endpoints
        self.refused = set()  # messages of which an endpoint would not have anything

    def arrive(self, message):
        """A message is to be published."""
        if self.run.options.outbox_poll is not None:
            for endpoint in self.endpoints:
                endpoint.store(message)
            self.run.reply(message, "ok")
            return
        self.write(message, 0, self.run.clock.now, 0)

    def write(self, message, place, start, attempt):
        """An attempt; the next one counts from the first."""
        options, endpoint = self.run.options, self.endpoints[place]
        after = (attempt + 1) * options.publish_retry_delay
        accepted = endpoint.publish(message)
        if not accepted and after <= options.publish_retry_for + 1e-9:
            self.run.clock.at(start + after, self.write, message, place, start, attempt + 1)
            return
        if not accepted:
            self.run.fate(message, endpoint.effects, "rejected")
            self.refused.add(message)
        elif options.reply_first:
            self.run.reply(message, "ok")
        if place + 1 < len(self.endpoints):
            following = self.run.clock.now + options.write_gap
            if options.write_gap:
                self.run.clock.at(following, self.write, message, place + 1, following, 0)
            else:
                self.write(message, place + 1, following, 0)
        else:
            self.run.reply(message, "error" if message in self.refused else "ok")


def subscribe(run, queue, message, attempt=1):
    """Push into a queue; when it is full, again a few times."""
    if queue.publish(message):
        return
    if attempt > run.options.push_retries:
        run.fate(message, queue.effects, "dropped")
    else:
        run.clock.at(
            run.clock.now + run.options.push_retry_delay, subscribe, run, queue, message, attempt + 1
        )


def partition_of(key, how, partitions):
    """Where a key goes: Kinesis compares the digest with the ranges, Kafka hashes four bytes at a time."""
    text = str(key).encode()
    if how == "md5":
        digest = int(hashlib.md5(text, usedforsecurity=False).hexdigest(), 16)
        return next(shard for shard in range(partitions) if digest * partitions < (shard + 1) << 128)
    if how == "murmur2":
        return (murmur2(text) & 0x7FFFFFFF) % partitions
    return key % partitions


def murmur2(data):
    """As in Java, with the bits of an int kept by hand."""
    mask, factor = (1 << 32) - 1, 1540483477
    state = 2538058380 ^ len(data)
    words, rest = divmod(len(data), 4)
    for (word,) in struct.iter_unpack("<I", data[: 4 * words]):
        mixed = word * factor & mask
        mixed = (mixed ^ mixed >> 24) * factor & mask
        state = state * factor & mask ^ mixed
    if rest:
        for place in range(rest):
            state ^= data[4 * words + place] << 8 * place
        state = state * factor & mask
    state = (state ^ state >> 13) * factor & mask
    return state ^ state >> 15


def entrance(run, keys):
    """Build an architecture; the function returned is called with every message that arrives."""
    effects = run.effects
    if run.kind == "synchronous":
        return Api(run).request
    if run.kind == "single_broker":
        endpoints = [Endpoint(run, effects, Queue(run, "queue", effects).publish)]
    elif run.kind == "dual_brokers":
        queues = {effect: Queue(run, f"{effect}_queue", (effect,)) for effect in effects}
        endpoints = [Endpoint(run, (effect,), queue.publish) for effect, queue in queues.items()]
    elif run.kind == "stream":
        run.stream = Stream(run, keys)
        endpoints = [Endpoint(run, effects, run.stream.publish)]
    elif run.kind == "pubsub":
        subscriptions = [Subscription(run, effect) for effect in effects]

        def push(message):
            for subscription in subscriptions:
                subscription.push(message)
            return True

        endpoints = [Endpoint(run, effects, push)]
    else:
        fans = [Queue(run, f"{effect}_queue", (effect,)) for effect in effects]

        def fan_out(message):
            for queue in fans:
                subscribe(run, queue, message)
            return True

        endpoints = [Endpoint(run, effects, fan_out)]
    return Producer(run, endpoints).arrive


def message_outcome(outcomes):
    """The outcome of a message from those of its pairs, as `vocabulary.md` has it."""
    if "pending" in outcomes:
        return "pending"
    if "applied" in outcomes:
        return "complete" if set(outcomes) == {"applied"} else "partial"
    return "rejected" if set(outcomes) == {"rejected"} else "failed"


def check(kind, arrivals, options, faults):
    """Refuse what has no meaning here rather than guess."""
    if kind not in KINDS or list(arrivals) != sorted(arrivals):
        raise ValueError(f"unknown kind {kind!r}, or arrivals that are not sorted")
    if options.on_error not in (None, *ON_ERROR[kind]):
        raise ValueError(f"{kind} has no on_error {options.on_error!r}")
    if options.publish_retry_for > 0 and options.publish_retry_delay <= 0:
        raise ValueError("publish_retry_delay must be positive")
    for fault in faults:
        if (fault.kind, fault.role) not in FAULTS or fault.in_hand not in ("finish", "resume", "lose"):
            raise ValueError(f"unknown fault {fault}")


def simulate(
    kind, arrivals, effects, options=None, faults=(), keys=None, *, service, fails=None, limit=math.inf
):
    """Run one architecture on given arrivals and say what became of every pair.

    `service(effect, message, attempt)` gives seconds, `fails(effect, message, attempt)` whether the attempt
    fails at their end; attempts count from 0. `keys` default to the numbers of the messages.
    """
    options = options or Options()
    check(kind, arrivals, options, faults)
    batch = options.batch or (500 if kind == "stream" else 1)
    options = Options(**{**vars(options), "batch": batch})
    fails = fails or (lambda *_: False)
    run = Run(kind, len(arrivals), effects, service=service, fails=fails, options=options, faults=faults)
    arrive = entrance(run, keys if keys is not None else range(len(arrivals)))
    for message, time in enumerate(arrivals):
        run.clock.at(time, arrive, message)
    run.clock.run(limit)
    if kind == "stream":
        run.stream.close(limit)
    for pair in run.result.pairs.values():
        if pair.applications:
            pair.outcome = "applied"
    for message in range(len(arrivals)):
        outcomes = [run.result.pairs[message, effect].outcome for effect in effects]
        run.result.outcome.append(message_outcome(outcomes))
    return run.result

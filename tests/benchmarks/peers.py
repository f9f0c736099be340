"""W1 as others would write it: M/M/8 at utilization 0.8, arrival, start and end of every message kept.

Each is written in the manner of its own documentation, without what it would collect unasked. A function
returns how many messages came to their end.
"""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Callable, Iterator

import simpy

RATE, MEAN, SERVERS = 6.4, 1.0, 8
Times = list[tuple[float, float, float]]
"""Arrival, start and end of each message, s."""


def naive_simpy(messages: int) -> int:
    """A process per message and a ``Resource``, as in SimPy's bank example."""
    env = simpy.Environment()
    servers = simpy.Resource(env, SERVERS)
    draw = random.Random(0).expovariate
    times: Times = []

    def message() -> Iterator[simpy.Event]:
        arrived = env.now
        with servers.request() as request:
            yield request
            started = env.now
            yield env.timeout(draw(1 / MEAN))
        times.append((arrived, started, env.now))

    def source() -> Iterator[simpy.Event]:
        for _ in range(messages):
            yield env.timeout(draw(RATE))
            env.process(message())

    env.process(source())
    env.run()
    return len(times)


def simpy_store(messages: int) -> int:
    """Eight worker processes around a ``Store``, as in SimPy's examples of communicating processes."""
    env = simpy.Environment()
    queue = simpy.Store(env)
    draw = random.Random(0).expovariate
    times: Times = []

    def worker() -> Iterator[simpy.Event]:
        while True:
            arrived = yield queue.get()
            started = env.now
            yield env.timeout(draw(1 / MEAN))
            times.append((arrived, started, env.now))

    def source() -> Iterator[simpy.Event]:
        for _ in range(messages):
            yield env.timeout(draw(RATE))
            queue.put(env.now)

    for _ in range(SERVERS):
        env.process(worker())
    env.process(source())
    env.run()
    return len(times)


def ciw(messages: int) -> int:
    """A network of one node; Ciw keeps a record of each customer by itself."""
    import ciw as peer

    network = peer.create_network(
        arrival_distributions=[peer.dists.Exponential(RATE)],
        service_distributions=[peer.dists.Exponential(1 / MEAN)],
        number_of_servers=[SERVERS],
    )
    peer.seed(0)
    simulation = peer.Simulation(network)
    simulation.simulate_until_max_customers(messages, method="Finish")
    records = simulation.get_all_records()
    times: Times = [(each.arrival_date, each.service_start_date, each.service_end_date) for each in records]
    return len(times)


def salabim(messages: int) -> int:
    """Eight clerks that passivate when idle, as in salabim's bank example, their monitors switched off.

    Waiting messages are times in a deque: with a component per customer and a ``Resource`` it was measured at
    5,000 messages per CPU second, nearly all of it spent on creating components.
    """
    import salabim as peer

    peer.yieldless(value=False)
    env = peer.Environment(random_seed=0)
    draw = random.Random(0).expovariate
    waiting: deque[float] = deque()
    idle: list[peer.Component] = []
    times: Times = []

    class Clerk(peer.Component):
        def setup(self) -> None:
            self.mode.monitor(value=False)
            self.status.monitor(value=False)

        def process(self) -> Iterator[None]:
            while True:
                while not waiting:
                    idle.append(self)
                    yield self.passivate()
                arrived = waiting.popleft()
                started = env.now()
                yield self.hold(draw(1 / MEAN))
                times.append((arrived, started, env.now()))

    class Source(peer.Component):
        def setup(self) -> None:
            self.mode.monitor(value=False)
            self.status.monitor(value=False)

        def process(self) -> Iterator[None]:
            for _ in range(messages):
                yield self.hold(draw(RATE))
                waiting.append(env.now())
                if idle:
                    idle.pop().activate()

    for _ in range(SERVERS):
        Clerk()
    Source()
    env.run()
    return len(times)


PEERS: dict[str, Callable[[int], int]] = {
    "naive SimPy": naive_simpy,
    "SimPy Store": simpy_store,
    "Ciw": ciw,
    "salabim": salabim,
}
PUBLISHED = {"AsyncFlow": (12_000, "fixed service times only"), "happysim": (13_000, "M/M/8")}
"""Messages per CPU second on W1, measured for the design of the engine, and of what. Both need a newer Python
than the oldest that this project runs on, so that they are in no extra."""

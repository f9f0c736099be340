"""Named streams of random numbers: the same number for the same purpose, whatever else the study holds.

A stream is keyed by (seed, replication, purpose, entity). Names enter through ``zlib.crc32``, a hash that is
the same in every process; the architecture is never part of a key, so that all of them meet the same
arrivals, the same service times and the same failures (common random numbers).

Draws are attached to (message, effect, attempt), not to the order of processing: an :class:`AttachedDraws`
hands out the same value for the same message whenever, wherever and how often it is asked.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sim.engine.seeds import Seeds

BLOCK_BITS = 13
BLOCK = 1 << BLOCK_BITS
"""Messages per block of draws for first attempts."""

KEPT_BLOCKS = 64
"""Of one purpose; what is longer ago is drawn again when somebody asks."""
_KEPT_VALUES = 1 << 18
_COST = 16
"""A block takes as much memory as so many further values."""
"""The values of a block: as a tuple, at which the collector of garbage looks but once."""
_WITHIN = [(1 << shift) - 1 for shift in range(BLOCK_BITS + 1)]
_NO_BLOCK = np.empty(0)
_SIBLINGS = 2
"""Up to this attempt, who asks for a block soon asks for its neighbours."""

Sampler = Callable[[np.random.Generator, int], NDArray[Any]]
"""Draws n values: (generator, n) -> floats of shape (n,)."""


@dataclass(slots=True)
class Numbering:
    """Where a run that is worked out part by part has come to: the number of its message 0 in the whole."""

    first: int = 0


@dataclass(frozen=True, slots=True)
class Streams:
    """The streams of one replication.

    Attributes:
        seed: of the study.
        replication: counted from 0.
        numbering: of the messages that attached draws are asked for.
    """

    seed: int
    replication: int
    numbering: Numbering = field(default_factory=Numbering, compare=False)

    def generator(self, purpose: str, *entity: str | int) -> np.random.Generator:
        """The generator for a purpose (``arrivals``, ``service``, …) and the things it is for."""
        key = self._key(purpose, entity)
        return np.random.Generator(np.random.PCG64(np.random.SeedSequence(self.seed, spawn_key=key)))

    def seeds(self, purpose: str, entity: Sequence[str | int]) -> Seeds:
        """The generators for a purpose and for things that are told apart by two further numbers."""
        return Seeds(self.seed, self._key(purpose, entity))

    def _key(self, purpose: str, entity: Sequence[str | int]) -> list[int]:
        return [self.replication, _number(purpose), *(_number(part) for part in entity)]

    def attached(self, sample: Sampler, purpose: str, *entity: str | int) -> AttachedDraws:
        """Draws by :data:`Sampler` ``sample``, attached to (message, attempt)."""
        return AttachedDraws(self, sample, purpose, entity)


class AttachedDraws:
    """One value per (message, attempt), made in blocks and always the same.

    A block is one generator's output for consecutive messages and one attempt. The deeper the attempt, the
    fewer messages reach it: the length of a block halves with every attempt, down to single messages.
    """

    __slots__ = ("_blocks", "_kept", "_numbering", "_sample", "_seeds")

    def __init__(self, streams: Streams, sample: Sampler, purpose: str, entity: Sequence[str | int]) -> None:
        self._numbering = streams.numbering
        self._sample = sample
        self._seeds = streams.seeds(purpose, entity)
        self._blocks: dict[tuple[int, int], NDArray[Any]] = {}
        self._kept = 0

    def value(self, message: int, attempt: int = 0) -> float:
        """The value of a message at an attempt, both counted from 0."""
        message += self._numbering.first
        shift = max(13 - attempt, 0)
        return self._block(attempt, message >> shift).item(message & ((1 << shift) - 1))

    def values(self, messages: Sequence[int], attempts: Sequence[int]) -> list[float]:
        """The values of some messages, each at an attempt of its own; new blocks are made all at once."""
        first = self._numbering.first
        numbers = [message + first for message in messages] if first else messages
        shifts = [13 - attempt if attempt < 13 else 0 for attempt in attempts]
        places = [
            (attempt, number >> shift)
            for attempt, number, shift in zip(attempts, numbers, shifts, strict=True)
        ]
        held = self._at_hand(dict.fromkeys(places))
        within = [number & _WITHIN[shift] for number, shift in zip(numbers, shifts, strict=True)]
        return [held[place].item(index) for place, index in zip(places, within, strict=True)]

    def first(self, low: int, high: int) -> NDArray[Any]:
        """The values of the first attempts of the messages from low up to, not including, high."""
        low, high = low + self._numbering.first, high + self._numbering.first
        first, last = low >> 13, (high - 1) >> 13
        if low >= high:
            return np.empty(0)
        blocks = list(self._at_hand([(0, block) for block in range(first, last + 1)]).values())
        return np.concatenate(blocks)[low - first * BLOCK :][: high - low]

    def _at_hand(self, places: Iterable[tuple[int, int]]) -> dict[tuple[int, int], NDArray[Any]]:
        """The blocks of some (attempt, number of the block), each named once; new ones are made together."""
        held = {place: self._blocks.get(place, _NO_BLOCK) for place in places}
        if new := [place for place, block in held.items() if block is _NO_BLOCK]:
            for place, drawn in zip(new, self._drawn(new), strict=True):
                held[place] = self._keep(place, drawn)
        return held

    def _block(self, attempt: int, block: int) -> NDArray[Any]:
        values = self._blocks.get((attempt, block))
        if values is not None:
            return values
        few = attempt if attempt <= _SIBLINGS else 0  # blocks of the same messages cost little more than one
        first = block >> few << few
        return self._at_hand([(attempt, first + number) for number in range(1 << few)])[attempt, block]

    def _keep(self, place: tuple[int, int], drawn: NDArray[Any]) -> NDArray[Any]:
        """Keep a block until there are too many: it can always be made again."""
        self._blocks[place] = drawn
        self._kept += len(drawn) + _COST
        while self._kept > _KEPT_VALUES:
            self._kept -= len(self._blocks.pop(next(iter(self._blocks)))) + _COST
        return drawn

    def _drawn(self, places: list[tuple[int, int]]) -> Iterator[NDArray[Any]]:
        """The blocks of some (attempt, number of the block)."""
        rngs = self._seeds.generators(np.array(places).T)
        for rng, (attempt, _) in zip(rngs, places, strict=True):
            yield self._sample(rng, BLOCK >> min(attempt, 13))


def uniform(rng: np.random.Generator, count: int) -> NDArray[Any]:
    """A :data:`Sampler` of floats in [0, 1)."""
    return rng.random(count)


def _number(name: str | int) -> int:
    return name if isinstance(name, int) else zlib.crc32(name.encode())

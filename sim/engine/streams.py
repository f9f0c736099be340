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
_KEPT_VALUES = KEPT_BLOCKS * BLOCK
_COST = 16
"""A block takes as much memory as so many further values."""
_LEAST_BITS = 8
_LEAST = 1 << _LEAST_BITS
"""Messages per block of deep attempts: to seed a generator takes longer than to draw these."""
_DEEP = BLOCK_BITS - _LEAST_BITS
_SHIFTS = [BLOCK_BITS - attempt for attempt in range(_DEEP + 1)]
_WITHIN = [(1 << shift) - 1 for shift in range(BLOCK_BITS + 1)]
_SIBLINGS = 2
"""Up to this attempt, who asks for a block soon asks for its neighbours."""
_NUMBER_BITS = 40
_NUMBER = (1 << _NUMBER_BITS) - 1
"""A block's place is its attempt, and in the lower bits its number: a whole number needs no collector."""

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
    fewer messages reach it: the length of a block halves with every attempt, as long as that saves time.
    """

    __slots__ = ("_blocks", "_kept", "_numbering", "_sample", "_seeds")

    def __init__(self, streams: Streams, sample: Sampler, purpose: str, entity: Sequence[str | int]) -> None:
        self._numbering = streams.numbering
        self._sample = sample
        self._seeds = streams.seeds(purpose, entity)
        self._blocks: dict[int, NDArray[Any]] = {}
        self._kept = 0

    def value(self, message: int, attempt: int = 0) -> float:
        """The value of a message at an attempt, both counted from 0."""
        message += self._numbering.first
        shift = _SHIFTS[attempt] if attempt < _DEEP else _LEAST_BITS
        place = attempt << _NUMBER_BITS | message >> shift
        block = self._blocks.get(place)
        if block is None:
            few = attempt if attempt <= _SIBLINGS else 0  # blocks of the same messages, seeded together
            lowest = place >> few << few
            block = self._at_hand(range(lowest, lowest + (1 << few)))[place]
            self._let_go()
        return block.item(message & _WITHIN[shift])

    def values(self, messages: Sequence[int], attempts: Sequence[int]) -> list[float]:
        """The values of some messages, each at an attempt of its own; new blocks are made all at once."""
        first = self._numbering.first
        numbers = [message + first for message in messages] if first else messages
        try:
            return self._values(numbers, attempts)
        except KeyError:
            shifts = [_SHIFTS[min(attempt, _DEEP)] for attempt in attempts]
            self._at_hand(
                attempt << _NUMBER_BITS | number >> shift
                for attempt, number, shift in zip(attempts, numbers, shifts, strict=True)
            )
            values = self._values(numbers, attempts)
            self._let_go()
            return values

    def _values(self, numbers: Sequence[int], attempts: Sequence[int]) -> list[float]:
        blocks, shifts, within, bits, deep = self._blocks, _SHIFTS, _WITHIN, _NUMBER_BITS, _DEEP
        return [
            blocks[attempt << bits | number >> (shift := shifts[attempt if attempt < deep else deep])].item(  # noqa: FURB136
                number & within[shift]
            )
            for attempt, number in zip(attempts, numbers, strict=True)
        ]

    def at(self, messages: NDArray[Any], attempt: int) -> NDArray[Any]:
        """The values of some messages, at least one, at one attempt."""
        shift = _SHIFTS[min(attempt, _DEEP)]
        numbers = messages + self._numbering.first
        blocks = numbers >> shift
        lowest, highest = int(blocks.min()), int(blocks.max())
        distinct = [lowest] if lowest == highest else np.unique(blocks).tolist()
        at_hand = self._at_hand([attempt << _NUMBER_BITS | block for block in distinct])
        numbers &= _WITHIN[shift]
        values = np.empty(len(messages))
        for block in distinct:
            those: Any = slice(None) if lowest == highest else blocks == block
            values[those] = at_hand[attempt << _NUMBER_BITS | block][numbers[those]]
        self._let_go()
        return values

    def first(self, low: int, high: int) -> NDArray[Any]:
        """The values of the first attempts of the messages from low up to, not including, high."""
        low, high = low + self._numbering.first, high + self._numbering.first
        if low >= high:
            return np.empty(0)
        first, last = low >> BLOCK_BITS, (high - 1) >> BLOCK_BITS
        places = range(first, last + 1)
        blocks = self._at_hand(places)
        values = np.concatenate([blocks[place] for place in places])[low - first * BLOCK :][: high - low]
        self._let_go()
        return values

    def _at_hand(self, places: Iterable[int]) -> dict[int, NDArray[Any]]:
        """Blocks, those of some places among them; new ones are made together."""
        blocks = self._blocks
        if missing := [place for place in places if place not in blocks]:
            new = list(dict.fromkeys(missing))
            for place, drawn in zip(new, self._drawn(new), strict=True):
                blocks[place] = drawn
                self._kept += len(drawn) + _COST
        return blocks

    def _let_go(self) -> None:
        """Keep no more blocks than there is room for: one can always be made again."""
        while self._kept > _KEPT_VALUES:
            self._kept -= len(self._blocks.pop(next(iter(self._blocks)))) + _COST

    def _drawn(self, places: list[int]) -> Iterator[NDArray[Any]]:
        """The blocks of some places."""
        attempts = [place >> _NUMBER_BITS for place in places]
        keys = np.array((attempts, places))
        keys[1] &= _NUMBER
        sample = self._sample
        for rng, attempt in zip(self._seeds.generators(keys), attempts, strict=True):
            yield sample(rng, BLOCK >> attempt if attempt < _DEEP else _LEAST)


def uniform(rng: np.random.Generator, count: int) -> NDArray[Any]:
    """A :data:`Sampler` of floats in [0, 1)."""
    return rng.random(count)


def _number(name: str | int) -> int:
    return name if isinstance(name, int) else zlib.crc32(name.encode())

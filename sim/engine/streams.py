"""Named streams of random numbers: the same number for the same purpose, whatever else the study holds.

A stream is keyed by (seed, replication, purpose, entity). Names enter through ``zlib.crc32``, a hash that is
the same in every process; the architecture is never part of a key, so that all of them meet the same
arrivals, the same service times and the same failures (common random numbers).

Draws are attached to (message, effect, attempt), not to the order of processing: an :class:`AttachedDraws`
hands out the same value for the same message whenever, wherever and how often it is asked.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sim.engine.seeds import Seeds

BLOCK_BITS = 13
BLOCK = 1 << BLOCK_BITS
"""Messages per block of draws for first attempts."""

KEPT_BLOCKS = 24
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
_NUMBER_BITS = 40
_NUMBER = (1 << _NUMBER_BITS) - 1
"""A block's place is its attempt, and in the lower bits its number: a whole number needs no collector."""

_MANY = 32
"""Values that are found faster in an array than one by one."""

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
            block = self._at_hand((place,))[place]
            self._let_go()
        return block.item(message & _WITHIN[shift])

    def values(self, messages: Sequence[int], attempts: Sequence[int]) -> list[float]:
        """The values of some messages, each at an attempt of its own."""
        if not messages:
            return []
        first = self._numbering.first
        numbers = [message + first for message in messages] if first else messages
        if attempts.count(attempts[0]) == len(attempts):
            return self._neighbours(numbers, attempts[0])
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

    def _neighbours(self, numbers: Sequence[int], attempt: int) -> list[float]:
        """The values of some messages at one attempt; mostly they are of one block, or of two."""
        shift, place = _SHIFTS[min(attempt, _DEEP)], attempt << _NUMBER_BITS
        within, lowest, highest = _WITHIN[shift], min(numbers) >> shift, max(numbers) >> shift
        if highest - lowest > 1:
            return self.at(np.array(numbers) - self._numbering.first, attempt).tolist()
        at_hand = self._at_hand((place | lowest, place | highest))
        low, high, bound = at_hand[place | lowest].data, at_hand[place | highest].data, highest << shift
        self._let_go()
        if lowest == highest:
            return [low[number & within] for number in numbers]
        return [(low if number < bound else high)[number & within] for number in numbers]

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
        shift, place = _SHIFTS[min(attempt, _DEEP)], attempt << _NUMBER_BITS
        numbers = messages + self._numbering.first
        lowest, highest = int(numbers.min()) >> shift, int(numbers.max()) >> shift
        if lowest == highest:
            block = self._at_hand((place | lowest,))[place | lowest]
            self._let_go()
            return block[numbers & _WITHIN[shift]]
        blocks: list[int] = list(range(lowest, highest + 1))
        if len(blocks) > max(len(numbers) // _MANY, _MANY):  # few of each block, or of some none
            blocks = np.unique(numbers >> shift).tolist()
            numbers = (np.searchsorted(blocks, numbers >> shift) << shift) + (numbers & _WITHIN[shift])
        else:  # as good as all of them are asked for
            numbers -= lowest << shift
        at_hand = self._at_hand([place | block for block in blocks])
        values: NDArray[Any] = np.concatenate([at_hand[place | block] for block in blocks])[numbers]
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
        """Blocks, those of some places among them."""
        blocks = self._blocks
        for place in places:
            if place not in blocks:
                attempt = place >> _NUMBER_BITS
                rng = self._seeds.generator(attempt, place & _NUMBER)
                drawn = blocks[place] = self._sample(rng, BLOCK >> attempt if attempt < _DEEP else _LEAST)
                self._kept += len(drawn) + _COST
        return blocks

    def _let_go(self) -> None:
        """Keep no more blocks than there is room for: one can always be made again."""
        while self._kept > _KEPT_VALUES:
            self._kept -= len(self._blocks.pop(next(iter(self._blocks)))) + _COST


def uniform(rng: np.random.Generator, count: int) -> NDArray[Any]:
    """A :data:`Sampler` of floats in [0, 1)."""
    return rng.random(count)


def _number(name: str | int) -> int:
    return name if isinstance(name, int) else zlib.crc32(name.encode())

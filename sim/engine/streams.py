"""Named streams of random numbers: the same number for the same purpose, whatever else the study holds.

A stream is keyed by (seed, replication, purpose, entity). Names enter through ``zlib.crc32``, a hash that is
the same in every process; the architecture is never part of a key, so that all of them meet the same
arrivals, the same service times and the same failures (common random numbers).

Draws are attached to (message, effect, attempt), not to the order of processing: an :class:`AttachedDraws`
hands out the same value for the same message whenever, wherever and how often it is asked.
"""

from __future__ import annotations

import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

BLOCK_BITS = 13
BLOCK = 1 << BLOCK_BITS
"""Messages per block of draws for first attempts."""

KEPT_BLOCKS = 64
"""Of one purpose; what is longer ago is drawn again when somebody asks."""

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
        key = [self.replication, _number(purpose), *(_number(part) for part in entity)]
        return np.random.Generator(np.random.PCG64(np.random.SeedSequence(self.seed, spawn_key=key)))

    def attached(self, sample: Sampler, purpose: str, *entity: str | int) -> AttachedDraws:
        """Draws by :data:`Sampler` ``sample``, attached to (message, attempt)."""
        return AttachedDraws(self, sample, purpose, entity)


class AttachedDraws:
    """One value per (message, attempt), made in blocks and always the same.

    A block is one generator's output for consecutive messages and one attempt. The deeper the attempt, the
    fewer messages reach it: the length of a block halves with every attempt, down to single messages.
    """

    __slots__ = (
        "_blocks",
        "_entity",
        "_first",
        "_first_block",
        "_numbering",
        "_purpose",
        "_sample",
        "_streams",
    )

    def __init__(self, streams: Streams, sample: Sampler, purpose: str, entity: Sequence[str | int]) -> None:
        self._streams = streams
        self._numbering = streams.numbering
        self._sample = sample
        self._purpose = purpose
        self._entity = tuple(entity)
        self._blocks: dict[tuple[int, int], list[float]] = {}
        self._first: list[float] = []
        self._first_block = -1

    def value(self, message: int, attempt: int = 0) -> float:
        """The value of a message at an attempt, both counted from 0."""
        message += self._numbering.first
        if not attempt:
            block = message >> 13
            if block != self._first_block:
                self._first = self._block(block, 0)
                self._first_block = block
            return self._first[message & 8191]
        shift = max(13 - attempt, 0)
        return self._block(message >> shift, attempt)[message & ((1 << shift) - 1)]

    def first(self, low: int, high: int) -> NDArray[Any]:
        """The values of the first attempts of the messages from low up to, not including, high."""
        low, high = low + self._numbering.first, high + self._numbering.first
        first, last = low >> 13, (high - 1) >> 13
        blocks = [self._drawn(block, 0) for block in range(first, last + 1)]
        return np.concatenate(blocks or [np.empty(0)])[low - first * BLOCK :][: high - low]

    def values(self, messages: NDArray[Any], attempt: int) -> NDArray[Any]:
        """The values of several messages at one attempt, of the same shape."""
        numbers = messages + self._numbering.first
        shift = max(13 - attempt, 0)
        blocks, within = numbers >> shift, numbers & ((1 << shift) - 1)
        found = np.empty(len(messages))
        for block in np.unique(blocks).tolist():
            here = blocks == block
            found[here] = self._drawn(block, attempt)[within[here]]
        return found

    def _block(self, block: int, attempt: int) -> list[float]:
        values = self._blocks.get((block, attempt))
        if values is None:
            if len(self._blocks) >= KEPT_BLOCKS:  # a block can always be made again
                del self._blocks[next(iter(self._blocks))]
            values = self._drawn(block, attempt).tolist()
            self._blocks[block, attempt] = values
        return values

    def _drawn(self, block: int, attempt: int) -> NDArray[Any]:
        rng = self._streams.generator(self._purpose, *self._entity, attempt, block)
        return self._sample(rng, BLOCK >> min(attempt, 13))


def uniform(rng: np.random.Generator, count: int) -> NDArray[Any]:
    """A :data:`Sampler` of floats in [0, 1)."""
    return rng.random(count)


def _number(name: str | int) -> int:
    return name if isinstance(name, int) else zlib.crc32(name.encode())

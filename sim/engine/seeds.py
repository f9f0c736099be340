"""Generators for many keys, each the one that NumPy's ``SeedSequence`` would seed for it.

A ``SeedSequence`` mixes the words of its key into a pool of four, one after the other, and draws the seed of
a generator from the pool. Keys that differ in their last two words share all that goes before, and many of
them can be mixed in together, in a small part of the time that one ``SeedSequence`` after the other takes.
NumPy guarantees that the algorithm stays what it is (O'Neill's ``seed_seq_fe``).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.random.bit_generator import ISeedSequence
from numpy.typing import NDArray

_POOL = 4
_WORD = 0xFFFF_FFFF
_INIT_A, _MULT_A = 0x43B0_D7E5, 0x931E_8875
_INIT_B, _MULT_B = 0x8B51_F9DD, 0x58F3_8DED
_MIX_L, _MIX_R = np.uint32(0xCA01_F9DD), np.uint32(0x4973_F715)
_SHIFT = np.uint32(16)
_SEEDING = 8
"""Words of a seed of PCG64: four of 64 bits."""
_BITS = 7
_AT_ONCE = 1 << _BITS
"""Keys that follow one another and are mixed in together."""
_KEPT = 16
"""So many lots of keys are kept."""


def _powers(start: int, factor: int, first: int, count: int) -> NDArray[Any]:
    """The terms of a geometric series of words, from the first asked for, shape (count, 1)."""
    terms = [start * pow(factor, first + number, _WORD + 1) & _WORD for number in range(count)]
    return np.array(terms, dtype=np.uint32)[:, None]


_OUT = _powers(_INIT_B, _MULT_B, 0, _SEEDING + 1)


class Seeds:
    """The seeds of all keys that begin alike.

    Args:
        seed: of the study.
        prefix: what the keys have in common, words from 0 up to 2**32.
    """

    def __init__(self, seed: int, prefix: Sequence[int]) -> None:
        assert all(0 <= word <= _WORD for word in prefix)
        self._pool = np.random.SeedSequence(seed, spawn_key=prefix).pool[:, None]
        words = max(-(-seed.bit_length() // 32), _POOL) + len(prefix)
        done = _POOL * _POOL + _POOL * (words - _POOL)  # each word of the pool met each word of the key
        self._hashes = [_powers(_INIT_A, _MULT_A, done + _POOL * last, _POOL + 1) for last in range(2)]
        self._known: dict[tuple[int, int], NDArray[Any]] = {}

    def generator(self, word: int, number: int) -> np.random.Generator:
        """The generator whose key ends in a word and a number, from 0 up to 2**32.

        Its neighbours' seeds are worked out with it: that costs next to nothing, and somebody will ask.
        """
        place = word, number >> _BITS
        seeds = self._known.get(place)
        if seeds is None:
            while len(self._known) >= _KEPT:
                del self._known[next(iter(self._known))]
            low = number >> _BITS << _BITS
            seeds = self._known[place] = self._seeds_of(word, np.arange(low, low + _AT_ONCE))
        seed: Any = _Seed(seeds[number & _AT_ONCE - 1])
        return np.random.Generator(np.random.PCG64(seed))

    def _seeds_of(self, word: int, numbers: NDArray[Any]) -> NDArray[Any]:
        """The seeds of generators, shape (numbers, 4)."""
        pool = self._pool
        for words, hashes in zip((np.full(1, word), numbers), self._hashes, strict=True):
            mixed = _MIX_L * pool - _MIX_R * _hashed(words.astype(np.uint32), hashes)
            pool = mixed ^ (mixed >> _SHIFT)
        seeds = _hashed(np.concatenate((pool, pool)), _OUT).T.astype("<u4", order="C").view("<u8")
        return seeds.astype(np.uint64)


def _hashed(words: NDArray[Any], hashes: NDArray[Any]) -> NDArray[Any]:
    """Each word hashed with two neighbours of the series, shape (hashes - 1, keys)."""
    found = (words ^ hashes[:-1]) * hashes[1:]
    return found ^ (found >> _SHIFT)


class _Seed(ISeedSequence):
    """A seed that is known."""

    __slots__ = ("_words",)

    def __init__(self, words: NDArray[Any]) -> None:
        self._words = words

    def generate_state(self, n_words: int, dtype: Any = np.uint32) -> NDArray[Any]:
        """What PCG64 asks for: four words of 64 bits."""
        assert n_words == len(self._words)
        assert dtype is np.uint64
        return self._words

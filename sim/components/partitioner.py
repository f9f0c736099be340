"""Which partition a key goes to: by remainder, by Kafka's murmur2 or by Kinesis' MD5.

Clients hash the bytes of a key's text. Keys here are whole numbers; their text is their decimal in UTF-8
(key 42 is ``"42"``). Hashes are computed once per distinct key. Left out: records without a key, librdkafka's
CRC32, hash ranges that are uneven after a reshard.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

Partitioner = Literal["modulo", "murmur2", "md5"]
"""How a key chooses its partition."""

_WORD = 0xFFFFFFFF
_M = 0x5BD1E995
_SEED = 0x9747B28C


def murmur2(data: bytes) -> int:
    """MurmurHash2 of bytes, a signed number of 32 bits.

    The variant of Kafka's Java client (``org.apache.kafka.common.utils.Utils.murmur2``).
    """
    length = len(data)
    whole = length & ~3
    state = (_SEED ^ length) & _WORD
    for start in range(0, whole, 4):
        word = (int.from_bytes(data[start : start + 4], "little") * _M) & _WORD
        word ^= word >> 24
        state = ((state * _M) ^ (word * _M)) & _WORD
    if length > whole:
        state = ((state ^ int.from_bytes(data[whole:], "little")) * _M) & _WORD
    state = ((state ^ (state >> 13)) * _M) & _WORD
    state ^= state >> 15
    return state - (1 << 32) if state >> 31 else state


def by_murmur2(text: str, partitions: int) -> int:
    """The partition of a key as Kafka's Java client chooses it: the hash without its sign, mod partitions."""
    return (murmur2(text.encode()) & 0x7FFFFFFF) % partitions


def by_md5(text: str, partitions: int) -> int:
    """The shard of a partition key as Kinesis chooses it: MD5, big-endian, in even ranges of 128 bits."""
    digest = hashlib.md5(text.encode(), usedforsecurity=False).digest()
    return (int.from_bytes(digest, "big") * partitions) >> 128


_HASHES: dict[str, Callable[[str, int], int]] = {"murmur2": by_murmur2, "md5": by_md5}


def partitions_of(keys: NDArray[Any], partitioner: Partitioner, partitions: int) -> NDArray[Any]:
    """The partition of every key.

    Args:
        keys: whole numbers of at least 0, shape (messages,).
        partitioner: ``modulo`` takes the remainder; the others hash the key's text.
        partitions: how many there are.

    Returns:
        Whole numbers in [0, partitions), shape (messages,), of the narrowest unsigned type.
    """
    kind = np.min_scalar_type(partitions - 1)
    if partitioner == "modulo":
        return np.remainder(keys, partitions, dtype=np.int64).astype(kind)
    choose = _HASHES[partitioner]
    distinct, where = np.unique(keys, return_inverse=True)
    chosen = [choose(str(key), partitions) for key in distinct.tolist()]
    return np.array(chosen, dtype=kind)[where]

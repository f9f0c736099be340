"""Partitions, keys and consumer groups: who gets which share of the load."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray


def key_shares(
    count: int, distribution: Literal["uniform", "zipf", "constant"], exponent: float = 1.0
) -> NDArray[Any]:
    """How often each key comes, key 0 first, shape (count,); zipf: (k + 1)^-s over the sum of all."""
    if distribution == "constant":
        return np.array([1.0])
    if distribution == "uniform":
        return np.full(count, 1 / count)
    weights = np.arange(1, count + 1, dtype=float) ** -exponent
    return weights / weights.sum()


def partition_shares(keys: NDArray[Any], partitions: int, where: NDArray[Any] | None = None) -> list[float]:
    """Share of the messages in each partition.

    Args:
        keys: share of the messages with each key, shape (keys,).
        partitions: how many there are.
        where: the partition of each key, shape (keys,); key mod partitions where it is left out.
    """
    where = np.arange(len(keys)) % partitions if where is None else where
    return np.bincount(where, weights=keys, minlength=partitions).tolist()


def ranges(partitions: int, members: int) -> list[range]:
    """The partitions of each member: contiguous, the first ones get one more (Kafka's range assignor)."""
    least, more = divmod(partitions, members)
    starts = [member * least + min(member, more) for member in range(members + 1)]
    return [range(start, end) for start, end in pairwise(starts)]


def member_shares(shares: Sequence[float], members: int) -> list[float]:
    """Share of the messages that each member of a group must handle."""
    return [math.fsum(shares[owned] for owned in part) for part in ranges(len(shares), members)]


def hot_partition_limit(rate_of_one: float, hot_share: float) -> float:
    """Greatest total rate that one consumer on the hottest partition keeps up with: mu / share."""
    return rate_of_one / hot_share


def uneven_limit(rate_of_one: float, partitions: int, consumers: int) -> float:
    """Greatest total rate over evenly used partitions: mu P / ceil(P / C)."""
    return rate_of_one * partitions / math.ceil(partitions / consumers)


def idle_consumers(partitions: int, consumers: int) -> int:
    """Members of a group that have no partition: max(0, C - P)."""
    return max(0, consumers - partitions)


def hot_share_if_hashed(top_key: float, partitions: int) -> float:
    """Expected share of the partition with the most popular key, the others hashed: p1 + (1 - p1) / P."""
    return top_key + (1 - top_key) / partitions

"""The partition of a key is the one that the vendors' clients choose."""

import time
import warnings
from types import SimpleNamespace

import numpy as np
import pytest
from stories import run

from sim.components.partitioner import by_md5, by_murmur2, murmur2, partitions_of

with warnings.catch_warnings():  # it reads its own files in a way that Python 3.11 deprecates
    warnings.simplefilter("ignore", DeprecationWarning)
    from kafka.partitioner.default import DefaultPartitioner
    from kafka.partitioner.default import murmur2 as kafka_murmur2


@pytest.mark.parametrize(
    ("text", "expected"), [("21", -973932308), ("foobar", -790332482), ("abc", 479470107)]
)
def test_murmur2_is_the_hash_of_kafkas_java_client(text, expected):
    """Vectors of its own unit tests, signed."""
    assert murmur2(text.encode()) == expected


@pytest.mark.parametrize(
    ("text", "expected"), [("k0", [2, 5, 5]), ("user-1", [2, 2, 8]), ("order-42", [0, 0, 0])]
)
def test_a_key_goes_to_the_partition_of_the_java_client(text, expected):
    """Of 3, 6 and 12 partitions."""
    assert [by_murmur2(text, partitions) for partitions in (3, 6, 12)] == expected


@pytest.mark.parametrize(("text", "shard"), [("k0", 0), ("k1", 2), ("user-1", 3), ("order-42", 1)])
def test_a_key_goes_to_the_shard_whose_range_holds_its_md5(text, shard):
    """Of four shards with even ranges."""
    assert by_md5(text, 4) == shard


@pytest.mark.parametrize("partitions", [1, 3, 4, 7, 100])
def test_md5_ranges_are_even_and_complete(partitions):
    """Of 10,000 keys each shard has its share, within five standard deviations, and the last one exists."""
    counts = np.bincount(partitions_of(np.arange(10_000), "md5", partitions), minlength=partitions)
    share = 1 / partitions
    assert len(counts) == partitions
    assert counts == pytest.approx(10_000 * share, abs=5 * (10_000 * share * (1 - share)) ** 0.5 + 1e-9)


def test_ten_thousand_keys_are_hashed_as_another_client_hashes_them():
    """kafka-python: the hash of texts of all lengths, and the choice of its default partitioner."""
    cluster = SimpleNamespace(
        topics=lambda: ["topic"],
        partitions_for_topic=lambda _: set(range(12)),
        available_partitions_for_topic=lambda _: set(range(12)),
    )
    theirs = DefaultPartitioner()
    for key in range(10_000):
        text = str(key) if key % 2 else "k" * (key % 17) + str(key)
        assert murmur2(text.encode()) == (kafka_murmur2(text.encode()) + 2**31) % 2**32 - 2**31
        chosen = theirs.partition("topic", text, text.encode(), None, None, cluster)
        assert by_murmur2(text, 12) == chosen


def test_ten_thousand_keys_take_little_time():
    """Less than 50 ms of one core, whatever the number of messages; the best of three."""
    keys = np.arange(200_000) % 10_000
    for partitioner in ("murmur2", "md5"):
        spent = []
        for _ in range(3):
            start = time.process_time()
            partitions_of(keys, partitioner, 12)
            spent.append(time.process_time() - start)
        assert min(spent) < 0.05


@pytest.mark.parametrize(("partitioner", "choose"), [("murmur2", by_murmur2), ("md5", by_md5)])
def test_a_stream_hashes_the_decimal_of_the_key(partitioner, choose):
    """Key 42 is the text "42"; records of one key share a partition and keep their order."""
    stream = {"partitions": 6, "partitioner": partitioner}
    told = run(
        "stream", [0.01 * k for k in range(60)], stream=stream, top={"workload": {"keys": 20}}, consumers=3
    )
    partition = told.holder("db_stream").partition
    assert list(partition) == [choose(str(key), 6) for key in told.key.tolist()]
    for key in np.unique(told.key):
        mine = [message for message in told.order() if told.key[message] == key]
        assert mine == sorted(mine)

"""Draws are the same however they are asked for, and come from the generators that NumPy would seed."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from sim.engine.seeds import Seeds
from sim.engine.streams import BLOCK, KEPT_BLOCKS, Streams, uniform

_WORDS = st.integers(0, 2**32 - 1)


@given(
    seed=st.integers(0, 2**160),
    prefix=st.lists(_WORDS, min_size=1, max_size=5),
    keys=st.lists(st.tuples(_WORDS, _WORDS), min_size=1, max_size=5),
)
def test_a_generator_is_the_one_that_numpy_seeds_for_its_key(
    seed: int, prefix: list[int], keys: list[tuple[int, int]]
) -> None:
    """Keys mixed in with their neighbours, and asked for again, give the states of one ``SeedSequence``."""
    seeds = Seeds(seed, prefix)
    for key in [*keys, *((word, number ^ 1) for word, number in keys), *keys]:
        rng = seeds.generator(*key)
        alone = np.random.PCG64(np.random.SeedSequence(seed, spawn_key=[*prefix, *key]))
        assert rng.bit_generator.state == alone.state


@pytest.mark.parametrize("first", [0, 12345])
def test_values_are_those_of_one_message_after_the_other(first: int) -> None:
    """Many at once, or one by one: a message has the same draw at an attempt."""
    rng = np.random.default_rng(1)
    messages, attempts = rng.integers(0, 40_000, 500).tolist(), rng.integers(0, 20, 500).tolist()
    streams = Streams(7, 3)
    streams.numbering.first = first
    together = streams.attached(uniform, "service", "db").values(messages, attempts)
    draws = streams.attached(uniform, "service", "db")
    assert together == [draws.value(*each) for each in zip(messages, attempts, strict=True)]


def test_a_block_is_the_output_of_its_own_generator() -> None:
    """Of attempt a, block b: half as many values with every attempt, down to 256."""
    streams = Streams(7, 3)
    draws = streams.attached(uniform, "service", "db")
    for attempt, length in ((0, BLOCK), (1, BLOCK // 2), (5, 256), (6, 256), (20, 256)):
        values = [draws.value(2 * length + number, attempt) for number in range(length)]
        assert values == streams.generator("service", "db", attempt, 2).random(length).tolist()


def test_what_was_forgotten_is_drawn_again_the_same() -> None:
    """More blocks than are kept: the first values are the same at the end."""
    draws = Streams(7, 3).attached(uniform, "service", "db")
    messages = range(0, (KEPT_BLOCKS + 3) * BLOCK, BLOCK)
    before = [draws.value(message, attempt) for message in messages for attempt in (0, 1)]
    assert before == [draws.value(message, attempt) for message in messages for attempt in (0, 1)]
    assert draws.value(0) == draws.first(0, 1)[0]


@pytest.mark.parametrize("first", [0, 12345])
@pytest.mark.parametrize("attempt", [0, 1, 7])
@pytest.mark.parametrize("spread", [1, 100, 2 * BLOCK, 20 * BLOCK])
def test_values_at_one_attempt_are_those_of_one_message_after_the_other(
    first: int, attempt: int, spread: int
) -> None:
    """Of neighbours in one block or two, and of messages far apart; none for no message."""
    messages = np.random.default_rng(spread).integers(0, spread, 40).tolist()
    streams = Streams(7, 3)
    streams.numbering.first = first
    together = streams.attached(uniform, "service", "db").values(messages, [attempt] * 40)
    draws = streams.attached(uniform, "service", "db")
    assert together == [draws.value(message, attempt) for message in messages]
    assert draws.values([], []) == []

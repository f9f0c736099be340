"""Real input: an hour of requests to a conversation service, through every architecture.

The file is data of the Azure Public Dataset (Azure LLM inference trace 2023, CC BY 4.0) and no part of this
project: it is found through ``$SIM_SHARED`` or in ``../shared``.
"""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest

import sim
from sim.experiment.replication import run_replication
from sim.vocabulary import ARCHITECTURE_KINDS, MessageOutcome

REQUESTS = 19_366
SHARED = Path(os.environ.get("SIM_SHARED", Path(__file__).parents[2] / "shared"))
FILE = SHARED / "data" / "llm_requests.csv"

pytestmark = pytest.mark.skipif(not FILE.is_file(), reason="llm_requests.csv is not beside the project")

TEXT = """
name: llm requests
description: An hour of conversation requests; a worker takes 20 ms per generated token, then bills.
replications: 1
workload:
  arrivals: {{trace: {{file: {file}, time: TIMESTAMP}}}}
  size: {{trace_column: ContextTokens, times: 4B}}
effects:
  answer: {{service: {{trace_column: GeneratedTokens, times: 20ms}}}}
  bill: {{service: 30ms, failure: 0.5%}}
defaults: {{consumers: 40, queue: {{visibility_timeout: 2m}}}}
architectures:
  synchronous:
  single_broker:
  dual_brokers: {{per_effect: {{bill: {{consumers: 2}}}}}}
  stream: {{stream: 40, per_effect: {{bill: {{consumers: 2}}}}}}
  pubsub: {{per_effect: {{bill: {{consumers: 2}}}}}}
  sns_sqs: {{per_effect: {{bill: {{consumers: 2}}}}}}
faults:
  deploy: {{kind: down, target: consumers, at: 20m, duration: 30s}}
"""


@pytest.fixture(scope="module")
def scenario() -> sim.Scenario:
    """The trace as a scenario."""
    return sim.loads(TEXT.format(file=FILE))


@pytest.mark.parametrize("kind", ARCHITECTURE_KINDS)
def test_every_request_is_accounted_for(scenario: sim.Scenario, kind: str) -> None:
    """All 19,366 requests arrive when the trace says, and each of them has one of the outcomes."""
    record = run_replication(scenario, kind, 0)
    assert len(record.published) == REQUESTS
    assert not record.is_censored
    counts = np.bincount(record.message_outcome, minlength=len(MessageOutcome))
    assert counts.sum() == REQUESTS
    assert counts[MessageOutcome.PENDING] == 0
    assert counts[MessageOutcome.COMPLETE] > 0.95 * REQUESTS
    assert np.all(record.published < record.horizon), "every request is counted in the window"


def test_service_time_follows_the_tokens(scenario: sim.Scenario) -> None:
    """With a worker free at once, a request takes 20 ms for each of its generated tokens."""
    record = run_replication(scenario, "pubsub", 0)
    tokens = np.loadtxt(FILE, delimiter=",", skiprows=1, usecols=2)
    answer = record.pairs[0]
    latency = answer.first_applied - record.published
    early = record.published < 30  # before all forty workers are busy
    assert latency[early] == pytest.approx(0.02 * tokens[early], abs=1e-6)

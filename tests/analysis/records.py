"""Records and studies built by hand."""

from __future__ import annotations

import numpy as np
import pandas as pd

from sim.analysis.inference import compare, summarize
from sim.analysis.lag import lag_series
from sim.analysis.measure import measure
from sim.engine.record import Commits, Copies, FaultWindow, Pairs, PoolUse, Record
from sim.experiment.archive import StudyData, messages_frame, stack
from sim.vocabulary import Outcome, Reply

NAN = float("nan")


def copies(  # noqa: PLR0913 - one argument per column
    accepted,
    taken,
    ended,
    *,
    name="queue",
    effects=("db",),
    message=None,
    fate=None,
    returned=(),
    retaken=(),
    removed=(),
    delay=0.0,
    partition=None,
    commits=None,
):
    """Build the log of one holder; NaN stands for never. Messages are 0, 1, 2 … where they are not given."""
    accepted, taken, ended = (np.array(column, dtype=float) for column in (accepted, taken, ended))
    if fate is None:
        fate = np.where(np.isfinite(ended), int(Outcome.APPLIED), 255)
    return Copies(
        name=name,
        effects=effects,
        accepted=accepted,
        taken=taken,
        pushed=None,
        ended=ended,
        fate=np.array(fate, dtype=np.uint8),
        deliveries=np.isfinite(taken).astype(np.uint32),
        returned=np.sort(np.array(returned, dtype=float)),
        retaken=np.sort(np.array(retaken, dtype=float)),
        removed=np.sort(np.array(removed, dtype=float)),
        delay=delay,
        extra=np.array([] if message is None else message, dtype=int),
        partition=None if partition is None else np.array(partition),
        checkpoints=None if commits is None else Commits.of([tuple(row) for row in commits]),
    )


def pairs_of(effect, applied, fates, late):
    """Build one effect's side of the ledger; what neither happened nor has a fate was dropped."""
    count = len(applied)
    outcome = [
        Outcome.APPLIED if times else fates.get(number, Outcome.DROPPED)
        for number, times in enumerate(applied)
    ]
    first = np.array([times[0] if times else NAN for times in applied], dtype=float)
    is_late = np.array([bool(late.get(number)) for number in range(count)], dtype=bool)
    return Pairs(
        effect=effect,
        first_delivered=first - 0.05,
        first_applied=first,
        deliveries=np.array([len(times) for times in applied], dtype=np.uint32),
        applications=np.array([len(times) for times in applied], dtype=np.uint32),
        late_bits=np.packbits(is_late, bitorder="little"),
        outcome=np.array(outcome, dtype=np.uint8),
    )


def record(  # noqa: PLR0913 - one argument per column
    published,
    *,
    effects=("db",),
    applied=None,
    fates=None,
    late=None,
    replies=None,
    key=None,
    holders=(),
    pools=(),
    faults=(),
    warmup=0.0,
    horizon=100.0,
    end=None,
    is_censored=False,
    poll_status=None,
    architecture="design",
    replication=0,
):
    """Build a record.

    ``applied`` maps an effect to the times at which it happened, one list per message; ``fates`` maps an
    effect to {message: outcome} for pairs that never came to be; ``replies`` is (reply, time) per message.
    """
    published = np.array(published, dtype=float)
    replies = [*(replies or []), *[(Reply.NONE, NAN)] * len(published)][: len(published)]
    none = [[]] * len(published)
    pairs = [
        pairs_of(
            effect,
            (applied or {}).get(effect, none),
            (fates or {}).get(effect, {}),
            (late or {}).get(effect, {}),
        )
        for effect in effects
    ]
    return Record(
        architecture=architecture,
        replication=replication,
        published=published,
        key=np.zeros(len(published), dtype=np.int64) if key is None else np.array(key),
        reply=np.array([reply for reply, _ in replies], dtype=np.uint8),
        reply_time=np.array([time for _, time in replies]),
        pairs=tuple(pairs),
        copies=tuple(holders),
        pools=tuple(pools),
        faults=tuple(faults),
        warmup=warmup,
        horizon=horizon,
        end=horizon if end is None else end,
        is_censored=is_censored,
        poll_status=poll_status,
    )


def study_record(architecture, replication, count=60):
    """One run of a small storm: ``queues`` loses the index effect of messages 20 to 24, ``stream`` waits."""
    rng = np.random.default_rng(replication)
    published = np.sort(rng.uniform(0, 60, count))
    done = {"db": published + 0.1, "index": published + rng.uniform(0.1, 0.3, count)}
    replies = [(Reply.OK, time + 0.01) for time in published]
    applied = {effect: [[time] for time in times] for effect, times in done.items()}
    common = {"replies": replies, "horizon": 60.0, "architecture": architecture, "replication": replication}
    if architecture == "calls":
        for message in range(20, 30):
            applied["index"][message] = []
        fates = {"index": dict.fromkeys(range(20, 30), Outcome.DROPPED)}
        return record(published, effects=("db", "index"), applied=applied, fates=fates, **common)
    if architecture == "stream":
        down = (published >= 20) & (published < 30)
        done["index"] = np.where(down, 30 + (published - 20) / 2, done["index"])
        applied["index"] = [[time] for time in done["index"]]
    holders = []
    for effect, ended in done.items():
        ends = list(ended)
        fate = np.zeros(count, dtype=int)
        if architecture == "queues" and effect == "index":
            fate[20:25] = int(Outcome.DEAD_LETTERED)
            for message in range(20, 25):
                applied[effect][message] = []
        stream = {"partition": np.zeros(count, dtype=int), "commits": [(float(max(ended)), 0, count)]}
        holders.append(
            copies(
                published, ended - 0.05, ends, name=f"{effect}_copies", effects=(effect,), fate=fate,
                **(stream if architecture == "stream" else {}),
            )
        )  # fmt: skip
    fates = {"index": dict.fromkeys(range(20, 25), Outcome.DEAD_LETTERED)} if architecture == "queues" else {}
    fault = FaultWindow(
        "outage", "down", "index.consumers", np.array([20.0]), np.array([30.0]),
        is_scheduled=True, components=("index_copies",),
    )  # fmt: skip
    return record(
        published,
        effects=("db", "index"),
        applied=applied,
        fates=fates,
        holders=holders,
        pools=[PoolUse(f"{effect}_consumers", (effect,), 2, 12.0) for effect in done],
        faults=[fault],
        end=max(60.0, *(float(max(ended)) for ended in done.values())),
        **common,
    )


def study(replications=3, architectures=("queues", "stream", "calls")):
    """A small study with a baseline, a scheduled fault, and an architecture that holds no copies."""
    records = [study_record(name, number) for name in architectures for number in range(replications)]
    samples = pd.DataFrame(
        [
            (each.architecture, each.replication, metric, scope, value)
            for each in records
            for (metric, scope), value in measure(each).items()
        ],
        columns=["architecture", "replication", "metric", "scope", "value"],
    )
    kinds = {"queues": "sns_sqs", "stream": "stream", "calls": "synchronous"}
    manifest = {
        "schema_version": 1,
        "name": "storm",
        "description": "A small storm with <angles> & more.",
        "seed": 1,
        "replications": replications,
        "horizon": 60.0,
        "warmup": 0.0,
        "baseline": architectures[0],
        "effects": ["db", "index"],
        "architectures": [
            {"name": name, "kind": kinds[name], "workers": 0 if name == "calls" else 4}
            for name in architectures
        ],
        "faults": [
            {
                "name": "outage",
                "kind": "down",
                "target": "index.consumers",
                "scheduled": True,
                "windows": [[20.0, 30.0]],
                "applies": {name: ["index_copies"] for name in architectures if name != "calls"},
            }
        ],
        "censored": [],
        "wall_time_s": 0.5,
    }
    return StudyData(
        name="storm",
        description=manifest["description"],
        summary=summarize(samples, ("db", "index")),
        comparison=compare(samples, architectures[0], ("db", "index")),
        messages=stack(messages_frame(each) for each in records if each.replication == 0),
        lag=stack(lag_series(each, 0.5) for each in records),
        samples=samples,
        manifest=manifest,
    )

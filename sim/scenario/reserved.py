"""What the language reserves and this version does not do yet: refused with a clear word, in one place.

A value that asks for nothing (``profile: generic``, ``prefetch: 1``, ``cost: {}``) is taken.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from sim.scenario.designs import CUSTOM, option_names
from sim.scenario.tree import NONE, Branch, Row
from sim.vocabulary import Problem

_NOTHING: tuple[Any, ...] = (None, NONE)
Harmless = dict[str, tuple[Any, ...]]
"""Reserved keys, with the values that ask for nothing."""

TOP: Harmless = {
    "controls": _NOTHING,
    "cost": _NOTHING,
    "alerts": _NOTHING,
    "search": _NOTHING,
}
WORKLOAD: Harmless = {"priority": _NOTHING}
CLIENT: Harmless = {"timeout": _NOTHING, "retries": (0, *_NOTHING)}
_PROFILE: Harmless = {"profile": ("generic", *_NOTHING)}
BLOCKS: dict[str, Harmless] = {
    "queue": _PROFILE,
    "stream": _PROFILE,
    "topic": _PROFILE,
    "producer": _PROFILE,
    "consumers": {**_PROFILE, "prefetch": (1, *_NOTHING)},
}
DESIGN: Harmless = {"components": _NOTHING, "links": _NOTHING}
_VENDORS = {
    "VisibilityTimeout": "visibility_timeout",
    "maxReceiveCount": "max_receives",
    "MessageRetentionPeriod": "retention",
    "DelaySeconds": "delay",
    "x-delivery-limit": "max_receives",
    "max.poll.records": "batch",
    "auto.commit.interval.ms": "commit_interval",
    "num.partitions": "partitions",
    "retention.ms": "retention",
    "linger.ms": "linger",
}
_VENDOR_LIKE = re.compile(r".*[A-Z.\-].*")


def refuse(tree: Branch) -> list[Problem]:
    """Problems with everything that is reserved; what asks for nothing is taken out of the tree."""
    return list(_refusals(tree))


def _refusals(tree: Branch) -> Iterator[Problem]:
    yield from _keys(tree, TOP)
    yield from _keys(tree.under("workload"), WORKLOAD)
    yield from _keys(tree.under("workload").under("client"), CLIENT)
    for _, body in tree.under("architectures").branches():
        if body.get("kind") == CUSTOM:
            yield body.value_marks["kind"].problem(_later("kind: custom"))
            continue
        yield from _design(body)
    yield from _design(tree.under("defaults"))


def _design(body: Branch) -> Iterator[Problem]:
    ours_all = option_names()
    yield from _keys(body, DESIGN)
    for blocks in (body, *(branch for _, branch in body.under("per_effect").branches())):
        for block, reserved in BLOCKS.items():
            settings = blocks.under(block)
            yield from _keys(settings, reserved)
            for key in list(settings):
                if _VENDOR_LIKE.fullmatch(key) and key.lower().replace("-", "_") not in ours_all:
                    ours = _VENDORS.get(key)
                    hint = f": write {ours}" if ours else ""
                    yield settings.key_marks[key].problem(
                        f"{key!r} is a vendor's spelling; vendors' profiles are part of the language but not "
                        f"built yet{hint}"
                    )
                    settings.drop(key)


def _keys(branch: Branch, reserved: Harmless) -> Iterator[Problem]:
    for key, harmless in reserved.items():
        if key not in branch:
            continue
        value = branch[key]
        is_empty = isinstance(value, Branch | Row) and not value
        if not is_empty and not any(value == each and type(value) is type(each) for each in harmless):
            shown = f"{key}: {value}" if isinstance(value, str) else key
            yield branch.key_marks[key].problem(_later(shown))
        branch.drop(key)


def _later(what: str) -> str:
    return f"{what!r} is part of the language but not built yet: leave it out"

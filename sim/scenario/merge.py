"""How mappings of the language come together: shorthands, inheritance, overrides.

Mappings merge deeply, lists and scalars replace, ``none`` clears. A random quantity or a set of arrivals that
names its form (``mean``, ``stages``, …) replaces another form instead of mixing with it.
"""

from __future__ import annotations

from typing import Any

from sim.scenario.tree import NONE, Branch, Row

MAIN_KEYS = {"consumers": "count", "stream": "partitions"}
"""The key that a scalar in place of a block of an architecture sets."""
WORKLOAD_MAIN_KEYS = {"arrivals": "rate", "keys": "count"}
"""The same of the workload."""
TOP_MAIN_KEYS = {"precision": "within"}
"""The same of the scenario itself."""
_FORMS = {
    "service": ("mean", "p50", "p99", "mixture", "histogram", "file", "trace_column"),
    "duration": ("mean", "p50", "p99", "mixture", "histogram", "file"),
    "size": ("mean", "p50", "p99", "mixture", "histogram", "file", "trace_column"),
    "arrivals": ("rate", "stages", "rates", "trace"),
}


def expand_shorthands(tree: Branch) -> None:
    """Put every scalar that stands in place of a block under the block's main key."""
    for block, key in TOP_MAIN_KEYS.items():
        _expand(tree, block, key)
    workload = tree.under("workload")
    for block, key in WORKLOAD_MAIN_KEYS.items():
        _expand(workload, block, key)
    effects = tree.under("effects")
    for name in effects:
        _expand(effects, name, "service")
    for design in (tree.under("defaults"), *(body for _, body in tree.under("architectures").branches())):
        for blocks in (design, *(branch for _, branch in design.under("per_effect").branches())):
            for block, key in MAIN_KEYS.items():
                _expand(blocks, block, key)


def merge(base: Branch, own: Branch) -> Branch:
    """What holds when ``own`` inherits from ``base``; neither is changed."""
    merged = base.copy()
    for key, value in own.items():
        before = merged.get(key)
        if isinstance(before, Branch) and isinstance(value, Branch):
            if _has_another_form(key, before, value):
                kept = before.copy()
                for form in (*_FORMS[key], "cv", "distribution", "bursts", "column", "unit", "times"):
                    kept.drop(form)
                before = kept
            merged.put(key, merge(before, value), own.key_marks[key], own.value_marks[key])
        elif value is None and isinstance(before, Branch):
            continue  # an empty body adds nothing
        else:
            merged.take(key, own)
    return merged


def cleared(tree: Branch) -> Branch:
    """The tree without what is absent: every key that is ``none`` or empty."""
    kept = Branch()
    for key, value in tree.items():
        if value is None or value == NONE:
            continue
        kept.put(key, _cleared(value), tree.key_marks[key], tree.value_marks[key])
    return kept


def _expand(blocks: Branch, name: str, main_key: str) -> None:
    value = blocks.get(name)
    if value is None or value == NONE or isinstance(value, Branch | Row):
        return
    block = Branch()
    block.put(main_key, value, blocks.value_marks[name], blocks.value_marks[name])
    blocks.put(name, block, blocks.key_marks[name], blocks.value_marks[name])


def _has_another_form(key: str, before: Branch, own: Branch) -> bool:
    forms = _FORMS.get(key, ())
    named = [form for form in forms if form in own]
    return bool(named) and not any(form in before for form in named)


def _cleared(value: Any) -> Any:
    if isinstance(value, Branch):
        return cleared(value)
    if isinstance(value, Row):
        row = Row()
        row.marks = list(value.marks)
        row.extend(_cleared(item) for item in value)
        return row
    return value

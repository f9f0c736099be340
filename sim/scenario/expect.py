"""The little language of ``expect:``: parsed by hand into a comparison, never evaluated as code.

``[all | architecture][.effect or component].metric op value [* factor]``, where the value is a number with
its unit, a share of the messages offered (``0.1%``) or another metric. ``~`` takes a tolerance behind ``±``
or ``+-``, 5 % unless told otherwise. What the names refer to is checked against the parts that each
architecture really builds.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence

from sim.engine.quantities import parse_count, parse_duration, parse_rate, parse_share, shown
from sim.scenario.parts import Parts
from sim.scenario.problems import among, meant
from sim.scenario.tree import Mark, Row
from sim.vocabulary import METRICS, STATUS_METRICS, Expectation, Problem, Scope, Subject

EVERY = "all"
"""In place of an architecture: each of them."""
OPERATORS = ("==", "!=", "<=", ">=", "<", ">", "~")
_EXAMPLE = "write for example all.partial == 0, kafka.index.latency_p99 < 2s or pubsub.partial ~ 600"
_OPERATOR = re.compile(r"==|!=|<=|>=|=<|=>|=|<|>|~|≤|≥|≠")
_MEANT = {"=": "==", "=<": "<=", "=>": ">=", "≤": "<=", "≥": ">=", "≠": "!="}
_SUBJECT = re.compile(r"[a-z_][a-z0-9_]*(\.[a-z_][a-z0-9_]*)*")
_TOLERANCE = re.compile(r"±|\+/?-")


class _Wrong(Exception):  # noqa: N818 - it never leaves this module
    """Something wrong with an expectation, and how far into its text."""

    def __init__(self, offset: int, message: str) -> None:
        super().__init__(message)
        self.offset = offset
        self.message = message


def read_expectations(
    row: Row, architectures: Sequence[str], problems: list[Problem]
) -> tuple[list[Expectation], list[Mark]]:
    """Parse the items of ``expect:``.

    Args:
        row: as it stands in the file.
        architectures: their names, which tell ``kafka.partial`` from ``index.applied``.
        problems: what is wrong is added to it, at its place.

    Returns:
        The expectations that could be parsed, and where each of them stands.
    """
    found: list[Expectation] = []
    places: list[Mark] = []
    for item, mark in zip(row, row.marks, strict=True):
        if not isinstance(item, str):
            problems.append(mark.problem(f"an expectation is text, not {shown(item)}: {_EXAMPLE}"))
            continue
        try:
            found.append(_parse(item, architectures))
            places.append(mark)
        except _Wrong as wrong:
            problems.append(_at(mark, wrong.offset).problem(wrong.message))
    return found, places


def check_expectations(
    expectations: Sequence[Expectation],
    places: Sequence[Mark],
    parts: Mapping[str, Parts],
    last_fault: str | None,
    *,
    asks_status: bool,
) -> tuple[list[Expectation], list[Problem]]:
    """Judge the names of expectations by what the architectures are made of.

    Args:
        expectations: parsed.
        places: where each of them stands.
        parts: of every architecture, by its name.
        last_fault: the scheduled fault that starts last, which ``drain_time`` without a name is about.
        asks_status: whether callers ask for the status of their jobs.

    Returns:
        The expectations with that fault's name filled in, and what is wrong.
    """
    problems: list[Problem] = []
    complete: list[Expectation] = []
    for expectation, mark in zip(expectations, places, strict=True):
        subjects: list[Subject] = []
        for subject in (expectation.left, expectation.right):
            if subject is None:
                continue
            offset = _offset(expectation, subject)
            if subject.metric == "drain_time" and not subject.scope and last_fault is not None:
                subject = Subject(subject.architecture, last_fault, subject.metric)  # noqa: PLW2901
            told = _told(subject, parts)
            if subject.metric in STATUS_METRICS and not asks_status:
                told = (
                    f"no caller asks for a status, so there is no {subject.metric}: "
                    "write workload: {client: {poll_status: 2s}}"
                )
            if told:
                problems.append(_at(mark, offset).problem(told))
            subjects.append(subject)
        right = subjects[1] if len(subjects) > 1 else None
        complete.append(
            Expectation(
                expectation.text,
                subjects[0],
                expectation.op,
                expectation.bound,
                expectation.is_share,
                right,
                expectation.factor,
                expectation.tolerance,
                expectation.tolerance_is_share,
            )
        )
    return complete, problems


def _parse(text: str, architectures: Sequence[str]) -> Expectation:
    match = _OPERATOR.search(text)
    if match is None:
        raise _Wrong(0, f"no comparison in {text!r}: {_EXAMPLE}")
    op = match[0]
    if op in _MEANT:
        raise _Wrong(match.start(), f"{op!r} is no comparison: write {_MEANT[op]}")
    left = _subject(text[: match.start()], 0, architectures)
    rest, start = text[match.end() :], match.end()
    tolerance, is_share = 0.05, True
    if (around := _TOLERANCE.search(rest)) is not None:
        if op != "~":
            raise _Wrong(start + around.start(), f"a tolerance goes with ~, not with {op}")
        tolerance, is_share = _tolerance(rest[around.end() :], start + around.end(), left.metric)
        rest = rest[: around.start()]
    value, _, factor_text = rest.partition("*")
    factor = _factor(factor_text, start + len(value) + 1) if "*" in rest else 1.0
    offset = start + len(value) - len(value.lstrip())
    value = value.strip()
    if not value:
        raise _Wrong(start, f"nothing to compare with: {_EXAMPLE}")
    if _SUBJECT.fullmatch(value):
        right = _subject(value, offset, architectures)
        if METRICS[right.metric].unit != METRICS[left.metric].unit:
            raise _Wrong(
                offset,
                f"{left.metric} is in {_unit(left.metric)} and {right.metric} in {_unit(right.metric)}: "
                "they cannot be compared",
            )
        if right.architecture == EVERY:
            bare = str(right).removeprefix(f"{EVERY}.")
            raise _Wrong(offset, f"{bare!r} needs the name of one architecture: {architectures[0]}.{bare}")
        return Expectation(text, left, op, None, False, right, factor, tolerance, is_share)  # noqa: FBT003
    bound, bound_is_share = _bound(value, offset, left.metric)
    if max(bound * factor, tolerance) == math.inf:
        raise _Wrong(offset, "no number can be that large")
    return Expectation(text, left, op, bound * factor, bound_is_share, None, 1.0, tolerance, is_share)


def _subject(text: str, start: int, architectures: Sequence[str]) -> Subject:
    offset = start + len(text) - len(text.lstrip())
    word = text.strip()
    if not _SUBJECT.fullmatch(word):
        told = f"{word!r} is no metric of anything" if word else "nothing stands before the comparison"
        raise _Wrong(offset, f"{told}: {_EXAMPLE}")
    *names, metric = word.split(".")
    if metric not in METRICS:
        at = offset + len(word) - len(metric)
        hint = meant(metric, list(METRICS)) or f"; metrics: {', '.join(METRICS)}"
        raise _Wrong(at, f"no metric is called {metric!r}{hint}")
    architecture = EVERY
    if names and (names[0] == EVERY or names[0] in architectures):
        architecture = names.pop(0)
    if len(names) > 1:
        raise _Wrong(
            offset,
            f"{word!r} has too many parts or no architecture is called {names[0]!r}"
            f"{among(names[0], 'architectures', architectures)}",
        )
    return Subject(architecture, names[0] if names else "", metric)


def _bound(value: str, offset: int, metric: str) -> tuple[float, bool]:
    """The number to compare with, and whether it is a share of the messages offered."""
    known = METRICS[metric]
    if value.endswith("%") and known.unit == "messages" and not known.is_count:
        raise _Wrong(offset, f"{metric} is no count of messages of which a share could be told")
    try:
        if known.unit == "s":
            return (0.0 if value == "0" else parse_duration(value)), False
        if known.unit == "1/s":
            return (0.0 if value == "0" else parse_rate(value)), False
        if known.unit == "1":
            return parse_share(value if value.endswith("%") else _number(value)), False
        if value.endswith("%"):
            return parse_share(value), True
        number = _number(value)
        return (number if number is not None else float(parse_count(value))), False
    except ValueError as error:
        raise _Wrong(offset, str(error)) from None


def _tolerance(text: str, start: int, metric: str) -> tuple[float, bool]:
    offset = start + len(text) - len(text.lstrip())
    value = text.strip()
    if not value:
        raise _Wrong(start, "a tolerance needs a value, for example ± 5%")
    if value.endswith("%"):
        try:
            return parse_share(value), True
        except ValueError as error:
            raise _Wrong(offset, str(error)) from None
    return _bound(value, offset, metric)[0], False


def _factor(text: str, start: int) -> float:
    offset = start + len(text) - len(text.lstrip())
    number = _number(text.strip())
    if number is None or number == math.inf:
        raise _Wrong(offset, f"a factor is a plain number, not {text.strip()!r}: write for example * 0.5")
    return number


def _number(text: str) -> float | None:
    return float(text) if re.fullmatch(r"[0-9]+(\.[0-9]*)?(e[+-]?[0-9]+)?|\.[0-9]+", text) else None


def _unit(metric: str) -> str:
    unit = METRICS[metric].unit
    return {"1": "shares", "s": "seconds"}.get(unit, unit)


def _told(subject: Subject, parts: Mapping[str, Parts]) -> str | None:
    """What is wrong with the scope of a subject; None where some architecture has it."""
    asked = list(parts) if subject.architecture == EVERY else [subject.architecture]
    scopes = METRICS[subject.metric].scopes
    if any(subject.scope in _scopes(parts[name], scopes) for name in asked):
        return None
    known = list(dict.fromkeys(scope for name in asked for scope in _scopes(parts[name], scopes) if scope))
    where = "" if subject.architecture == EVERY else f" of {subject.architecture}"
    if not known and Scope.WHOLE not in scopes:
        return f"nothing{where} has a {subject.metric}: it is told of {scopes[0]}"
    listed = f"; it has {', '.join(known)}" if known else ""
    if subject.scope:
        hint = meant(subject.scope, [*known, *(parts if subject.architecture == EVERY else ())])
        return f"{subject.metric}{where} has no {subject.scope!r}{hint or listed}"
    owner = "" if subject.architecture == EVERY else f"{subject.architecture}."
    return (
        f"{subject.metric}{where} needs the name of a part: write {owner}{known[0]}.{subject.metric}{listed}"
    )


def _offset(expectation: Expectation, subject: Subject) -> int:
    """How far into the text the part that a subject names stands, or else its metric."""
    text = expectation.text
    operator = _OPERATOR.search(text)
    assert operator is not None
    end = len(text[: operator.start()].rstrip())
    if subject is not expectation.left:
        rest = _TOLERANCE.split(text[operator.end() :])[0].partition("*")[0]
        end = operator.end() + len(rest.rstrip())
    return end - len(subject.metric) - (len(subject.scope) + 1 if subject.scope else 0)


def _scopes(parts: Parts, kinds: Sequence[Scope]) -> Iterator[str]:
    for kind in kinds:
        yield from parts.names(kind)


def _at(mark: Mark, offset: int) -> Mark:
    """A place within the text of a value; the value itself is where it begins, quotes included."""
    return (
        mark
        if not offset or mark.inset is None
        else Mark(mark.file, mark.line, mark.column + mark.inset + offset)
    )

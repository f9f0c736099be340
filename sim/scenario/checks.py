"""What concerns several parts of a scenario at once: names, references, and combinations that cannot work."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import numpy as np
from pydantic import BaseModel

from sim.components.faults import FAULT_TYPES, PartOf
from sim.engine.distributions import RandomQuantity, TraceColumn
from sim.engine.quantities import UNLIMITED, shown
from sim.scenario.copies import Copies
from sim.scenario.designs import option_names
from sim.scenario.model import NAME, Scenario
from sim.scenario.problems import among, meant, place
from sim.scenario.reserved import BLOCKS, CLIENT, DESIGN, WORKLOAD
from sim.scenario.tree import Branch, Mark, Row
from sim.vocabulary import METRICS, Problem, Role

_ROLES_OF: dict[Any, tuple[Role, ...]] = {
    fault.model_fields["kind"].default: fault.roles for fault in FAULT_TYPES
}
_MOST_WINDOWS = 1_000_000
_SECTIONS = ("workload", "effects", "architectures", "faults")
_INSIDE = (*get_args(RandomQuantity), PartOf)
"""Models whose fields no file names."""


def cross_check(
    written: Branch, tree: Branch, copies: Copies, scenario: Scenario | None, default: Mark
) -> list[Problem]:
    """Problems of the tree as it was written, and of the scenario where it could be built."""
    problems = [*_names(written), *_references(written, copies)]
    problems += [
        written.key_marks[section].problem(f"{section} needs at least one")
        for section in ("effects", "architectures")
        if section in written and not written[section]
    ]
    if scenario is not None:
        problems += _combinations(tree, scenario, default)
    return problems


def _names(tree: Branch) -> Iterator[Problem]:
    taken = dict.fromkeys((*_options(), *option_names()), "an option")
    taken |= dict.fromkeys(METRICS, "a metric") | {role.value: "a role" for role in Role}
    for section in ("effects", "architectures", "faults"):
        branch = tree.under(section)
        for name in branch:
            mark = branch.key_marks[name]
            if not NAME.fullmatch(name):
                yield mark.problem(
                    f"{name!r} is no name: small letters, digits and _, beginning with a letter"
                )
            elif name == "all":
                yield mark.problem("nothing can be called 'all': expectations use it for every architecture")
            elif section == "effects" and name in taken:
                yield mark.problem(f"no effect can be called {name!r}: that is the name of {taken[name]}")


def _options() -> Iterator[str]:
    """The keys of everything that stands in a scenario, and what is reserved."""
    for reserved in (WORKLOAD, CLIENT, DESIGN, *BLOCKS.values()):
        yield from reserved
    found: list[Any] = [Scenario.model_fields[section].annotation for section in _SECTIONS]
    seen: list[Any] = list(_INSIDE)
    while found:
        here = found.pop()
        if here in seen:
            continue
        seen.append(here)
        if isinstance(here, type) and issubclass(here, BaseModel):
            yield from here.model_fields
            found += [field.annotation for field in here.model_fields.values()]
        else:
            found += get_args(here)


def _references(tree: Branch, copies: Copies) -> Iterator[Problem]:
    effects, architectures = list(tree.under("effects")), list(tree.under("architectures"))
    for _, fault in tree.under("faults").branches():
        target = fault.get("target")
        if isinstance(target, str) and (told := _target(target, fault.get("kind"), effects, copies)):
            yield fault.value_marks["target"].problem(told)
        only = fault.get("only")
        if isinstance(only, Row):
            for index, name in enumerate(only):
                if name not in architectures:
                    yield only.marks[index].problem(
                        f"no architecture is called {shown(name)}{among(str(name), 'known', architectures)}"
                    )
            if not only:
                yield fault.value_marks["only"].problem("only needs the name of at least one architecture")
    baseline = tree.get("baseline")
    if baseline is not None and architectures and baseline not in architectures:
        yield tree.value_marks["baseline"].problem(
            f"no architecture is called {shown(baseline)}{among(str(baseline), 'known', architectures)}"
        )
    for position, (_, effect) in enumerate(tree.under("effects").branches()):
        after = effect.get("after")
        above = effects[:position]
        if isinstance(after, str) and after in above and after in copies:
            names = copies[after]
            yield effect.value_marks["after"].problem(
                f"{after!r} is done by {len(names)} receivers, and nothing can wait for all of them: "
                f"wait for one, {names[0]}"
            )
        elif isinstance(after, str) and after not in (*above, *_copies_of(above, copies)):
            yield effect.value_marks["after"].problem(
                f"after must name an effect that stands above this one, and {after!r} does not"
                f"{meant(after, effects[:position])}"
            )


def _copies_of(effects: list[str], copies: Copies) -> list[str]:
    return [name for effect in effects for name in copies.get(effect, ())]


def _target(target: str, kind: Any, effects: list[str], copies: Copies) -> str | None:
    effect, _, role = target.rpartition(".")
    roles = [each.value for each in Role]
    if role not in roles:
        return f"{role!r} is no role{among(role, 'roles', roles)}"
    if effect and effect not in (*effects, *_copies_of(effects, copies)):
        return f"no effect is called {effect!r}{among(effect, 'effects', effects)}"
    if effect and role == Role.API:
        return f"api cannot be narrowed to an effect: there is one; write {role!r}"
    possible = _ROLES_OF.get(kind, ()) if isinstance(kind, str) else ()
    if possible and role not in possible:
        return f"{kind} cannot hit {role!r}, only {' or '.join(possible)}"
    return None


def _combinations(tree: Branch, scenario: Scenario, default: Mark) -> Iterator[Problem]:
    yield from _study(tree, scenario, default)
    arrivals = scenario.workload.arrivals
    for key, source in (("rates", arrivals.rates), ("trace", arrivals.trace)):
        if source is not None and not np.isfinite(source.times).all():
            mark = place(tree, ("workload", "arrivals", key, "time"), default)[1]
            yield mark.problem(f"{Path(source.file).name} has times that are no finite numbers")
    for name, fault in scenario.faults.items():
        mark = place(tree, ("faults", name), default)[0]
        cycle = UNLIMITED if fault.mean_up is None else fault.mean_up + (fault.mean_down or 0.0)
        if min(cycle, fault.every or UNLIMITED) * _MOST_WINDOWS < scenario.limit:
            yield mark.problem(
                f"the fault comes back more than {_MOST_WINDOWS:,} times before the run is cut off"
            )
    yield from _trace_columns(tree, scenario, default)
    for name in scenario.architectures:
        yield from _endless_retries(tree, scenario, name, default)
        yield from _slow_heartbeats(tree, scenario, name, default)


def _study(tree: Branch, scenario: Scenario, default: Mark) -> Iterator[Problem]:
    mark = place(tree, ("warmup",), default)[1]
    if scenario.warmup == "auto":
        if scenario.study == "incident":
            yield mark.problem(
                "warmup: auto is for study: steady_state; the start of an incident is part of the question"
            )
    elif scenario.warmup >= scenario.horizon:
        yield mark.problem("warmup must end before the horizon")
    precision = scenario.precision
    if precision is not None and precision.max_replications < scenario.replications:
        yield place(tree, ("precision", "max_replications"), default)[1].problem(
            f"max_replications must not be below replications, {scenario.replications}"
        )
    stages = scenario.workload.arrivals.stages or ()
    rates = {rate for stage in stages for rate in (stage.rate, stage.ramp_to) if rate is not None}
    if scenario.study == "steady_state" and len(rates) > 1:
        yield place(tree, ("workload", "arrivals", "stages"), default)[0].problem(
            "arrivals whose rate changes have no steady state: use study: incident, or one rate"
        )
    for name, fault in scenario.faults.items():
        if scenario.study == "steady_state" and fault.at is not None and fault.every is None:
            yield place(tree, ("faults", name, "at"), default)[0].problem(
                "a steady_state study has no place for what happens once: use study: incident, or mean_up "
                "with mean_down"
            )


def _trace_columns(tree: Branch, scenario: Scenario, default: Mark) -> Iterator[Problem]:
    trace = scenario.workload.arrivals.trace
    wanted: list[tuple[tuple[str, ...], Any]] = [
        (("effects", name, "service"), effect.service) for name, effect in scenario.effects.items()
    ]
    wanted.append((("workload", "size"), scenario.workload.size))
    for path, quantity in wanted:
        if not isinstance(quantity, TraceColumn):
            continue
        mark = place(tree, path, default)[1]
        if trace is None:
            yield mark.problem("trace_column needs arrivals from a trace: {trace: {file, time}}")
            continue
        try:
            trace.column(quantity.trace_column)
        except ValueError as error:
            yield mark.problem(str(error).replace(str(Path(trace.file).parent), ""))


def _endless_retries(tree: Branch, scenario: Scenario, name: str, default: Mark) -> Iterator[Problem]:
    for effect, branch in _branches(scenario, name):
        consumers = branch.consumers
        on_error = getattr(consumers, "on_error", None)
        if on_error not in ("retry", "nack") or consumers.retry_delay > 0:
            continue
        queue = getattr(branch, "queue", None)  # a topic that pushes limits the attempts itself
        if on_error == "nack" and (queue is None or queue.max_receives < UNLIMITED):
            continue
        path = (*_path(name, effect), "consumers", "retry_delay")
        yield place(tree, path, default)[1].problem(
            f"on_error: {on_error} with retry_delay 0s never ends when attempts fail at once: "
            "write for example retry_delay: 1s"
        )


def _slow_heartbeats(tree: Branch, scenario: Scenario, name: str, default: Mark) -> Iterator[Problem]:
    for effect, branch in _branches(scenario, name):
        heartbeat = getattr(branch.consumers, "heartbeat", None)
        if heartbeat is not None and heartbeat >= branch.queue.visibility_timeout:
            path = (*_path(name, effect), "consumers", "heartbeat")
            yield place(tree, path, default)[1].problem(
                "heartbeat must be shorter than visibility_timeout, "
                f"{branch.queue.visibility_timeout:g}s: the message would be visible before the first one"
            )


def _branches(scenario: Scenario, name: str) -> list[tuple[str, Any]]:
    """The blocks of an architecture, by the effect that they are for; "" where they are for all."""
    design: Any = scenario.architectures[name]
    return list((getattr(design, "per_effect", None) or {"": design}).items())


def _path(name: str, effect: str) -> tuple[str, ...]:
    return ("architectures", name, *(("per_effect", effect) if effect else ()))

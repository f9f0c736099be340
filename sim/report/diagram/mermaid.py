"""Architectures as Mermaid text, which many wikis and code hosts draw by themselves.

One flowchart, a subgraph per architecture, the same words as on the drawing. Identifiers are numbers, so that
no name of a scenario can be a word of Mermaid; what would end a label is written as an entity (``#quot;``).
"""

from __future__ import annotations

from collections.abc import Sequence

from sim.components.wiring import Kind, Wiring
from sim.report import style
from sim.report.diagram.words import edge_words, fault_words, node_words
from sim.scenario.model import Scenario
from sim.scenario.parts import wiring

_SHAPES: dict[Kind, tuple[str, str]] = {
    "callers": ("([", "])"),
    "api": ("[", "]"),
    "outbox": ("[(", ")]"),
    "topic": ("{{", "}}"),
    "queue": ("[[", "]]"),
    "log": ("[[", "]]"),
    "memory": ("(", ")"),
    "pool": ("(", ")"),
    "sink": ("[(", ")]"),
}
_ENTITIES = {letter: f"#{ord(letter)};" for letter in "&<>#|`\\;"} | {'"': "#quot;"}
_BREAK = "<br/>"


def mermaid(scenario: Scenario, names: Sequence[str]) -> str:
    """The text of a flowchart of some architectures."""
    lines = [f"%% {scenario.slug}: drawn from the built system", "flowchart LR"]
    hit_edges: list[int] = []
    count = 0
    for number, name in enumerate(names):
        built = wiring(scenario, name)
        ids = {node: f"a{number}n{place}" for place, node in enumerate(built.nodes)}
        lines.append(f'  subgraph a{number}["{_escaped(name)}"]')
        lines.append("    direction LR")
        lines += [f"    {line}" for line in _nodes(scenario, built, ids)]
        for edge in built.edges:
            words = edge_words(edge, built, scenario)
            label = _label([words.verb, words.rate, *(fault for fault, _ in words.faults)])
            line = "-.->" if edge.flow == "report" else "-->"
            lines.append(f"    {ids[edge.source]} {line}|{label}| {ids[edge.target]}")
            if words.faults:
                hit_edges.append(count)
            count += 1
        lines.append("  end")
    lines.append(f"  classDef hit {_stroke(3)},fill:{style.tint(style.HIT, 0.07)}")
    if hit_edges:
        lines.append(f"  linkStyle {','.join(map(str, hit_edges))} {_stroke(2)}")
    return "\n".join(lines) + "\n"


def _nodes(scenario: Scenario, built: Wiring, ids: dict[str, str]) -> list[str]:
    lines: list[str] = []
    for node in built.nodes.values():
        words = node_words(node, built, scenario)
        faults = [f"{name}: {fault_words(scenario.faults[name])}" for name, _ in words.faults]
        left, right = _SHAPES[node.kind]
        hit = ":::hit" if words.is_hit else ""
        lines.append(f"{ids[node.name]}{left}{_label([words.title, *words.facts, *faults])}{right}{hit}")
    return lines


def _stroke(width: int) -> str:
    return f"stroke:{style.HIT},stroke-width:{width}px"


def _label(texts: Sequence[str]) -> str:
    return f'"{_BREAK.join(_escaped(text) for text in texts)}"'


def _escaped(text: str) -> str:
    return "".join(_ENTITIES.get(letter, letter) for letter in text)

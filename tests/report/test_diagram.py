"""Drawings of architectures: what stands on them, that it can be read, and that it is always the same."""

from __future__ import annotations

import itertools
import re
from pathlib import Path

import numpy as np
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.text import Text

import sim
from sim.components.faults import FAULT_TYPES
from sim.report import numbers, style
from sim.report.diagram.layout import lay_out
from sim.report.diagram.mermaid import mermaid
from sim.report.diagram.words import edge_words, fault_words, node_words
from sim.report.draw import picture, save
from sim.scenario.load import load
from sim.scenario.parts import wiring

SCENARIOS = Path(__file__).parents[2] / "scenarios"
RICH = """
name: rich
description: Everything that a drawing can show.
horizon: 30m
workload: {arrivals: {rate: 120/s}, backlog: 5k}
effects:
  db: {service: {p50: 8ms, p99: 60ms}}
  index: {service: {mean: 20ms, cv: 1.2}, failure: 0.5%, after: db}
  mail: {service: 50ms, long: {share: 1%, service: 3s}, poison: 1%}
  audit: {service: 5ms, after: index}
defaults:
  consumers: {count: 5, speeds: [1, 0.5], idempotent: true}
  producer: {retry_for: 3s, linger: 10ms, timeout: 2s}
architectures:
  synchronous: {producer: {timeout: 4s}}
  single_broker: {consumers: {count: 60, batch: 10}, queue: {capacity: 5k, delay: 2s, late_delete: false}}
  dual_brokers: {queue: {max_receives: unlimited, retention: unlimited}}
  dual_outbox: {extends: dual_brokers, producer: {outbox: true}}
  stream: {stream: {partitions: 24}, producer: {outbox: true}, per_effect: {mail: {consumers: 3}}}
  wide: {kind: stream, stream: {partitions: 1000, retention: unlimited}, consumers: 300}
  pubsub: {topic: {buffer: 500}, per_effect: {mail: {topic: {retries: 0}}}}
  sns_sqs: {producer: {outbox: true}}
faults:
  search_down: {kind: reject, target: index.sink, at: 10m, duration: 2m}
  deploy: {kind: down, target: mail.consumers, count: 25%, at: 15m, duration: 30s, only: [stream, sns_sqs]}
  lossy: {kind: loss, target: mail.broker, probability: 0.01%, leg: reply}
  out: {kind: down, target: index.broker, at: 20m, duration: 1m, every: 40m}
  crashes: {kind: crash, target: consumers, mean_up: 10m, mean_down: 5s}
"""


@pytest.fixture(scope="module")
def rich():
    """A scenario with every kind of part and many faults."""
    return sim.loads(RICH)


def scenarios():
    """The scenarios of the repository and the rich one."""
    files = [SCENARIOS / "four_approaches.yaml", *sorted((SCENARIOS / "golden").glob("*.yaml"))]
    return [pytest.param(load(path), id=path.stem) for path in files] + [
        pytest.param(sim.loads(RICH), id="rich")
    ]


def texts(axes):
    """All that is written on axes."""
    return [text.get_text() for one in np.ravel(axes) for text in one.texts]


def facts(scenario, architecture, node):
    """The lines in a box."""
    built = wiring(scenario, architecture)
    return node_words(built.nodes[node], built, scenario).facts


def rendered(scenario):
    """The axes, the figure and a renderer that knows how wide its texts are."""
    axes = sim.draw(scenario)
    figure = axes[0].get_figure()
    canvas = FigureCanvasAgg(figure)
    figure.set_dpi(200)
    canvas.draw()
    return axes, figure, canvas.get_renderer()


@pytest.mark.parametrize("scenario", scenarios())
def test_nothing_is_written_over_anything_else(scenario):
    """No two texts overlap, none leaves the figure, and what stands in a box stays inside it."""
    _axes, figure, renderer = rendered(scenario)
    written = [text for text in figure.findobj(Text) if text.get_text() and text.get_visible()]
    written = [text for text in written if text.axes is None or text.axes.axison or text in text.axes.texts]
    extents = [(text.get_text(), text.get_window_extent(renderer).shrunk(0.99, 0.95)) for text in written]
    for _, extent in extents:
        assert figure.bbox.x0 <= extent.x0
        assert extent.x1 <= figure.bbox.x1
    clashes = [
        (one, other)
        for (one, first), (other, second) in itertools.combinations(extents, 2)
        if first.overlaps(second)
    ]
    assert clashes == []


@pytest.mark.parametrize("scenario", scenarios())
def test_boxes_hold_their_text_and_keep_apart(scenario):
    """No box touches another one, except an outbox inside the server whose transaction writes it."""
    panels, grid = lay_out(scenario, {name: wiring(scenario, name) for name in scenario.architectures})
    for panel in panels:
        boxes = list(panel.boxes.values())
        for box in boxes:
            assert box.x - box.width / 2 >= 0
            assert box.x + box.width / 2 <= grid.total
            assert box.y + box.height / 2 <= panel.height
        for one, other in itertools.combinations(boxes, 2):
            across = abs(one.x - other.x) < (one.width + other.width) / 2
            down = abs(one.y - other.y) < (one.height + other.height) / 2
            is_inside = one in other.inner or other in one.inner
            assert (across and down) == is_inside, (panel.name, one.node.name, other.node.name)
            if is_inside:
                outer, inner = (other, one) if one in other.inner else (one, other)
                assert outer.y - outer.height / 2 < inner.y - inner.height / 2
                assert inner.y + inner.height / 2 < outer.y + outer.height / 2


@pytest.mark.parametrize("scenario", scenarios())
def test_text_fits_its_box(scenario):
    """The widest line of each box is narrower than the box, as the renderer draws it."""
    axes, _, renderer = rendered(scenario)
    panels, _ = lay_out(scenario, {name: wiring(scenario, name) for name in scenario.architectures})
    for panel, ax in zip(panels, axes, strict=True):
        back = ax.transData.inverted()
        for text in ax.texts:
            extent = text.get_window_extent(renderer).transformed(back)
            x, y = text.get_position()
            for box in panel.boxes.values():
                if box.node.kind == "callers" or text.get_bbox_patch() is not None:
                    continue
                if abs(x - box.x) < box.width / 2 and abs(y - box.y) < box.height / 2:
                    assert extent.x0 > box.x - box.width / 2, text.get_text()
                    assert extent.x1 < box.x + box.width / 2, text.get_text()


@pytest.mark.parametrize("scenario", scenarios())
def test_every_part_is_drawn(scenario):
    """Every title, fact, verb and fault of the wiring stands in the architecture's panel."""
    axes = sim.draw(scenario)
    assert len(axes) == len(scenario.architectures)
    for name, ax in zip(scenario.architectures, axes, strict=True):
        built = wiring(scenario, name)
        seen = " ".join(texts(ax))
        assert name in texts(ax)
        for node in built.nodes.values():
            words = node_words(node, built, scenario)
            for word in (words.title, *words.facts, *(fault for fault, _ in words.faults)):
                assert word in seen
        for edge in built.edges:
            if edge.flow != "insert":  # an outbox stands inside the server
                words = edge_words(edge, built, scenario)
                assert words.verb in seen
                assert words.rate in seen


def test_structure_by_kind(rich):
    """The columns tell the kinds apart: partitions, topic, queues or memories, outboxes."""
    drawn = {name: texts(sim.draw(rich, architecture=name)) for name in rich.architectures}
    assert {name for name, seen in drawn.items() if "topic" in seen} == {"pubsub", "sns_sqs"}
    assert {name for name, seen in drawn.items() if any("partitions" in text for text in seen)} == {
        "stream",
        "wide",
    }
    assert {name for name, seen in drawn.items() if "index_queue" in seen} == {
        "dual_brokers",
        "dual_outbox",
        "sns_sqs",
    }
    boxed = {name for name, seen in drawn.items() if "relay every 1 s" in seen}
    assert boxed == {"dual_outbox", "stream", "sns_sqs"}
    assert {name for name, seen in drawn.items() if "5 handlers" in seen} == {"synchronous"}


def test_a_changed_wiring_changes_the_drawing():
    """An outbox, an effect that follows, another pool size and other partitions all show."""
    text = "horizon: 1m\nworkload: {arrivals: {rate: 1/s}}\neffects: {db: 1s, index: 1s}\n"
    text += "architectures: {stream: {}}"
    before = sorted(texts(sim.draw(sim.loads(text))))
    changes = {
        "architectures.stream.producer.outbox=true": "relay every 1 s",
        "effects.index.after=db": "when done · 1/s",
        "architectures.stream.per_effect.index.consumers.count=3": "3 workers",
        "architectures.stream.stream.partitions=12": "12 partitions",
    }
    for change, word in changes.items():
        after = texts(sim.draw(sim.loads(text, [change])))
        assert word not in before
        assert word in after


def test_settings_carry_their_units(rich):
    """Every setting is told in words with its unit."""
    assert facts(rich, "single_broker", "queue") == (
        "visibility 30 s",
        "3 receives → DLQ",
        "retention 4 d",
        "holds 5,000",
        "delay 2 s",
        "late deletes fail",
    )
    assert facts(rich, "single_broker", "consumers") == (
        "60 workers",
        "speeds 30×1, 30×0.5",
        "batches of 10",
        "on error: wait",
        "idempotent",
    )
    assert facts(rich, "dual_brokers", "db_queue") == (
        "visibility 30 s",
        "receives unlimited",
        "kept for ever",
    )
    assert facts(rich, "stream", "stream") == ("24 partitions", "retention 7 d")
    assert facts(rich, "stream", "db_consumers")[-1] == "4–5 partitions each"
    assert facts(rich, "stream", "mail_consumers")[-1] == "8 partitions each"
    assert facts(rich, "pubsub", "topic") == ("retries", "db 3 × 20 s", "mail none")
    assert facts(rich, "sns_sqs", "topic") == ("retries 3 × 20 s",)
    assert facts(rich, "pubsub", "db_topic") == ("service's memory", "500 at most")
    assert facts(rich, "dual_brokers", "api") == (
        "retries for 3 s",
        "100 ms apart",
        "linger 10 ms",
        "timeout 2 s",
    )
    assert facts(rich, "dual_outbox", "db_outbox") == ("relay every 1 s",)
    assert facts(rich, "synchronous", "callers") == ("give up after 4 s", "5,000 waiting at 0 s")
    assert facts(rich, "synchronous", "mail.sink") == ("service 50 ms", "1% long ~3 s", "1% poison")
    assert facts(rich, "synchronous", "index.sink") == ("service ~20 ms", "0.5% fail")


def test_members_without_partitions_are_told():
    """A group with more members than partitions has idle ones."""
    scenario = sim.loads(
        "horizon: 1m\nworkload: {arrivals: {rate: 1/s}}\neffects: {db: 1s}\n"
        "architectures: {stream: {stream: {partitions: 3}, consumers: 5}}"
    )
    assert facts(scenario, "stream", "db_consumers")[-2:] == ("1 partition each", "2 idle")


FAULTS = {
    "{kind: reject, target: sink, at: 6m, duration: 90s}": "rejects at 6 min for 90 s",
    "{kind: down, target: consumers, count: 2, at: 1h, duration: unlimited}": "2 down at 1 h for good",
    "{kind: down, target: consumers, count: 25%, at: 0s, duration: 1s, every: 2s}": (
        "25% down at 0 s for 1 s every 2 s"
    ),
    "{kind: slow, target: sink, factor: 3, mean_up: 1h, mean_down: 2m}": "3× as long ~1 h up, ~2 min down",
    "{kind: crash, target: api, probability: 0.1%}": "crashes in 0.1% of requests",
    "{kind: loss, target: broker, probability: 1%, leg: reply}": "loses replies in 1% of attempts",
    "{kind: delay, target: broker, by: 200ms}": "200 ms delay always",
}


@pytest.mark.parametrize(("fault", "words"), FAULTS.items())
def test_faults_in_words(fault, words):
    """A fault is told with what it does and when."""
    scenario = sim.loads(
        "horizon: 1m\nworkload: {arrivals: {rate: 1/s}}\neffects: {db: 1s}\narchitectures: {stream: }\n"
        f"faults: {{x: {fault}}}"
    )
    assert fault_words(scenario.faults["x"]) == words


def test_every_kind_of_fault_has_words():
    """No kind of fault is without a case above."""
    named = {re.search(r"kind: (\w+)", fault)[1] for fault in FAULTS}
    assert named == {kind.model_fields["kind"].default for kind in FAULT_TYPES}


def test_parts_that_are_hit_are_red_and_hatched(rich):
    """Red and hatching mark exactly the parts that a fault hits; its name stands there in red."""
    for name, ax in zip(rich.architectures, sim.draw(rich), strict=True):
        built = wiring(rich, name)
        hit = [node for node in built.nodes if built.hitting(node)]
        hatched = [patch for patch in ax.patches if patch.get_hatch()]
        assert len(hatched) == len(hit)
        red = {text.get_text() for text in ax.texts if to_hex(text.get_color()) == style.HIT}
        for node in hit:
            assert set(built.hitting(node)) <= red


def test_a_network_fault_reddens_the_way(rich):
    """A loss on the way to the broker marks the arrow and not the broker."""
    ax = sim.draw(rich, architecture="dual_brokers")[0]
    arrows = [patch for patch in ax.patches if type(patch).__name__ == "FancyArrowPatch"]
    red = [patch for patch in arrows if to_hex(patch.get_edgecolor()) == style.HIT]
    assert len(red) == 1
    assert texts(ax).count("lossy") == 1


def test_effects_and_kinds_have_their_colours(rich):
    """A part of one effect has that effect's colour, a panel the colour of its kind of architecture."""
    axes = sim.draw(rich)
    colours = style.effects(list(rich.effects))
    stream = axes[list(rich.architectures).index("stream")]
    edges = {to_hex(patch.get_edgecolor()) for patch in stream.patches}
    assert {colours["audit"], colours["db"]} <= edges
    accents = [to_hex(ax.patches[0].get_facecolor()) for ax in axes]
    assert accents[list(rich.architectures).index("stream")] == style.KINDS["stream"]
    assert len(set(accents)) == len(accents)


def test_faults_that_hit_nothing_here_are_told(rich):
    """A panel names the faults that its architecture does not meet."""
    ax = sim.draw(rich, architecture="synchronous")[0]
    remark = next(text for text in texts(ax) if "not hit by" in text)
    assert remark.endswith("not hit by deploy, lossy, out")


@pytest.mark.parametrize("ending", ["svg", "png"])
def test_same_scenario_same_bytes(rich, ending):
    """A drawing is the same file every time, without a date, and an SVG has no pixels in it."""
    some = ["dual_outbox", "stream", "pubsub"]
    one, two = (picture(sim.draw(rich, architecture=some), ending) for _ in range(2))
    assert one == two
    if ending == "svg":
        assert b"<image" not in one
        assert b"<dc:date>" not in one
        assert b"<path" in one


def test_own_axes_are_used():
    """With axes of one's own nothing else is made; letters shrink with the axes."""
    scenario = load(SCENARIOS / "four_approaches.yaml")
    sizes = []
    for width in (10, 5):
        ax = Figure(figsize=(width, 20)).subplots()
        assert sim.draw(scenario, ax, "stream") is ax
        sizes.append(next(text.get_fontsize() for text in ax.texts if text.get_text() == "API server"))
    assert sizes[1] == pytest.approx(sizes[0] / 2, rel=0.01)


def test_a_notebook_shows_what_has_no_axes(monkeypatch):
    """A drawing of its own is shown below the cell; one on the user's axes is the user's to show."""
    shown = []
    monkeypatch.setattr("sim.report.figures.show_in_notebook", shown.append)
    scenario = load(SCENARIOS / "four_approaches.yaml")
    axes = sim.draw(scenario, architecture="stream")
    sim.draw(scenario, Figure().subplots(), "stream")
    assert len(shown) == 1
    assert shown[0] is axes


def test_axes_and_architectures_must_match():
    """One axes for several architectures is an error that says what to do, as is an unknown name."""
    scenario = load(SCENARIOS / "four_approaches.yaml")
    with pytest.raises(ValueError, match="6 architectures need as many axes, not 1: name those wanted"):
        sim.draw(scenario, Figure().subplots())
    with pytest.raises(ValueError, match="no architecture is called 'strem': did you mean 'stream'"):
        sim.draw(scenario, architecture="strem")
    with pytest.raises(ValueError, match="at least one"):
        sim.draw(scenario, architecture=[])


def test_a_file_can_be_drawn():
    """A path is enough, and several architectures come in the order of the scenario."""
    axes = sim.draw(SCENARIOS / "four_approaches.yaml", architecture=["sns_sqs", "stream"])
    assert [ax.texts[0].get_text() for ax in axes] == ["stream", "sns_sqs"]


def test_files(rich, tmp_path):
    """One file of all and one of each, in every format; whatever else is in the folder stays."""
    (tmp_path / "thesis.tex").write_text("years of work")
    written = save(rich, tmp_path, ["stream", "pubsub"], ["svg", "mermaid"])
    stems = ("diagram", "diagram_stream", "diagram_pubsub")
    names = [f"{stem}.{ending}" for stem in stems for ending in ("svg", "mmd")]
    assert [path.name for path in written] == names
    assert {path.name for path in tmp_path.iterdir()} == {*names, "thesis.tex"}


_NODE = re.compile(r'^(a\d+n\d+)(\(\[|\[\(|\[\[|\{\{|\[|\()"([^"]*)"(\]\)|\)\]|\]\]|\}\}|\]|\))(:::hit)?$')
_EDGE = re.compile(r'^(a\d+n\d+) (-->|-\.->)\|"([^"]*)"\| (a\d+n\d+)$')
_PAIRS = {"([": "])", "[(": ")]", "[[": "]]", "{{": "}}", "[": "]", "(": ")"}


@pytest.mark.parametrize("scenario", scenarios())
def test_mermaid_is_well_formed(scenario):
    """Statements are known, brackets match, edges stay in their subgraph, labels are safe."""
    lines = [line.strip() for line in mermaid(scenario, list(scenario.architectures)).splitlines()]
    assert lines[1] == "flowchart LR"
    nodes: set[str] = set()
    edges = graphs = hit = 0
    for line in lines[2:]:
        if found := _NODE.match(line):
            assert _PAIRS[found[2]] == found[4]
            assert found[1] not in nodes
            assert found[1].startswith(f"a{graphs - 1}n")
            nodes.add(found[1])
            hit += bool(found[5])
            labels = [found[3]]
        elif found := _EDGE.match(line):
            assert {found[1], found[4]} <= nodes
            assert found[1].split("n")[0] == found[4].split("n")[0] == f"a{graphs - 1}"
            edges += 1
            labels = [found[3]]
        elif found := re.match(r'^subgraph a(\d+)\["([^"]+)"\]$', line):
            assert int(found[1]) == graphs
            graphs += 1
            labels = [found[2]]
        elif found := re.match(r"^linkStyle ([\d,]+) stroke:#[0-9a-f]{6},stroke-width:\dpx$", line):
            assert all(int(number) < edges for number in found[1].split(","))
            labels = []
        else:
            assert line in ("end", "direction LR") or line.startswith("classDef hit stroke:#c1121f")
            labels = []
        for label in labels:
            assert not re.search(r'[<>"`|]', label.replace("<br/>", ""))
            assert not re.match(r"\d+\. |[-*] |#+ ", label)  # Mermaid takes these for Markdown
    assert graphs == len(scenario.architectures)
    assert lines.count("end") == graphs
    built = [wiring(scenario, name) for name in scenario.architectures]
    assert len(nodes) == sum(len(wired.nodes) for wired in built)
    assert edges == sum(len(wired.edges) for wired in built)
    assert hit == sum(bool(wired.hitting(name)) for wired in built for name in wired.nodes)


def test_exact_durations_and_rates():
    """Settings keep their value: the greatest unit in which it is whole, else seconds or less."""
    seconds = (604800, 90, 120, 400, 1.5, 0.25, float("inf"), 0, 5400)
    told = ["7 d", "90 s", "2 min", "400 s", "1.5 s", "250 ms", "∞", "0 s", "90 min"]
    assert [numbers.exact_duration(value) for value in seconds] == told
    rates = [numbers.rate(value) for value in (17.25, 1200, 0.5, 0.02, 0.0005, 0)]
    assert rates == ["17.2/s", "1,200/s", "0.5/s", "1.2/min", "1.8/h", "0/s"]

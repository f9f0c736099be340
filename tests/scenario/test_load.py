"""``--set``, files beside the scenario, defaults of the whole, and how problems are told."""

from __future__ import annotations

import pickle
from pathlib import Path

import pytest
from small import SMALL, small, told

import sim

VALID = Path(__file__).parent / "valid"


def test_set_changes_one_value() -> None:
    """A dotted path addresses the expanded tree; what is not there yet is made."""
    scenario = small("seed=9", "architectures.stream.per_effect.db.consumers.count=3", "name='a b'")
    assert (scenario.seed, scenario.name) == (9, "a b")
    assert scenario.architectures["stream"].per_effect["db"].consumers.count == 3


def test_set_takes_an_index_of_a_list() -> None:
    """A number in a path counts the items of a list from 0."""
    stages = "workload.arrivals={stages: [{duration: 1m, rate: 1/s}, {duration: 1m, rate: 2/s}]}"
    scenario = small(stages, "workload.arrivals.stages.1.rate=5/s")
    assert [stage.rate for stage in scenario.workload.arrivals.stages or ()] == [1, 5]


def test_set_quotes_segments() -> None:
    """A quoted segment may contain dots; it is one key."""
    messages = told(SMALL, 'architectures.stream.consumers."max.poll.records"=5')
    assert messages[0].startswith("'max.poll.records' is a vendor's spelling")


def test_set_reaches_defaults() -> None:
    """An override of the defaults holds for every architecture."""
    scenario = small("defaults.consumers=6")
    assert [each.consumers.count for each in scenario.architectures.values()] == [6, 6]


def test_set_goes_deeper_than_a_shorthand() -> None:
    """A block that was set by its main key takes further options."""
    design = small(
        "architectures.stream.consumers=8", "architectures.stream.consumers.batch=2"
    ).architectures["stream"]
    assert (design.consumers.count, design.consumers.batch) == (8, 2)


def test_set_comes_after_extends() -> None:
    """An override beats the file and what it extends."""
    scenario = sim.load(VALID / "variant.yaml", ["architectures.stream.per_effect.index.consumers=1"])
    assert scenario.architectures["stream"].per_effect["index"].consumers.count == 1


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("sede=9", "unknown key 'sede': did you mean 'seed'?"),
        ("architectures.stream.consumers.cuont=9", "unknown key 'cuont': did you mean 'count'?"),
        ("seed", "write path=value"),
        ("=3", "write path=value"),
        ("workload.arrivals.rate.per=3", "there is nothing under 'rate'"),
        ("seed=[1", "not valid YAML"),
        ("seed=", "write path=value"),
        ("seed..x=1", "write path=value"),
        ("architectures.kafka.consumers=8", "architecture 'kafka' needs kind"),
    ],
)
def test_set_tells_what_is_wrong(override: str, message: str) -> None:
    """A wrong override is refused in words, at a place in the override itself."""
    with pytest.raises(sim.ScenarioError) as caught:
        small(override)
    (problem,) = caught.value.problems
    assert problem.file == f"--set {override}"
    assert message in problem.message


def test_set_tells_of_a_list_that_is_shorter() -> None:
    """A place beyond the end of a list is refused."""
    stages = "workload.arrivals={stages: [{duration: 1m, rate: 1/s}]}"
    assert told(SMALL, stages, "workload.arrivals.stages.1.rate=5/s") == [
        "'1' is no place in a list of 1: count from 0"
    ]


def test_numbers_beat_the_file() -> None:
    """Replications and seed given in the call are those of the scenario."""
    scenario = sim.loads(SMALL + "seed: 1\nreplications: 2\n", replications=3, seed=4)
    assert (scenario.replications, scenario.seed) == (3, 4)


def test_defaults_of_the_whole(tmp_path: Path) -> None:
    """Name, baseline and the rest have the defaults that the language promises."""
    (tmp_path / "my file.yaml").write_text(SMALL)
    scenario = sim.load(tmp_path / "my file.yaml")
    assert (scenario.name, scenario.slug, scenario.baseline) == ("my file", "my_file", "stream")
    assert (scenario.seed, scenario.replications, scenario.warmup, scenario.drain) == (0, 20, 0, None)
    assert scenario.limit == 11 * 3600
    assert scenario.text == SMALL


def test_a_drain_ends_the_run() -> None:
    """A duration of drain counts from the horizon."""
    assert small("drain=30m").limit == 5400


@pytest.mark.parametrize(("name", "horizon"), [("shorthands", 5700), ("rates", 120), ("trace", 6)])
def test_horizon_is_the_end_of_the_arrivals(name: str, horizon: float) -> None:
    """Where arrivals end by themselves, that is the horizon."""
    assert sim.load(VALID / f"{name}.yaml").horizon == pytest.approx(horizon)


def test_a_horizon_cuts_the_stages() -> None:
    """A horizon that is given counts, even where the arrivals end by themselves."""
    assert sim.load(VALID / "shorthands.yaml", ["horizon=1m"]).horizon == 60


def test_files_start_at_the_scenarios_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A path of a data file does not depend on where the command is started."""
    monkeypatch.chdir(tmp_path)
    scenario = sim.load(VALID / "rates.yaml")
    assert scenario.workload.arrivals.rates is not None
    assert scenario.workload.arrivals.rates.per_second.tolist() == [10, 20]


def test_files_of_an_extended_scenario_start_at_its_folder(tmp_path: Path) -> None:
    """A variant in another folder reads the data beside its base."""
    (tmp_path / "base").mkdir()
    (tmp_path / "base" / "t.csv").write_text("at\n0\n5\n")
    (tmp_path / "base" / "b.yaml").write_text(
        "workload: {arrivals: {trace: {file: t.csv, time: at}}}\n"
        "effects: {db: 1ms}\narchitectures: {stream: }\n"
    )
    assert sim.loads("extends: base/b.yaml\n", folder=tmp_path).horizon == 10


@pytest.mark.parametrize("path", sorted(VALID.glob("*.yaml")), ids=lambda path: path.stem)
def test_a_scenario_travels_between_processes(path: Path) -> None:
    """A loaded scenario pickles, and what comes back is equal and knows its text."""
    scenario = sim.load(path)
    twin = pickle.loads(pickle.dumps(scenario))  # noqa: S301 - our own bytes
    assert twin.model_dump() == scenario.model_dump()
    assert (twin.text, twin.sha256) == (scenario.text, scenario.sha256)


def test_all_problems_in_one_pass_sorted_by_place() -> None:
    """Problems of different kinds come together, in the order of the file."""
    text = (
        "seed: x\nhorizon: 5\nworkload: {arrivals: 10/s, keyz: 3}\neffects: {db: 40, DB: 1s}\n"
        "architectures: {stream: {consumers: {on_error: x}}, other: }\n"
        "faults: {a: {kind: reject, target: nowhere, at: 1s, duration: 1s}}\nexpect: [x]\n"
    )
    with pytest.raises(sim.ScenarioError) as caught:
        sim.loads(text)
    problems = caught.value.problems
    assert problems == sorted(problems)
    assert [problem.line for problem in problems] == [1, 2, 3, 4, 4, 5, 5, 6, 7]
    assert str(caught.value) == "\n".join(map(str, problems))


def test_errors_travel_between_processes() -> None:
    """An error pickles with its problems."""
    with pytest.raises(sim.ScenarioError) as caught:
        sim.loads("[]")
    assert pickle.loads(pickle.dumps(caught.value)).problems == caught.value.problems  # noqa: S301


def test_a_file_that_cannot_be_read(tmp_path: Path) -> None:
    """A missing file, a folder, and bytes that are no text are told without a traceback."""
    (tmp_path / "latin.yaml").write_bytes(b"name: caf\xe9\n")
    for path, told_of in (
        (tmp_path / "no.yaml", "No such file"),
        (tmp_path, "directory"),
        (tmp_path / "latin.yaml", "UTF-8"),
    ):
        with pytest.raises(sim.ScenarioError, match=told_of):
            sim.load(path)


def test_an_empirical_file_that_is_no_csv(tmp_path: Path) -> None:
    """Bytes that are no text are told at the quantity that names the file."""
    (tmp_path / "x.csv").write_bytes(b"c\n\xff\xfe\n")
    with pytest.raises(sim.ScenarioError, match=r"x\.csv is not a CSV file in UTF-8"):
        sim.loads(
            SMALL.replace("db: 40ms", "db: {service: {file: x.csv, column: c, unit: ms}}"), folder=tmp_path
        )

"""What stands in a file takes effect or is refused; it is never passed over in silence."""

from __future__ import annotations

from pathlib import Path

import pytest
from small import SMALL, small, told

import sim
from sim.scenario.load import from_dict

BLOCK = "a block of keys is needed here, not "


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("architectures: {sns_sqs: {per_effect: 7}}", BLOCK + "7"),
        ("architectures: {sns_sqs: {per_effect: [a]}}", BLOCK + "a list"),
        ("architectures: {sns_sqs: {per_effect: {db: 5}}}", BLOCK + "5"),
        ("architectures: {sns_sqs: {per_effect: {db: {queue: 5}}}}", BLOCK + "5"),
        ("architectures: {stream: }\ndefaults: 5", BLOCK + "5"),
        ("architectures: {stream: }\ndefaults: {queue: 5}", BLOCK + "5"),
        ("architectures: {stream: }\nfaults: {trouble: }", "missing key 'kind'"),
    ],
)
def test_value_in_place_of_a_block(text: str, message: str) -> None:
    """A value where a block belongs is refused, also where no architecture would look at it."""
    (found,) = told(f"horizon: 1h\nworkload: {{arrivals: 10/s}}\neffects: {{db: 40ms}}\n{text}\n")
    assert found.startswith(message)


def test_effect_with_nothing_behind_it() -> None:
    """An effect without a body is an effect without a service, not no effect."""
    assert told(SMALL.replace("index: 40ms", "index: ")) == ["missing key 'service'"]


def test_none_clears_a_block_of_one_effect() -> None:
    """Under ``per_effect``, ``none`` takes the block's defaults instead of the architecture's."""
    consumers = "{consumers: {count: 5, batch: 3}, per_effect: {index: {consumers: none}}}"
    branches = small(f"architectures.sns_sqs={consumers}").architectures["sns_sqs"].per_effect
    assert [(each.consumers.count, each.consumers.batch) for each in branches.values()] == [(5, 3), (1, 1)]


def test_same_trace_from_another_file(tmp_path: Path) -> None:
    """A variant that names another file of a trace keeps the column of its times."""
    (tmp_path / "new.csv").write_text("when\n0\n1\n2\n", "utf-8")
    (tmp_path / "base.yaml").write_text(
        "workload: {arrivals: {trace: {file: old.csv, time: when}}}\n"
        "effects: {db: 1ms}\narchitectures: {stream: }\n",
        "utf-8",
    )
    own = "extends: base.yaml\nworkload: {arrivals: {trace: {file: new.csv}}}\n"
    assert sim.loads(own, folder=tmp_path).workload.arrivals.trace.time == "when"


@pytest.mark.parametrize("name", ["service", "failure", "rate", "prefetch", "profile"])
def test_options_everywhere_are_no_names_of_effects(name: str) -> None:
    """No effect bears the name of an option, wherever the option stands."""
    (message,) = told(SMALL.replace("index", name))
    assert message == f"no effect can be called {name!r}: that is the name of an option"


def test_reserved_kind_is_the_only_problem() -> None:
    """A design of a reserved kind is refused, and nothing else is said of it."""
    (message,) = told(SMALL.replace("{stream: , sns_sqs: }", "{mine: {kind: custom, components: {}}}"))
    assert message.startswith("'kind: custom' is part of the language but not built yet")


def test_retries_without_a_pause() -> None:
    """A service that retries in place without a pause would never end, also behind a topic that pushes."""
    text = SMALL.replace("sns_sqs: ", "pubsub: {consumers: {on_error: retry, retry_delay: 0s}}")
    (message,) = told(text)
    assert message.startswith("on_error: retry with retry_delay 0s never ends")


def test_bursts_without_a_length() -> None:
    """Quiet and bursts of no length would alternate for ever."""
    (message,) = told(SMALL, "workload.arrivals.bursts={rate: 50/s, mean_quiet: 0s, mean_burst: 0s}")
    assert message.startswith("bursts that take no time never end")


@pytest.mark.parametrize("rows", ["0\nnan\n2", "0\n1\nnan"])
def test_times_that_are_no_numbers(tmp_path: Path, rows: str) -> None:
    """A trace with a time that is not finite is refused."""
    (tmp_path / "trace.csv").write_text(f"time\n{rows}\n", "utf-8")
    text = (
        "workload: {arrivals: {trace: {file: trace.csv, time: time}}}\n"
        "effects: {db: 1ms}\narchitectures: {stream: }\n"
    )
    with pytest.raises(sim.ScenarioError, match="times that are no finite numbers"):
        sim.loads(text, folder=tmp_path)


def test_names_that_no_file_can_have() -> None:
    """A null character in a path ends in words."""
    with pytest.raises(sim.ScenarioError, match="no file can be called"):
        sim.load("a\0b")
    assert told('extends: "a\\0b"\n') == ["no file can be called 'a\\x00b'"]
    service = 'db: {service: {file: "a\\0b", column: c, unit: ms}}'
    assert "no file can be called 'a\\x00b'" in told(SMALL.replace("db: 40ms", service))


def test_aliases_of_aliases() -> None:
    """A few lines that stand for more than fits into memory are refused before they fill it."""
    lines = ["x-0: &a0 [1, 1, 1, 1, 1, 1, 1, 1, 1, 1]"]
    lines += [f"x-{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 30)]
    assert told(SMALL + "\n".join(lines)) == ["too large: more values than a scenario can need"]


def test_numbers_from_outside() -> None:
    """A seed that is given beside the file is told as such."""
    with pytest.raises(sim.ScenarioError, match=r"^--seed:1:1: -1 is not a count"):
        sim.loads(SMALL, seed=-1)


def test_mapping_is_what_its_text_is() -> None:
    """A mapping that Python built is read as the YAML that says the same."""
    mapping = {
        "horizon": "1h",
        "workload": {"arrivals": "10/s"},
        "effects": {"db": "40ms", "index": "40ms"},
        "architectures": {"stream": None, "sns_sqs": None},
    }
    assert from_dict(mapping).model_dump() == small().model_dump()
    with pytest.raises(sim.ScenarioError, match="unknown key 'horizn'"):
        from_dict({"horizn": "1h", **mapping})
    with pytest.raises(sim.ScenarioError, match="not what YAML could hold"):
        from_dict({"seed": object()})

"""The figures on the pages are those of the result files, and the result files name their commands."""

import importlib.util
import json
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


def script():
    spec = importlib.util.spec_from_file_location("publish", ROOT / "benchmarks" / "publish.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


PUBLISH = script()


@pytest.mark.parametrize(("page", "name"), PUBLISH.REGIONS)
def test_the_page_shows_the_measured_figures(page, name):
    text = (ROOT / page).read_text(encoding="utf-8")
    assert PUBLISH.fill(text, name, PUBLISH.REGIONS[page, name]()) == text, "run python benchmarks/publish.py"


def test_every_result_names_a_script_that_exists():
    for path in (ROOT / "benchmarks" / "results").glob("*.json"):
        result = json.loads(path.read_text(encoding="utf-8"))
        parts = [part for part in result.values() if isinstance(part, dict) and "command" in part]
        commands = [entry["command"].split() for entry in [result, *parts] if "command" in entry]
        assert commands, path
        for command in commands:
            assert command[0] == "python"
            assert (ROOT / command[1]).is_file()


PARTS = ("profile", "encoders", "peer")


@pytest.mark.parametrize("name", PARTS)
def test_a_part_of_training_that_is_not_there_is_called_not_measured(name, monkeypatch):
    def missing(_):
        raise FileNotFoundError

    for found in (lambda _: {}, missing):
        monkeypatch.setattr(PUBLISH, "load", found)
        assert PUBLISH.REGIONS["docs/benchmarks.md", f"training_{name}"]() == PUBLISH.not_measured(name)


HEAD = {"command": "python benchmarks/training.py", "device": "cpu", "versions": {"torch": "2"}}
SIDE = {"seconds": 60.4, "updates": 1900, "decisions/s": 4000.0, "mean makespan, greedy": 500.25}
SHOWN = {
    "profile": (
        {
            "threads": {
                "1": {
                    "share": {"forward": 0.9, "rest": 0.1},
                    "non-network share": 0.1,
                    "non-network share, cutting and joining included": 0.125,
                    "decisions/s, without the clock": 6543,
                    "updates": 3,
                }
            }
        },
        ("| forward | 90.0 |", "| **not network** | **10.0** |", "12.5", "6,543", "1 thread |"),
    ),
    "encoders": (
        {
            "rows": [
                {
                    "encoder": "gnn", "layers": 2, "compile": False, "threads": 2,
                    "parameters": 90000, "training": 1234, "greedy": 5678, "scoring alone": 6789,
                },
                {"encoder": "attention", "layers": 1, "compile": True, "threads": 1, "failed": "OSError: no compiler"},
            ]
        },
        ("| `gnn` | 2 | 2 | 90,000 | 1,234 | 5,678 | 6,789 |", "compiled, 1 thread, failed: OSError: no compiler."),
    ),
    "peer": (
        {
            "differences": ["network: another"],
            "rows": [
                {
                    "size": "6x6", "threads": 2, "rules, mean makespan": {"rule:mwkr": 600.0},
                    "ours": SIDE, "rl4co": {**SIDE, "decisions/s": 400.0},
                    "ratio": {"decisions/s": 10.0, "mean makespan, greedy": 1.0},
                },
                {
                    "size": "10x10", "threads": 2, "rules, mean makespan": {"rule:mwkr": 1000.0},
                    "ours": SIDE, "rl4co": {"failed": "no such file"},
                },
            ],
        },
        (
            "| 6x6 | 2 | 60 / 60 | 1,900 / 1,900 | 4,000 | 400 | 10.0 × | 500.2 |",
            "10x10 failed: no such file.",
            "- network: another",
        ),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", PARTS)
def test_a_part_of_training_is_shown_with_its_command(name, monkeypatch):
    part, expected = SHOWN[name]
    monkeypatch.setattr(PUBLISH, "load", lambda _: {name: {**HEAD, **part}})
    text = PUBLISH.REGIONS["docs/benchmarks.md", f"training_{name}"]()
    for words in (*expected, "Made by `python benchmarks/training.py` on cpu, PyTorch 2."):
        assert words in text


def test_the_parts_of_a_training_second_add_up():
    for run in (PUBLISH.training_part("profile") or {"threads": {}})["threads"].values():
        assert sum(run["share"].values()) == pytest.approx(1.0, abs=0.01)
        assert 0.0 < run["non-network share"] < run["non-network share, cutting and joining included"] < 1.0

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
        command = json.loads(path.read_text(encoding="utf-8"))["command"].split()
        assert command[0] == "python"
        assert (ROOT / command[1]).is_file()

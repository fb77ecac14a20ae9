"""Every program of examples/ runs, with budgets of seconds, and says what it should."""

import os
import re
import shutil
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest

from ganttlet_agents.evaluation.results import load_results

EXAMPLES = Path(__file__).parents[1] / "examples"
CASES = {
    "plain_loop.py": ([], r"makespan 1462, feasible True"),
    "vector_loop.py": ([], r"\d{3} episodes, mean makespan"),
    "sb3_ppo.py": (["512"], r"trained for 512 steps"),
    "maskable_ppo.py": (["512"], r"makespan \d+ on ft06"),
    "cleanrl_like.py": (["3"], r"update 2: mean makespan"),
    "pyg.py": ([], r"'op': \(288, 32\)"),
    "trained_policy.py": ([], r"makespan 1\d{3}"),
    "job_shop_rule.py": ([], r"ta01: steep 1449, spt_twkr 1423"),
    "flow_planner.py": (["nyc:fleet=10:day_end=480"], r"planner \d{4} USD, \d+ flights .*; greedy \d{4} USD"),
    "own_instance.py": (["chart.svg"], r"optimum .*'weighted_tardiness': 7\.0.* optimal"),
    "torchrl_env.py": (["2"], r"random: 36 legal steps(.*\n)+update 1: mean return -\d+"),
}
# What an example needs beyond the extras; without it, its program of tests/integration/ runs it in a venv of its own.
ELSEWHERE = {"torchrl_env.py": ("torchrl", "with_torchrl.py")}
# Methods of one's own, which the page about them runs, and the gaps on ft06 and ft10 that they stay below.
METHODS = {"own_method.py": (0.15, 0.35), "own_rule.py": (0.15, 0.25)}
PAGE = EXAMPLES.parent / "docs" / "own_method.md"


def test_every_example_is_here():
    assert {path.name for path in EXAMPLES.glob("*.py")} == {*CASES, *METHODS}


def test_methods_of_ones_own_run_as_their_page_says(tmp_path):
    page = PAGE.read_text(encoding="utf-8")
    _, script, *words = re.search(r"^python evaluate\.py run .*$", page, flags=re.M)[0].split()
    shutil.copytree(EXAMPLES, tmp_path / "examples")
    done = subprocess.run(
        [sys.executable, str(EXAMPLES.parent / script), *words, "--no-report"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    rows = load_results(tmp_path / words[words.index("--out") + 1]).rows
    for name, below in METHODS.items():
        gaps = [row.gap for row in rows if name in row.method]
        assert all(gap < limit for gap, limit in zip(gaps, below, strict=True)), gaps
    # The table that stands on the page is the one that its command prints.
    for label in {row.method for row in rows}:
        mean = 100 * sum(row.gap for row in rows if row.method == label) / 2
        assert re.search(rf"^ {re.escape(label[:20])}\S* +{mean:.2f} ", page, flags=re.M), (label, mean)


@pytest.mark.parametrize("name", CASES)
def test_example(name, tmp_path):
    arguments, expected = CASES[name]
    library, program = ELSEWHERE.get(name, (None, None))
    if library is not None and find_spec(library) is None:
        assert name in (EXAMPLES.parent / "tests" / "integration" / program).read_text(encoding="utf-8")
        pytest.skip(f"{library} is not installed; tests/integration/run.py has a venv with it")
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, str(EXAMPLES / name), *arguments],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert re.search(expected, done.stdout), done.stdout
    if name == "own_instance.py":
        assert (tmp_path / "chart.svg").read_text().startswith("<svg")


@pytest.mark.long
def test_the_cleanrl_like_loop_learns(tmp_path):
    done = subprocess.run(
        [sys.executable, str(EXAMPLES / "cleanrl_like.py"), "100"], capture_output=True, text=True, check=True
    )
    means = [float(mean) for mean in re.findall(r"mean makespan ([\d.]+)", done.stdout)]
    assert sum(means[-20:]) / 20 < sum(means[:3]) / 3 - 20

"""What an import loads: heavy modules make a start slow, and are what a test can check without a clock."""

import subprocess
import sys

import pytest

HEAVY = {"torch", "torch_geometric", "stable_baselines3", "sb3_contrib", "ray", "tensorboard"}
SLOW = {"ortools", "highspy", "scipy", "matplotlib", "pandas"}
MAKE = "import gymnasium; gymnasium.make('ganttlet:ganttlet/JobShop-v0').reset(seed=0)"

LOADS = {
    "import ganttlet": HEAVY | SLOW | {"ganttlet_agents", "numba", "yaml", "tyro", "rich"},
    # Numba itself imports SciPy and PyYAML where they are installed.
    MAKE: HEAVY | (SLOW - {"scipy"}) | {"ganttlet_agents", "tyro", "rich"},
    "import ganttlet_agents.rules": HEAVY | (SLOW - {"scipy"}),
    "import ganttlet_agents.solvers": HEAVY,
    "import ganttlet_agents.evaluation": HEAVY | {"ortools", "matplotlib"},
    "import ganttlet_agents.cli": HEAVY | SLOW,
}


@pytest.mark.parametrize("statement", LOADS)
def test_an_import_loads_nothing_it_does_not_need(statement: str) -> None:
    code = f"{statement}\nimport sys\nprint(*sorted(set(sys.modules) & {LOADS[statement]!r}))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == ""


def test_the_check_sees_a_heavy_module() -> None:
    code = f"import scipy\nimport sys\nprint(*sorted(set(sys.modules) & {SLOW!r}))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["scipy"]

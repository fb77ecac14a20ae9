"""The wheel: what is in it, and that it works in a venv where nothing of this checkout can be seen."""

import os
import subprocess
import sys
import tomllib
import venv
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
VERSION = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["version"]
ENVIRONMENT = """
import importlib.util
import gymnasium

env = gymnasium.make("ganttlet:ganttlet/JobShop-v0", instance="ft06")
observation, info = env.reset(seed=0)
done = False
while not done:
    action = env.action_space.sample(info["action_mask"])
    observation, reward, terminated, truncated, info = env.step(action)
    done = terminated or truncated
print(terminated, info["objectives"]["makespan"] >= 55)
print(*(name for name in ("envs", "agents", "train", "evaluate", "tests", "configs", "benchmarks", "examples")
        if importlib.util.find_spec(name)))
"""


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the wheel with the build back-end of this venv; nothing is downloaded."""
    folder = tmp_path_factory.mktemp("wheel")
    command = "-m pip wheel --no-index --no-deps --no-build-isolation --wheel-dir"
    run(sys.executable, *command.split(), str(folder), str(ROOT), cwd=folder)
    (built,) = folder.glob("*.whl")
    return built


def run(*command: str, cwd: Path, ok: bool = True) -> str:
    env = {key: value for key, value in os.environ.items() if key not in ("PYTHONPATH", "VIRTUAL_ENV")}
    done = subprocess.run(command, capture_output=True, encoding="utf-8", check=False, cwd=cwd, env=env)
    assert (done.returncode == 0) is ok, done.stdout + done.stderr
    return done.stdout if ok else done.stdout + done.stderr


def test_the_wheel_holds_the_two_packages_whole_and_nothing_else(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        names = set(archive.namelist())
    assert {name.split("/")[0] for name in names} == {
        "ganttlet",
        "ganttlet_agents",
        f"ganttlet-{VERSION}.dist-info",
    }
    for source, target in {"envs": "", "agents": "", "configs": "ganttlet_agents/configs/"}.items():
        tracked = {
            path.relative_to(ROOT / source).as_posix()
            for path in (ROOT / source).rglob("*")
            if path.is_file() and "__pycache__" not in path.parts
        }
        assert tracked
        assert {target + name for name in tracked} <= names
    licences = f"ganttlet-{VERSION}.dist-info/licenses"
    assert {f"{licences}/LICENSE", f"{licences}/THIRD_PARTY.md"} <= names


@pytest.mark.long
def test_the_wheel_works_in_a_clean_venv(wheel: Path, tmp_path: Path) -> None:
    """Needs the package index. Base dependencies first; then the extra that the first error message names."""
    venv.create(tmp_path / "venv", with_pip=True)
    binaries = tmp_path / "venv" / ("Scripts" if os.name == "nt" else "bin")
    python, console = str(binaries / "python"), str(binaries / "ganttlet")
    install = [python, "-m", "pip", "install", "--quiet", "-c", str(ROOT / "constraints.txt")]

    run(*install, str(wheel), cwd=tmp_path)
    installed = run(python, "-m", "pip", "list", "--format=freeze", cwd=tmp_path).lower()
    assert "gymnasium==" in installed
    assert "torch==" not in installed
    assert "ortools==" not in installed
    lines = run(python, "-c", ENVIRONMENT, cwd=tmp_path).splitlines()
    assert lines == ["True True", ""], "the episode ends, and no folder of the checkout is importable"
    assert "pip install 'ganttlet[eval]'" in run(console, "evaluate", "list", cwd=tmp_path, ok=False)

    run(*install, f"{wheel}[eval]", cwd=tmp_path)
    assert VERSION in run(console, "version", cwd=tmp_path)
    assert "taillard_quick" in run(console, "evaluate", "list", cwd=tmp_path)
    instances, methods = "job_shop:ft06", "rule:spt_twkr,solver:cpsat:time=20"
    arguments = ["--instances", instances, "--methods", methods, "--out", "out"]
    run(console, "evaluate", "run", *arguments, cwd=tmp_path)
    assert (tmp_path / "out" / "rows.jsonl").is_file()

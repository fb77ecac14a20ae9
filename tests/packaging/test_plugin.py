"""A third party's package adds a family and its methods by entry points alone; tests/plugin/ is one."""

import json
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SUITE = """\
about: three jobs on one machine
family: one_machine
instances: [{generator: three, seeds: 0..4}]
"""
FAMILIES = "import ganttlet.core.family as f; print(*f.family_names()); print(f.get_family('one_machine').name)"


def run(*arguments: str, path: Path | None) -> subprocess.CompletedProcess[str]:
    paths = [str(path)] if path else []
    paths += [os.environ["PYTHONPATH"]] if "PYTHONPATH" in os.environ else []
    env = os.environ | {"PYTHONIOENCODING": "utf-8", "PYTHONPATH": os.pathsep.join(paths)}
    return subprocess.run(
        [sys.executable, *arguments],
        capture_output=True,
        text=True,
        encoding="utf-8",
        check=False,
        env=env,
        cwd=ROOT,
    )


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Install the package from its sources, without network, into a folder of its own."""
    folder = tmp_path_factory.mktemp("plugin")
    command = "-m pip install --quiet --no-index --no-deps --no-build-isolation --target"
    done = run(*command.split(), str(folder), str(ROOT / "tests" / "plugin"), path=None)
    assert done.returncode == 0, done.stderr
    return folder


def test_the_family_is_found(installed: Path) -> None:
    done = run("-c", FAMILIES, path=installed)
    assert done.returncode == 0, done.stderr
    assert done.stdout.split() == [
        "job_shop",
        "memory_allocation",
        "memory_mapping",
        "one_machine",
        "soc_dag",
        "uam_fleet",
        "vm_rescheduling",
        "one_machine",
    ]


def test_without_the_package_the_family_is_unknown() -> None:
    """The control: the family comes from the package, and its absence is one clear error."""
    done = run("-c", FAMILIES, path=None)
    assert done.returncode != 0
    assert "InputError: family: unknown name 'one_machine'; expected one of job_shop" in done.stderr


def test_the_list_shows_family_and_rule(installed: Path) -> None:
    done = run("evaluate.py", "list", path=installed)
    assert done.returncode == 0, done.stderr
    assert "one_machine" in done.stdout
    assert "rule:shortest" in done.stdout


def test_its_rules_are_judged(installed: Path, tmp_path: Path) -> None:
    suite, out = tmp_path / "three.yaml", tmp_path / "out"
    suite.write_text(SUITE, encoding="utf-8")
    methods = "rule:shortest,rule:shortest:descending=true"
    done = run("evaluate.py", "run", "--suite", str(suite), "--methods", methods, "--out", str(out), path=installed)
    assert done.returncode == 0, done.stderr + done.stdout
    rows = [json.loads(line) for line in (out / "rows.jsonl").read_text(encoding="utf-8").splitlines()]
    assert len(rows) == 10
    assert {row["family"] for row in rows} == {"one_machine"}
    assert all(row["feasible"] and row["reference_kind"] == "optimal" for row in rows)
    gaps = {method: [row["gap"] for row in rows if row["method"] == method] for method in methods.split(",")}
    assert gaps["rule:shortest"] == [0.0] * 5
    assert min(gaps["rule:shortest:descending=true"]) > 0.0


def test_the_rule_of_the_page_is_found_by_its_entry_point_and_judged(tmp_path: Path) -> None:
    """The entries that the page shows, as an installed package has them, beside the example's file."""
    text = (ROOT / "docs" / "add_a_rule.md").read_text(encoding="utf-8")
    (block,) = re.findall(r"(?s)```toml\n(.*?)```", text)
    entries = tomllib.loads(block)["project"]["entry-points"]
    lines = []
    for group, named in entries.items():
        lines += [f"[{group}]", *(f"{name} = {target}" for name, target in named.items())]
    info, out = tmp_path / "job_shop_rule-0.0.1.dist-info", tmp_path / "out"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: job-shop-rule\nVersion: 0.0.1\n", encoding="utf-8")
    (info / "entry_points.txt").write_text("\n".join(lines), encoding="utf-8")
    (tmp_path / "job_shop_rule.py").write_bytes((ROOT / "examples" / "job_shop_rule.py").read_bytes())
    assert "rule:steep" in text
    methods = "rule:steep,rule:steep:timing=active"
    command = ["evaluate.py", "run", "--instances", "job_shop:ta01..ta03", "--methods", methods, "--out", str(out)]
    done = run(*command, "--no-report", path=tmp_path)
    assert done.returncode == 0, done.stderr + done.stdout
    rows = [json.loads(line) for line in (out / "rows.jsonl").read_text(encoding="utf-8").splitlines()]
    assert next(row["value"] for row in rows if row["method"] == "rule:steep") == 1449
    assert len({row["method"] for row in rows}) == 2
    assert all(row["feasible"] for row in rows)

"""Runs that go on where they stopped: after a kill, with half-written files, and only with the same settings."""

import json
import os
import random
import subprocess
import sys
import time
from dataclasses import asdict
from pathlib import Path

import pytest

from ganttlet_agents.cli import main
from ganttlet_agents.evaluation.locking import sole_run
from ganttlet_agents.evaluation.results import load_results, solution_path
from ganttlet_agents.evaluation.rows import MEASURED

ROOT = Path(__file__).resolve().parents[2]
SUITE = """\
about: three jobs on one machine
family: one_machine
instances: {few: [{generator: three, seeds: 0..2}], more: [{generator: three, seeds: 3..5}]}
methods: ["trial:random", "rule:shortest", "trial:second_seed"]
reference: {method: "trial:random:tries=3"}
seeds: 0..1
"""
ROWS = 6 * 4 * 2


@pytest.fixture(autouse=True)
def _here(tmp_path, monkeypatch, trials):
    monkeypatch.chdir(tmp_path)
    Path("trial.yaml").write_text(SUITE, encoding="utf-8")


def evaluate(*words):
    return main(["run", "--suite", "trial.yaml", "--no-report", *words], within="evaluate")


def unmeasured(folder):
    return [
        {key: value for key, value in asdict(row).items() if key not in MEASURED} for row in load_results(folder).rows
    ]


@pytest.fixture
def whole():
    """Return an uninterrupted run's folder."""
    assert evaluate("--out", "whole") == 1
    assert len(load_results(Path("whole")).rows) == ROWS
    return Path("whole")


def cut(folder, rows, tail=b""):
    """Leave of a whole run what it had after so many rows."""
    path = folder / "rows.jsonl"
    path.write_bytes(b"".join(path.read_bytes().splitlines(keepends=True)[:rows]) + tail)
    meta = json.loads((folder / "meta.json").read_text(encoding="utf-8"))
    meta |= {"state": "running", "finished": None, "references": {}}
    (folder / "meta.json").write_text(json.dumps(meta), encoding="utf-8")


@pytest.mark.parametrize(("rows", "jobs"), [(0, 1), (1, 1), (3, 1), (29, 1), (ROWS, 1), (3, 2)])
def test_a_run_goes_on_where_it_stopped(whole, rows, jobs):
    before = load_results(whole)
    cut(whole, rows)
    assert evaluate("--out", "whole", "--resume", "--jobs", str(jobs)) == 1
    after = load_results(whole)
    assert unmeasured(whole) == [
        {key: value for key, value in asdict(row).items() if key not in MEASURED} for row in before.rows
    ]
    # Kept, not made again.
    assert after.rows[:rows] == before.rows[:rows]
    assert after.meta["state"] == "complete"
    assert after.meta["references"] == before.meta["references"]
    assert (after.meta["command"], after.meta["started"]) == (before.meta["command"], before.meta["started"])
    assert len(after.meta["resumed"]) == 1


def test_what_a_killed_run_left_half_written_is_made_again(whole):
    before = unmeasured(whole)
    cut(whole, 5, tail=(whole / "rows.jsonl").read_bytes().splitlines()[5][:70])
    # A solution without its row, another that was being written, and the lock of a process that is no more.
    solution_path(whole, before[5]["key"]).write_text("{", encoding="utf-8")
    half = whole / "solutions" / f".{before[6]['key']}.json.0123456789ab"
    half.write_text("{", encoding="utf-8")
    (whole / ".running").write_text("", encoding="utf-8")
    assert evaluate("--out", "whole", "--resume") == 1
    assert unmeasured(whole) == before
    assert json.loads(solution_path(whole, before[5]["key"]).read_text(encoding="utf-8"))["kind"] == "solution"
    assert not half.exists()
    assert sorted(path.name for path in whole.iterdir()) == ["instances", "meta.json", "rows.jsonl", "solutions"]


def test_rows_of_another_commit_are_told(whole, capsys):
    path = whole / "rows.jsonl"
    lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
    other = json.dumps({**json.loads(lines[0]), "commit": "0123456"}) + "\n"
    path.write_text("".join([other, *lines[1:]]), encoding="utf-8")
    capsys.readouterr()
    assert evaluate("--out", "whole", "--resume", "--jobs", "2") == 1
    out = " ".join(capsys.readouterr().out.split())
    assert "Rows of several commits: 0123456, " in out
    # The times are those of the run that made the rows.
    assert "side by side" not in out


def test_a_whole_run_is_only_reported_again(whole, capsys):
    files = {path: path.read_bytes() for path in whole.rglob("*") if path.is_file()}
    capsys.readouterr()
    assert evaluate("--out", "whole", "--resume") == 1
    assert "trial:random:tries=3" in capsys.readouterr().out
    assert {path: path.read_bytes() for path in whole.rglob("*") if path.is_file()} == files


def test_resume_begins_what_has_not_begun():
    Path("out").mkdir()
    (Path("out") / ".meta.json.0123456789ab").write_text("{", encoding="utf-8")
    assert evaluate("--out", "out", "--resume", "--methods", "rule:shortest") == 0
    assert len(load_results(Path("out")).rows) == 24


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--seeds", "0,2"], "seeds 1 there, 2 here"),
        (
            ["--methods", "rule:shortest", "trial:random:tries=2"],
            "methods trial:random, trial:second_seed there, trial:random:tries=2 here",
        ),
        (["--reference", "best_known"], "reference trial:random:tries=3 there, best_known here"),
        (["--groups", "few"], "instances "),
        (["--seeds", "1,0"], "seeds in another order"),
    ],
)
def test_other_settings_are_refused_by_name(whole, capsys, words, message):
    before = (whole / "rows.jsonl").read_bytes()
    capsys.readouterr()
    assert evaluate("--out", "whole", "--resume", *words) == 2
    err = capsys.readouterr().err
    assert err.startswith("error: whole: was begun with other settings, so it is not continued: ")
    assert message in err
    assert err.count("\n") == 1
    assert (whole / "rows.jsonl").read_bytes() == before


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        (lambda lines: [*lines, lines[0]], f"rows.jsonl, line {ROWS + 1}: key "),
        (lambda lines: [lines[0].replace(b'"key": "', b'"key": "f')], "is of no row of this run"),
        (lambda lines: [b"{\n"], "rows.jsonl, line 1: not valid JSON"),
    ],
)
def test_damaged_rows_are_named(whole, capsys, rows, message):
    path = whole / "rows.jsonl"
    path.write_bytes(b"".join(rows(path.read_bytes().splitlines(keepends=True))))
    capsys.readouterr()
    assert evaluate("--out", "whole", "--resume") == 2
    assert message in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--resume"], "--resume needs --out"),
        (["--resume", "--overwrite", "--out", "x"], "--resume and --overwrite are both given"),
        (["--resume", "--out", "."], "holds no results (meta.json is missing), so it is not continued"),
        (["--out", "."], "pass --resume to go on with it"),
        (["--jobs", "0"], "--jobs: got 0; expected 1 or more"),
        (["--timeout", "0"], "--timeout: got 0; expected seconds greater than 0"),
        (["--timeout", "inf"], "--timeout: got inf; expected seconds greater than 0"),
    ],
)
def test_mistakes_take_one_line(capsys, words, message):
    assert evaluate(*words) == 2
    err = capsys.readouterr().err
    assert err.startswith("error: ")
    assert message in err
    assert err.count("\n") == 1


def test_two_runs_do_not_share_a_folder(whole, capsys):
    with sole_run(whole):
        capsys.readouterr()
        for word in ("--resume", "--overwrite"):
            assert evaluate("--out", "whole", word) == 2
            assert "whole: another run is writing to it" in capsys.readouterr().err
    assert len(load_results(whole).rows) == ROWS


@pytest.mark.skipif(sys.platform == "win32", reason="SIGKILL")
@pytest.mark.parametrize("jobs", [1, 2])
def test_a_killed_run_ends_as_an_uninterrupted_one(trials, jobs):
    methods = ["--methods", "trial:random:wait=0.05", "rule:shortest", "trial:second_seed"]
    assert evaluate("--out", "whole", *methods) == 1
    words = ["run", "--suite", "trial.yaml", "--no-report", "--out", "killed", "--jobs", str(jobs), *methods]
    path = os.pathsep.join([*trials, *filter(None, [os.environ.get("PYTHONPATH")])])
    rows, rng = Path("killed") / "rows.jsonl", random.Random(jobs)

    def begin():
        command = [sys.executable, str(ROOT / "evaluate.py"), *words, "--resume"]
        return subprocess.Popen(
            command,
            env={**os.environ, "PYTHONPATH": path},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )

    for _ in range(2):
        had = rows.read_bytes().count(b"\n") if rows.exists() else 0
        process = begin()
        while process.poll() is None and not (rows.exists() and rows.read_bytes().count(b"\n") > had + 2):
            time.sleep(0.005)
        time.sleep(rng.random() * 0.05)
        process.kill()  # alone, as the system does when memory runs out: its workers must end by themselves
        process.wait()
    assert 0 < len(load_results(Path("killed")).rows) < ROWS
    assert begin().wait(timeout=300) == 1
    assert unmeasured(Path("killed")) == unmeasured(Path("whole"))
    found = load_results(Path("killed")).meta
    assert found["state"] == "complete"
    assert found["references"] == load_results(Path("whole")).meta["references"]

import errno
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

from ganttlet.core import family as core_family
from ganttlet.core.data import data_set_digest
from ganttlet.core.family import DataSet
from ganttlet_agents.cli import main
from ganttlet_agents.config import checkout
from ganttlet_agents.evaluation.results import load_results

LIGHT = [
    "methods",
    "suite",
    "rows",
    "runner",
    "results",
    "statistics",
    "user_methods",
    "summary",
    "tables",
    "report",
    "charts",
    "plots",
    "markup",
    "provenance",
    "attempt",
    "workers",
    "resume",
    "references",
    "budgets",
    "compare",
    "costs",
    "locking",
]
HEAVY = ("torch", "ortools", "matplotlib", "rich", "tyro", "stable_baselines3")


@pytest.fixture(autouse=True)
def _here(tmp_path, monkeypatch, sack):
    monkeypatch.chdir(tmp_path)


def evaluate(*words):
    return main(["run", *words], within="evaluate")


def one_line(capsys):
    err = capsys.readouterr().err
    assert err.startswith("error: ")
    assert err.count("\n") == 1
    return err


def test_run_prints_tables_and_writes_files(capsys):
    assert evaluate("--instances", "sack:s01..s03", "--methods", "rule:smallest,solver:exact", "--out", "out") == 0
    out = capsys.readouterr().out
    assert "rule:smallest" in out
    assert "3/3" in out
    assert sorted(path.name for path in Path("out").iterdir()) == [
        "instances",
        "meta.json",
        "report.html",
        "rows.jsonl",
        "solutions",
    ]
    assert len(load_results(Path("out")).rows) == 6


def test_options_reach_the_run():
    words = ["--objectives", "slack", "count", "--seeds", "3..4", "--reference", "solver:exact"]
    words += ["--methods", "rule:random", "rule:smallest", "--baseline", "rule:smallest", "--no-report"]
    assert evaluate("--instances", "sack:s03", "sack:s09", *words, "--out", "out") == 0
    results = load_results(Path("out"))
    assert {row.objective for row in results.rows} == {"slack", "count"}
    assert {row.seed for row in results.rows} == {3, 4}
    assert [entry["label"] for entry in results.meta["methods"]] == ["solver:exact", "rule:random", "rule:smallest"]
    assert not Path("out/report.html").exists()


def test_commas_separate_seeds_and_objectives():
    words = ["--instances", "sack:s01", "--methods", "rule:smallest", "--out", "out", "--no-report"]
    assert evaluate(*words, "--seeds", "0,1", "--objectives", "slack,count") == 0
    rows = load_results(Path("out")).rows
    assert [(row.objective, row.seed) for row in rows] == [("slack", 0), ("slack", 1), ("count", 0), ("count", 1)]


def test_help_tells_of_commas(capsys):
    with pytest.raises(SystemExit):
        evaluate("--help")
    text = " ".join(capsys.readouterr().out.replace("│", " ").split())
    assert "Objectives to judge by, separated by commas or spaces" in text
    assert "numbers separated by commas or spaces" in text


def test_suite_with_a_blank_in_its_name(capsys):
    Path("my suite.yaml").write_text("family: sack\ninstances: [s01]\nmethods: [rule:smallest]\n", encoding="utf-8")
    assert evaluate("--suite", "my suite.yaml", "--no-report") == 0
    assert load_results(Path("results/my-suite-1")).meta["suite"]["name"] == "my suite"
    capsys.readouterr()
    for name in ("my suite", ""):
        assert evaluate("--suite", "my suite.yaml", "--name", name) == 2
        assert "expected letters, digits" in one_line(capsys)


def test_page_that_cannot_be_written_takes_one_line(capsys):
    assert evaluate("--instances", "sack:s01", "--methods", "rule:smallest", "--out", "out", "--no-report") == 0
    Path("file").write_text("", encoding="utf-8")
    page = Path("file") / "page.html"
    capsys.readouterr()
    assert main(["evaluate", "report", "out", "--out", str(page)]) == 2
    assert f"error: {page}: cannot be written: " in one_line(capsys)


def test_full_disk_takes_one_line(capsys, monkeypatch):
    def full(descriptor):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    assert evaluate("--instances", "sack:s01", "--methods", "rule:smallest", "--out", "out") == 2
    assert f"rows.jsonl: cannot be written: {os.strerror(errno.ENOSPC)}" in one_line(capsys)
    assert load_results(Path("out")).meta["state"] == "interrupted"


def test_any_other_file_error_takes_one_line(capsys, monkeypatch):
    def refuse(*arguments, **options):
        raise PermissionError(errno.EACCES, "Permission denied", "somewhere")

    monkeypatch.setattr("ganttlet_agents.cli.evaluate.new_folder", refuse)
    assert evaluate("--instances", "sack:s01", "--methods", "rule:smallest") == 2
    assert one_line(capsys) == "error: somewhere: Permission denied\n"


def test_suite_by_path_with_its_own_methods():
    Path("mine.yaml").write_text("family: sack\ninstances: [s01]\nmethods: [rule:smallest]\n", encoding="utf-8")
    assert evaluate("--suite", "mine.yaml") == 0
    assert load_results(Path("results/mine-1")).meta["suite"]["name"] == "mine"


def test_groups_of_a_suite_can_be_named():
    text = "family: sack\ninstances: {one: [s01], 'two, small': [s02], three: [s03]}\nmethods: [rule:smallest]\n"
    Path("mine.yaml").write_text(text, encoding="utf-8")
    words = ["--suite", "mine.yaml", "--out", "out", "--no-report"]
    assert evaluate(*words, "--groups", "three", "two, small") == 0
    assert [(row.instance, row.group) for row in load_results(Path("out")).rows] == [
        ("s03", "three"),
        ("s02", "two, small"),
    ]


def test_named_runs_take_new_numbered_folders(capsys):
    for _ in range(2):
        evaluate("--instances", "sack:s01", "--methods", "rule:smallest", "--name", "demo", "--no-report")
    assert sorted(path.name for path in Path("results").iterdir()) == ["demo-1", "demo-2"]
    assert f"results: {Path('results') / 'demo-2'}" in capsys.readouterr().out


def test_failed_rows_set_the_exit_code(capsys):
    assert evaluate("--instances", "sack:s01", "--methods", "rule:crash,rule:smallest", "--out", "out") == 1
    captured = capsys.readouterr()
    assert "failed: s01 count rule:crash seed 0: ZeroDivisionError: no luck" in captured.err
    assert "rule:crash failed on 1 row" in captured.out
    assert "rule:crash failed on 1 row" in Path("out/report.html").read_text(encoding="utf-8")


def test_conflicts_set_the_exit_code():
    assert evaluate("--instances", "sack:s01", "--methods", "rule:liar", "--out", "out") == 1


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "expected either --suite or --instances"),
        (["--suite", "small", "--instances", "sack:s01"], "expected either --suite or --instances"),
        (["--suite", "smal"], "suite: unknown name 'smal'; expected one of dmu, "),
        (["--instances", "sack:*.txt"], "no file matches"),
        (["--instances", "sack:s01"], "names no methods"),
        (["--instances", "sack:s01", "--groups", "a"], "--groups: unknown value 'a'"),
        (["--instances", "sack:s01", "--methods", "rule:largest"], "unknown rule 'largest'"),
        (["--instances", "sack:s01", "--methods", "rule:random", "--objectives", "x"], "--objectives: unknown value"),
        (["--instances", "sack:s01", "--methods", "rule:random", "--seeds", "x"], "--seeds: got"),
        (
            ["--instances", "sack:s01", "--methods", "rule:random", "--seeds", "1", "1"],
            "--seeds: a seed is given twice",
        ),
        (["--instances", "sack:s01", "--methods", "rule:random", "--reference", "best"], "expected kind:name"),
        (
            ["--instances", "sack:s01", "--methods", "rule:random", "--reference", "optimal"],
            "reference: expected one of best_known, none, or a method",
        ),
        (["--instances", "sack:s01", "--methods", "rule:random", "--objectives", ","], "--objectives: none given"),
        (["--instances", "sack:s01", "--methods", "rule:random", "--seeds", ","], "--seeds: got []"),
        (["--instances", "sack:s01", "--methods", "rule:random", "--baseline", "rule:x"], "--baseline: unknown method"),
        (["--instances", "sack:s01", "--methods", "rule:random", "--charts", "-1"], "--charts: got -1"),
        (["--instances", "sack:s01", "--methods", "rule:random", "--name", "x"], "--out and --name are both given"),
    ],
)
def test_mistakes_take_one_line_and_leave_nothing(capsys, words, message):
    assert evaluate(*words, "--out", "out") == 2
    assert message in one_line(capsys)
    assert not Path("out").exists()


def test_overwrite_needs_a_folder(capsys):
    assert evaluate("--instances", "sack:s01", "--methods", "rule:random", "--overwrite") == 2
    assert "--overwrite needs --out" in one_line(capsys)


def test_results_are_overwritten_only_when_asked(capsys):
    words = ["--instances", "sack:s01", "--out", "out", "--methods"]
    assert evaluate(*words, "rule:smallest") == 0
    capsys.readouterr()
    assert evaluate(*words, "rule:random") == 2
    assert "exists already" in one_line(capsys)
    assert {row.method for row in load_results(Path("out")).rows} == {"rule:smallest"}
    assert evaluate(*words, "rule:largest", "--overwrite") == 2
    assert {row.method for row in load_results(Path("out")).rows} == {"rule:smallest"}
    assert evaluate(*words, "rule:random", "--overwrite") == 0
    assert {row.method for row in load_results(Path("out")).rows} == {"rule:random"}


def test_interrupt_keeps_rows_and_exits_130(capsys, sack, monkeypatch):
    original = sack.Pack.solve

    def solve(self, instance, *, objective, seed):
        if instance.name == "s03":
            raise KeyboardInterrupt
        return original(self, instance, objective=objective, seed=seed)

    monkeypatch.setattr(sack.Pack, "solve", solve)
    assert evaluate("--instances", "sack:s01..s05", "--methods", "rule:smallest", "--out", "out") == 130
    assert "the rows so far are in out" in capsys.readouterr().err
    results = load_results(Path("out"))
    assert [row.instance for row in results.rows] == ["s01", "s02"]
    assert results.meta["state"] == "interrupted"


def test_report_is_written_again_from_the_files(capsys):
    evaluate("--instances", "sack:s01..s03", "--methods", "rule:smallest,rule:random", "--out", "out", "--no-report")
    words = ["evaluate", "report", "out", "--baseline", "rule:random", "--charts", "1", "--out", "page.html"]
    assert main(words) == 0
    assert "Paired against rule:random" in Path("page.html").read_text(encoding="utf-8")
    assert "paired against rule:random" in capsys.readouterr().out
    assert main(["evaluate", "report", "nowhere"]) == 2
    assert "meta.json: cannot be read" in one_line(capsys)


def test_list_shows_every_section(capsys):
    assert main(["evaluate", "list"]) == 0
    out = capsys.readouterr().out
    for words in (
        "test/Sack-v0",
        "rule:smallest",
        "one of low, high",
        "solver:exact",
        "taillard_quick",
        "plain",
        "sizes 1 to 8",
    ):
        assert words in out


def test_list_can_be_narrowed(capsys):
    assert main(["evaluate", "list", "--only", "solver", "--family", "sack"]) == 0
    out = capsys.readouterr().out
    assert "solver:exact" in out
    assert "rule:" not in out
    assert "JobShop" not in out
    assert main(["evaluate", "list", "--only", "rulez"]) == 2
    assert "--only: unknown value 'rulez'" in one_line(capsys)


@pytest.fixture
def data_sets(tmp_path, monkeypatch, sack):
    folder = tmp_path / "data" / "sacks"
    folder.mkdir(parents=True)
    for name in ("a.txt", "b.txt"):
        (folder / name).write_text(name, encoding="utf-8")
    entry = DataSet("sacks", "sacks/*.txt", 2, "nowhere", "MIT", data_set_digest(folder))
    family = replace(sack.FAMILY, data_sets=(entry,))
    monkeypatch.setattr(sys.modules["sack_family"], "FAMILY", family)
    monkeypatch.setattr(core_family, "BUILT_IN", {"sack": "sack_family:FAMILY"})
    monkeypatch.setattr(core_family, "entry_points", lambda group: [])
    monkeypatch.setenv("GANTTLET_DATA", str(tmp_path / "data"))
    core_family.get_family.cache_clear()
    return folder


def test_data_list_and_check(data_sets, capsys):
    assert main(["data", "list"]) == 0
    assert "sacks/*.txt" in capsys.readouterr().out
    assert main(["data", "check"]) == 0
    assert "sack sacks: ok, 2 files" in capsys.readouterr().out


def test_data_check_tells_differences(data_sets, capsys):
    (data_sets / "a.txt").write_text("changed", encoding="utf-8")
    assert main(["data", "check"]) == 1
    assert "sack sacks: differs: SHA-256" in capsys.readouterr().out
    (data_sets / "a.txt").unlink()
    assert main(["data", "check"]) == 1
    assert "1 files match" in capsys.readouterr().out
    (data_sets / "b.txt").unlink()
    assert main(["data", "check"]) == 0
    assert "sack sacks: absent" in capsys.readouterr().out


def test_version_names_the_packages(capsys):
    assert main(["version"]) == 0
    out = capsys.readouterr().out
    assert "ganttlet " in out
    assert "numpy " in out


@pytest.mark.parametrize("words", [["frobnicate"], ["evaluate", "run", "--sweet", "small"], ["evaluate"], []])
def test_unknown_words_exit_with_2(words, capsys):
    with pytest.raises(SystemExit) as stop:
        main(words)
    assert stop.value.code == 2


def test_evaluation_imports_are_light():
    names = ", ".join(f"ganttlet_agents.evaluation.{name}" for name in LIGHT)
    code = f"import sys, ganttlet_agents, ganttlet_agents.solvers, {names}\n"
    code += f"print([name for name in {HEAVY!r} if name in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_missing_extra_is_told_in_one_line():
    code = "import sys; sys.modules['tyro'] = None\nfrom ganttlet_agents.cli import main\nsys.exit(main(['version']))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stderr.strip() == "error: tyro is not installed; get it with: pip install 'ganttlet[eval]'"


def test_shell_in_the_checkout_runs():
    root = checkout()
    if root is None:
        pytest.skip("not run from a source checkout")
    done = subprocess.run(
        [sys.executable, str(root / "evaluate.py"), "run", "--suite", "smal"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert done.stderr.startswith("error: suite: unknown name 'smal'")


@pytest.mark.skipif(os.name != "posix", reason="sends a POSIX signal")
def test_ctrl_c_stops_a_running_solver():
    pytest.importorskip("ortools")
    # A shell that starts tests in its background lets them ignore SIGINT.
    code = (
        "import signal, sys\nsignal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "from ganttlet_agents.cli import main\nsys.exit(main(within='evaluate'))"
    )
    words = ["run", "--instances", "job_shop:ft06", "job_shop:ta71", "--methods", "solver:cpsat:time=300"]
    process = subprocess.Popen(
        [sys.executable, "-c", code, *words, "--out", "out"], stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    rows = Path("out/rows.jsonl")
    while process.poll() is None and not rows.exists():
        time.sleep(0.05)
    time.sleep(1.0)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert [row.instance for row in load_results(Path("out")).rows] == ["ft06"]

"""What a worker on a node does without its driver: files brought along, answers in time, what must agree."""

import json
import os
import shutil
import sys
import time
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest

from ganttlet.core.errors import InputError
from ganttlet.core.family import get_family
from ganttlet_agents.distributed.carried import file_facts, read_carried, unpack
from ganttlet_agents.distributed.identity import first_difference
from ganttlet_agents.distributed.worker import EvaluationWorker, Setup
from ganttlet_agents.evaluation.methods import parse_methods
from ganttlet_agents.evaluation.suite import adhoc_suite, load_instances
from ganttlet_agents.evaluation.workers import Job
from ganttlet_agents.policy.shipped import WEIGHTS, WITHIN, find_checkpoint

OWN = """
class Own:
    information = "causal"

    def solve(self, instance, *, objective, seed):
        raise ValueError("no")

    def warm_up(self, instance, *, objective):
        import time
        time.sleep(0.2)
"""


@pytest.fixture
def driver(tmp_path, monkeypatch):
    """Be in a folder of the driver with code of one's own, in a file and as a module."""
    folder = tmp_path / "driver"
    (folder / "mine").mkdir(parents=True)
    (folder / "mine" / "own.py").write_text(OWN)
    (folder / "ownmodule_of_test.py").write_text(OWN)
    monkeypatch.chdir(folder)
    monkeypatch.setattr("sys.path", [*sys.path])
    return folder


def methods_of(*words):
    return parse_methods(words, get_family("job_shop"))


def test_files_below_the_current_directory_are_found_on_a_node_that_has_none_of_them(driver, monkeypatch, tmp_path):
    words = ("python:mine/own.py:Own", "python:ownmodule_of_test:Own", "rule:spt")
    methods = methods_of(*words)
    carried = read_carried(methods)
    assert set(carried) == {"mine/own.py", "ownmodule_of_test.py"}
    node = tmp_path / "node"
    node.mkdir()
    monkeypatch.chdir(node)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    unpack(str(tmp_path / "nowhere"), carried)
    assert Path.cwd() not in (node, driver)
    monkeypatch.delitem(sys.modules, "ownmodule_of_test")
    there = methods_of(*words)
    assert [method.code for method in there] == [method.code for method in methods]
    assert all(Path.cwd() in Path(method.files[0]).parents for method in there[:2])
    assert file_facts(there) == file_facts(methods)


def test_a_policy_of_a_run_folder_is_found_on_a_node_that_has_no_runs(driver, monkeypatch, tmp_path):
    kept = driver / "runs" / "mine" / WITHIN[0]
    kept.mkdir(parents=True)
    shutil.copy(find_checkpoint("job_shop"), kept)
    methods = methods_of("policy:runs/mine")
    carried = read_carried(methods)
    assert list(carried) == [(kept / WEIGHTS).relative_to(driver).as_posix()]
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    unpack(str(tmp_path / "nowhere"), carried)
    assert Path.cwd() != driver
    there = methods_of("policy:runs/mine")
    assert there[0].label == methods[0].label
    assert file_facts(there) == file_facts(methods)


def test_a_node_that_has_the_folder_works_in_it_and_another_with_nothing_to_carry_stays(driver, monkeypatch, tmp_path):
    carried = read_carried(methods_of("python:mine/own.py:Own"))
    monkeypatch.chdir(tmp_path)
    unpack(str(driver), carried)
    assert Path.cwd() == driver
    unpack(str(tmp_path / "nowhere"), {})
    assert Path.cwd() == driver


def test_a_file_that_differs_on_the_node_is_told_with_both_values(driver):
    here = file_facts(methods_of("python:mine/own.py:Own"))
    (driver / "mine" / "own.py").write_text(OWN + "\n# changed\n")
    there = file_facts(methods_of("python:mine/own.py:Own"))
    name = "file own.py of python:mine/own.py:Own"
    assert first_difference(there, here) == f"{name} is {there[name]} there, {here[name]} here"


def test_files_outside_the_current_directory_are_not_brought_along(driver, monkeypatch):
    monkeypatch.chdir(driver / "mine")
    (driver / "other.py").write_text(OWN)
    assert read_carried(methods_of("python:../other.py:Own")) == {}
    assert set(read_carried(methods_of(f"python:{os.path.abspath('own.py')}:Own"))) == {"own.py"}


def test_a_method_that_a_node_lacks_is_told(driver, monkeypatch, tmp_path):
    setup = Setup("job_shop", ("python:mine/own.py:Own",), str(tmp_path / "nowhere"), {})
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=r"mine/own.py: cannot be read"):
        setup.facts()
    with pytest.raises(InputError, match="family: unknown name 'knitting'"):
        Setup("knitting", (), "", {}).facts()


def test_a_timed_row_is_answered_before_the_next_one_is_loaded(driver, monkeypatch):
    monkeypatch.setattr("ganttlet_agents.distributed.worker.SHARD_SECONDS", 600.0)
    (entry,) = load_instances(adhoc_suite(["job_shop:ft06"]))
    digest = entry.instance.digest
    (driver / "instance.json").write_text("")
    labels = ("rule:spt", "python:mine/own.py:Own")
    jobs = [Job(i, digest, driver / "instance.json", "makespan", label, 0) for i, label in enumerate(labels)]
    contents = {digest: json.dumps(entry.instance.to_dict()).encode()}
    worker = EvaluationWorker(Setup("job_shop", labels, str(driver), {}))
    said = []
    begun = time.perf_counter()
    for answer in worker.attempt(jobs, contents, True):
        said += [(index, attempt is None, time.perf_counter() - begun) for index, attempt in answer]
    assert [(index, began) for index, began, _ in said] == [(0, True), (0, False), (1, True), (1, False)]
    # The second takes 0.2 s to load.
    assert said[2][2] - said[1][2] >= 0.2
    untimed = [answer for answer in worker.attempt(jobs, contents, False)]
    assert sorted(index for answer in untimed for index, _ in answer) == [0, 1]


def test_a_broken_installation_on_a_node_is_told_in_one_line(driver, monkeypatch):
    ray = ModuleType("ray")
    ray.get_runtime_context = lambda: SimpleNamespace(get_node_id=lambda: "f00")
    monkeypatch.setitem(sys.modules, "ray", ray)

    def facts(setup):
        raise ModuleNotFoundError("No module named 'yaml'")

    monkeypatch.setattr(Setup, "facts", facts)
    node, error = EvaluationWorker(Setup("job_shop", (), str(driver), {})).begin()
    assert node == "f00"
    assert isinstance(error, InputError)
    assert str(error) == "ModuleNotFoundError: No module named 'yaml'"


def test_what_a_worker_does_not_reach_in_time_is_left(driver, monkeypatch):
    monkeypatch.setattr("ganttlet_agents.distributed.worker.SHARD_SECONDS", 0.0)
    (entry,) = load_instances(adhoc_suite(["job_shop:ft06"]))
    digest = entry.instance.digest
    jobs = [Job(index, digest, driver, "makespan", "rule:spt", index) for index in range(3)]
    worker = EvaluationWorker(Setup("job_shop", ("rule:spt",), str(driver), {}))
    answers = worker.attempt(jobs, {digest: json.dumps(entry.instance.to_dict()).encode()}, False)
    assert [index for answer in answers for index, _ in answer] == [0]

"""``train --seeds --backend ray:ADDRESS`` as it is typed, on a cluster of several nodes simulated on this machine."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytest.importorskip("ray", reason="needs the ray extra")

import torch
import yaml
from safetensors.torch import load_file

import runs
from ganttlet.core.data import data_path
from ganttlet_agents.training.folder import RunFolder
from ganttlet_agents.training.loop import Trainer

ROOT = Path(__file__).resolve().parents[2]
PRESET = {**runs.BASE, "n_timesteps": 9_600, "save_freq": 200}
RUNS = Path("runs/job_shop")


@pytest.fixture
def cluster(monkeypatch):
    """Return a cluster of a head without cores; what is added to it ends with the test."""
    monkeypatch.setenv("RAY_AUTH_MODE", "disabled")
    from ray.cluster_utils import Cluster

    made = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "include_dashboard": False})
    try:
        yield made
    finally:
        made.shutdown()


@pytest.fixture
def begin(tmp_path):
    """Return what starts train.py in the test's folder, which holds the preset."""
    (tmp_path / "tiny.yaml").write_text(yaml.safe_dump(PRESET), encoding="utf-8")
    started = []

    def start(*words):
        command = [sys.executable, str(ROOT / "train.py"), "job_shop", "--preset", "tiny.yaml", *words]
        process = subprocess.Popen(
            command, cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
        )
        started.append(process)
        return process

    yield start
    for process in started:
        if process.poll() is None:
            process.kill()
        process.communicate()


def until(condition, process):
    """Wait until something has happened, or the process has ended."""
    while not condition() and process.poll() is None:
        time.sleep(0.05)


def states(path):
    return sorted(one.name for one in (path / "checkpoints").glob("state-*"))


@pytest.mark.long
def test_a_node_that_is_lost_costs_no_seed(cluster, begin, tmp_path):
    nodes = [cluster.add_node(num_cpus=1) for _ in range(2)]
    process = begin("--seeds", "0..1", "--name", "ray", "--backend", f"ray:{cluster.address}")
    paths = [tmp_path / RUNS / f"ray-seed{seed}" for seed in (0, 1)]
    # Both have trained, and one of them loses its node.
    until(lambda: all(states(path) not in ([], ["state-000000000000"]) for path in paths), process)
    assert process.poll() is None
    cluster.remove_node(nodes[1], allow_graceful=False)
    out, err = process.communicate(timeout=300)
    assert process.returncode == 0, out + err[-2000:]
    assert out.count("finished") == 2
    local = begin("--seeds", "0..1", "--name", "local")
    assert local.communicate(timeout=300)[1].count("decisions")
    for seed in (0, 1):
        folders = [RunFolder(tmp_path / RUNS / f"{name}-seed{seed}") for name in ("ray", "local")]
        assert runs.progress(folders[0]) == runs.progress(folders[1])
        assert runs.judged(folders[0]) == runs.judged(folders[1])
        first, second = (load_file(folder.last / "policy.safetensors") for folder in folders)
        assert all(torch.equal(value, second[key]) for key, value in first.items())


@pytest.mark.long
@pytest.mark.parametrize(("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_stopped_from_outside_each_seed_goes_on_here(cluster, begin, tmp_path, number, code):
    cluster.add_node(num_cpus=1)
    process = begin("--seeds", "4", "5", "-n", "960000", "--backend", f"ray:{cluster.address}")
    paths = [tmp_path / RUNS / f"tiny-seed{seed}" for seed in (4, 5)]
    until(lambda: states(paths[0]) not in ([], ["state-000000000000"]), process)
    os.killpg(process.pid, number)
    out, err = process.communicate(timeout=120)
    assert process.returncode == code, err
    for seed in (4, 5):
        assert f"seed {seed} stopped; go on with: --resume {RUNS / f'tiny-seed{seed}'}" in out
    assert states(paths[1]) == []
    assert int(runs.progress(RunFolder(paths[0]))[-1]["timesteps"]) > 0
    for path in paths:
        opened, config = RunFolder.open(path)
        assert Trainer(config, resume=opened).resumed == (path == paths[0])


@pytest.mark.long
@pytest.mark.skipif(not data_path("job_shop", "instances", "la", "la01.txt").is_file(), reason="no outside data")
def test_a_node_without_the_data_is_named_before_anything_is_made(cluster, begin, tmp_path):
    cluster.add_node(num_cpus=1, env_vars={"GANTTLET_DATA": str(tmp_path / "nowhere")})
    instance = ("-p", "env_kwargs={timing: active, observation: machines, instance: la01}")
    process = begin("--seeds", "0..1", "--backend", f"ray:{cluster.address}", *instance)
    err = process.communicate(timeout=120)[1]
    assert process.returncode == 2
    line = err.splitlines()[-1]
    assert line.startswith("error: node ")
    assert "instance 'la01': " in line
    assert "nowhere" in line
    assert not (tmp_path / "runs").exists()

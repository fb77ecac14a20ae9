"""Small training runs that tests share: settings of every kind, and running them with stops."""

import csv
import os
import signal

import torch

from ganttlet_agents.settings import build
from ganttlet_agents.training.config import TrainConfig
from ganttlet_agents.training.folder import RunFolder, read_evaluations
from ganttlet_agents.training.loop import Trainer

FIT = {"batch_size": 32, "n_epochs": 2}
TEACHER = {"teacher": "rule:spt:best_of=2", "instances": 4, "fit": FIT}
BASE = {
    "env": "ganttlet/JobShop-v0",
    "env_kwargs": {
        "timing": "active",
        "observation": "machines",
        "generator": {"name": "uniform", "jobs": [2, 3], "machines": 3},
    },
    "n_timesteps": 480,
    "network": {"encoder": "attention", "width": 8, "layers": 1, "heads": 2, "hidden": 8},
    "ppo": {"n_envs": 4, "n_steps": 12, "batch_size": 24, "n_epochs": 2},
    "imitation": TEACHER,
    "self_labelling": {"samples": 4, "instances": 2, "fit": FIT},
    "gumbel": {"simulations": 3, "n_envs": 3, "capacity": 40, "updates": 2, "batch_size": 16},
    "validation": {"count": 3, "reference": "rule:spt"},
    "eval_freq": 100,
    "save_freq": 1000,
    "threads": 1,
}
LARGE = {"name": "uniform", "machines": 1}
KINDS = {
    "ppo": {},
    "imitation": {"algorithm": "imitation", "n_timesteps": 300},
    "self_labelling": {"algorithm": "self_labelling"},
    "gumbel": {"algorithm": "gumbel", "n_timesteps": 100},
    "both": {"warm_start": {**TEACHER, "n_timesteps": 120}, "n_timesteps": 240},
    "ppo_fixed": {"env_kwargs": {**BASE["env_kwargs"], "pool_size": 3, "gamma": 0.9}, "n_timesteps": 240},
    "forced": {
        "env_kwargs": {**BASE["env_kwargs"], "skip_forced": True, "gamma": 0.9},
        "warm_start": {**TEACHER, "n_timesteps": 60},
        "n_timesteps": 144,
    },
    "group": {
        "env_kwargs": {**BASE["env_kwargs"], "skip_forced": True, "gamma": 0.9},
        "ppo": {**BASE["ppo"], "group": 2, "baseline": "group"},
        "n_timesteps": 240,
    },
    "gnn": {"network": {"encoder": "gnn", "width": 8, "layers": 1}, "n_timesteps": 96},
}


def config_of(kind, **changes):
    return build(TrainConfig, {**BASE, **KINDS[kind], **changes}, "here")


def train(config, path, stop=(), number=signal.SIGTERM):
    """Run to the end, stopped by a signal after each of the updates counted in ``stop`` and resumed."""
    updates = [0]

    def on_status(status):
        updates[0] += 1
        if updates[0] in stop:
            os.kill(os.getpid(), number)

    trainer = Trainer(config, on_status)
    folder = RunFolder.new(path.parent.parent, "job_shop", path.name, True, config)
    while True:
        ended = trainer.run(folder)
        if ended is None:
            return folder
        assert ended == number
        assert not trainer.book.finished
        folder, config = RunFolder.open(folder.path)
        # What the process drew before must not matter.
        torch.rand(7)
        trainer = Trainer(config, on_status, folder)


def progress(folder, without=("seconds", "steps_per_s")):
    with open(folder.path / "progress.csv", newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    return [{key: value for key, value in row.items() if key not in without} for row in rows]


def judged(folder):
    return [
        {key: value for key, value in line.items() if not key.endswith("seconds")}
        for line in read_evaluations(folder.path)
    ]

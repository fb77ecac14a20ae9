"""Speed of PPO fed by RLlib's workers beside that of Stable-Baselines3's path: one preset, network and batch.

    python benchmarks/rllib.py                                   # about two minutes; needs the rllib extra
    python benchmarks/rllib.py --preset job_shop/quick --workers 0 1 2 4

Every case runs in a process of its own, whose PyTorch has one thread; each worker has one, too. A rate is the decisions
of an update, rollout and training on it, per second; the first update, which loads what is needed, does not count.
RLlib's learner trains in the run's own process while the workers wait, so workers speed up the rollout alone, whose
share of RLlib's updates is measured. What a decision weighs on its way is what its observation holds.
"""

from __future__ import annotations

import argparse
import json
import os
import shlex
import statistics
import sys
import time
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

import numpy as np
from training import apart

import ganttlet
from ganttlet_agents.config import load_config
from ganttlet_agents.distributed import rllib
from ganttlet_agents.evaluation import provenance
from ganttlet_agents.settings import build
from ganttlet_agents.training.config import TrainConfig
from ganttlet_agents.training.loop import Trainer

HERE = Path(__file__).parent
LEAST = 3  # updates that count


def settings(preset: str, workers: int | None) -> TrainConfig:
    """Return a preset on the CPU without what RLlib's path has not: a warm start, groups."""
    family, _, name = preset.partition("/")
    data = dict(load_config(f"train/{family}", name).data)
    data["ppo"] = {**data.get("ppo", {}), "group": 1, "baseline": "value"}
    data |= {"warm_start": None, "warm_start_from": None, "device": "cpu", "threads": 1}
    data["validation"] = {"count": 1}
    return build(TrainConfig, {**data, "rollout_workers": workers}, preset)


def speed(preset: str, workers: int | None, seconds: float) -> dict[str, Any]:
    """Return the rates of several updates, of SB3's path if there are no workers."""
    config = settings(preset, workers)
    begun = time.perf_counter()
    made: AbstractContextManager[Trainer] = nullcontext(Trainer(config)) if workers is None else rllib.trainer(config)
    with made as trainer:
        learner = trainer._learner
        ready = time.perf_counter() - begun
        learner.iterate(0.0)
        first = time.perf_counter() - begun - ready
        rates, shares, begun = [], [], time.perf_counter()
        while time.perf_counter() - begun < seconds or len(rates) < LEAST:
            since, before = time.perf_counter(), learner.timesteps
            learner.iterate(0.0)
            took = time.perf_counter() - since
            rates.append((learner.timesteps - before) / took)
            if workers is not None:
                shares.append(learner.rollout_seconds / took)  # type: ignore[attr-defined]
        spaces = trainer.task.make(1, "disabled").single_observation_space
        weight = sum(int(np.prod(space.shape)) * space.dtype.itemsize for space in spaces.values())
    return {
        "decisions/s": round(statistics.median(rates)),
        "least": round(min(rates)),
        "most": round(max(rates)),
        "updates": len(rates),
        "seconds until the first update": round(ready, 1),
        "seconds of the first update": round(first, 1),
        "bytes of an observation": weight,
        **({"share of the rollout": round(statistics.median(shares), 3)} if shares else {}),
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--preset", default="job_shop/quick", help="family/name")
    parser.add_argument("--workers", type=int, nargs="+", default=[0, 1, 2], help="numbers of RLlib's workers")
    parser.add_argument("--seconds", type=float, default=20.0, help="per case")
    parser.add_argument("--out", type=Path, default=HERE / "results" / "rllib.json")
    options = parser.parse_args()
    rllib.need_rllib()
    ppo = settings(options.preset, None).ppo
    result: dict[str, Any] = {
        "about": "decisions per second of PPO, rollout and update: Stable-Baselines3's path and RLlib's",
        "command": shlex.join(["python", *sys.argv]),
        "device": provenance.device(),
        "versions": {**provenance.versions(), "ganttlet": ganttlet.__version__},
        "commit": provenance.commit(),
        "load_before": os.getloadavg() if hasattr(os, "getloadavg") else None,
        "preset": options.preset,
        "ppo": {name: getattr(ppo, name) for name in ("n_envs", "n_steps", "batch_size", "n_epochs")},
        "rows": [],
    }
    for workers in (None, *options.workers):
        name = "Stable-Baselines3" if workers is None else "RLlib"
        row = {"path": name, "workers": workers} | apart(speed, options.preset, workers, options.seconds, threads=1)
        result["rows"].append(row)
        print(json.dumps(row), flush=True)
    options.out.parent.mkdir(parents=True, exist_ok=True)
    options.out.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    print(f"wrote {options.out}")


if __name__ == "__main__":
    main()

"""RL4CO 0.7's own stepwise PPO on job shops for a limited time, then greedy schedules; one JSON line.

Runs in RL4CO's own environment (``benchmarks/peers/setup.py rl4co`` makes it)::

    .bench/rl4co/bin/python benchmarks/peers/rl4co_training.py --jobs 6 --machines 6 --seconds 60 --instances FILE

The model is RL4CO's L2DPPOModel, trained by its RL4COTrainer on instances of its JSSPGenerator (uniform durations,
random machine orders). The defaults are those of the experiments ``scheduling/gnn-ppo`` and ``scheduling/hgnn-ppo`` in
its repository; their learning rate schedule is left out, because stepwise PPO optimises by hand and never steps it.
Training stops after the first batch that ends past ``--seconds``; a batch of 10x10 takes minutes on one thread.

* ``seconds``: from the start of training to the end of the last batch; imports and the first data set are outside.
* ``collected``: decisions taken by the policy in training, one per operation.
* ``env_steps``: those that one epoch of PPO learns from; what does not fill a mini-batch or the buffer is left out.
* ``updates``: optimiser steps, each on one mini-batch, in all epochs over the buffer.
* ``makespans``: greedy, by the trained policy, one per instance of FILE: ``{"instances": [{"machine": [[…]],
  "duration": [[…]]}]}``, machines from 0. Each schedule is checked here against its instance.
"""

from __future__ import annotations

import argparse
import itertools
import json
import logging
import os
import time
import warnings
from importlib.metadata import version
from pathlib import Path
from typing import Any


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--jobs", type=int, default=6)
    parser.add_argument("--machines", type=int, default=6)
    parser.add_argument("--min-duration", type=int, default=1)
    parser.add_argument("--max-duration", type=int, default=99)
    parser.add_argument("--seconds", type=float, default=60.0, help="of training")
    parser.add_argument("--instances", type=Path, help="JSON file of the instances to schedule after training")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--encoder", choices=("gnn", "hgnn"), default="gnn", help="the policy's feature extractor")
    parser.add_argument("--embed-dim", type=int, default=256)
    parser.add_argument("--layers", type=int, default=3)
    parser.add_argument("--batch", type=int, default=128, help="instances per round of collecting and learning")
    parser.add_argument("--mini-batch", type=int, default=512, help="decisions per update")
    parser.add_argument("--ppo-epochs", type=int, default=2)
    parser.add_argument("--learning-rate", type=float, default=2e-4)
    parser.add_argument("--epoch-size", type=int, default=2000, help="instances made at once")
    args = parser.parse_args()
    if min(args.jobs, args.machines, args.batch, args.mini_batch, args.epoch_size, args.threads) < 1:
        parser.error("sizes and threads: expected at least 1")
    if (smallest := (args.epoch_size % args.batch or args.batch) * args.jobs * args.machines) < args.mini_batch:
        parser.error(f"--mini-batch: expected at most {smallest}, the decisions of an epoch's last batch")
    return args


ARGS = arguments()
os.environ["OMP_NUM_THREADS"] = os.environ["MKL_NUM_THREADS"] = str(ARGS.threads)  # read when torch is imported
warnings.filterwarnings("ignore")  # of its dependencies, about each other's versions
logging.disable(logging.WARNING)

import torch  # noqa: E402
from lightning import Callback, seed_everything  # noqa: E402
from rl4co.envs import JSSPEnv  # noqa: E402
from rl4co.models import L2DPPOModel  # noqa: E402
from rl4co.utils import RL4COTrainer  # noqa: E402
from tensordict import TensorDict  # noqa: E402


class CountedModel(L2DPPOModel):
    """RL4CO's model, with a count of what its updates see."""

    env_steps = 0

    def update(self, device: Any) -> Any:
        self.env_steps += len(self.rb) // self.ppo_cfg["mini_batch_size"] * self.ppo_cfg["mini_batch_size"]
        return super().update(device)


class Clock(Callback):
    """Ends training after the first batch that ends past the limit, and keeps the counts."""

    def __init__(self, limit: float) -> None:
        self.limit, self.seconds, self.collected = limit, 0.0, 0

    def on_train_start(self, trainer: Any, model: Any) -> None:
        self.begin, self.begin_cpu = time.perf_counter(), time.process_time()

    def on_train_batch_end(self, trainer: Any, model: Any, outputs: Any, batch: Any, batch_idx: int) -> None:
        self.collected += batch["proc_times"].shape[0] * batch["proc_times"].shape[2]
        self.seconds, self.cpu = time.perf_counter() - self.begin, time.process_time() - self.begin_cpu
        trainer.should_stop = self.seconds >= self.limit


def read_instances(path: Path) -> list[dict[str, list[list[int]]]]:
    """The instances of a file, all of the size trained on; RL4CO takes duration 0 for "cannot be processed"."""
    instances = json.loads(path.read_text())["instances"]
    for at, instance in enumerate(instances):
        for name, low, high in (("machine", 0, ARGS.machines - 1), ("duration", 1, 2**20)):
            rows = instance[name]
            if len(rows) != ARGS.jobs or any(len(row) != ARGS.machines for row in rows):
                raise SystemExit(f"{path}: instances[{at}].{name}: expected {ARGS.jobs} rows of {ARGS.machines}")
            if not all(isinstance(value, int) and low <= value <= high for row in rows for value in row):
                raise SystemExit(f"{path}: instances[{at}].{name}: expected integers in {low} … {high}")
    return instances


def as_tensors(instances: list[dict[str, list[list[int]]]]) -> TensorDict:
    """RL4CO's layout: operations in one row, job after job; ``proc_times`` (batch, machines, operations)."""
    machine = torch.tensor([instance["machine"] for instance in instances]).flatten(1)
    duration = torch.tensor([instance["duration"] for instance in instances], dtype=torch.float32).flatten(1)
    batch, operations = machine.shape
    times = torch.zeros(batch, ARGS.machines, operations).scatter_(1, machine[:, None], duration[:, None])
    first = torch.arange(0, operations, ARGS.machines).repeat(batch, 1)
    last, padded = first + ARGS.machines - 1, torch.zeros(batch, operations, dtype=torch.bool)
    fields = {"start_op_per_job": first, "end_op_per_job": last, "proc_times": times, "pad_mask": padded}
    return TensorDict(fields, batch_size=[batch])


def check(instance: dict[str, list[list[int]]], start: list[float], makespan: float) -> None:
    """Recompute one schedule from its start times alone."""
    spans: dict[int, list[tuple[float, float]]] = {}
    end = 0.0
    for job, (machines, durations) in enumerate(zip(instance["machine"], instance["duration"], strict=True)):
        ready = 0.0
        for at, (machine, duration) in enumerate(zip(machines, durations, strict=True)):
            begin = start[job * len(machines) + at]
            if begin < ready:
                raise RuntimeError(f"job {job} starts operation {at} at {begin}, before {ready}")
            ready = begin + duration
            spans.setdefault(machine, []).append((begin, ready))
        end = max(end, ready)
    for machine, busy in spans.items():
        busy.sort()
        if any(later < earlier for (_, earlier), (later, _) in itertools.pairwise(busy)):
            raise RuntimeError(f"operations overlap on machine {machine}")
    if end != makespan:
        raise RuntimeError(f"the last operation ends at {end}, but RL4CO's makespan is {makespan}")


@torch.no_grad()
def greedy(model: L2DPPOModel, env: JSSPEnv, instances: list[dict[str, list[list[int]]]]) -> list[int]:
    """Makespans of the trained policy's most probable choices, each schedule checked."""
    model.policy.eval()
    state = env.reset(as_tensors(instances))
    while not state["done"].all():
        state = env.step(model.policy.act(state, env, phase="test"))["next"]
    makespans = (-env.get_reward(state, state["action"])).tolist()
    for instance, start, makespan in zip(instances, state["start_times"].tolist(), makespans, strict=True):
        check(instance, start, makespan)
    return [round(makespan) for makespan in makespans]


def main() -> None:
    torch.set_num_threads(ARGS.threads)
    seed_everything(ARGS.seed)
    instances = read_instances(ARGS.instances) if ARGS.instances else []
    sizes = {"num_jobs": ARGS.jobs, "num_machines": ARGS.machines}
    durations = {"min_processing_time": ARGS.min_duration, "max_processing_time": ARGS.max_duration}
    env = JSSPEnv(generator_params={**sizes, **durations}, stepwise_reward=True, seed=ARGS.seed)
    policy = {"embed_dim": ARGS.embed_dim, "num_encoder_layers": ARGS.layers, "het_emb": ARGS.encoder == "hgnn"}
    policy |= {"scaling_factor": ARGS.max_duration, "normalization": "instance"}
    ppo = {"batch_size": ARGS.batch, "mini_batch_size": ARGS.mini_batch, "ppo_epochs": ARGS.ppo_epochs}
    ppo |= {"optimizer_kwargs": {"lr": ARGS.learning_rate, "weight_decay": 1e-6}, "max_grad_norm": 1}
    ppo |= {"reward_scale": "scale", "train_data_size": ARGS.epoch_size}
    model = CountedModel(env, policy_kwargs=policy, **ppo, val_data_size=1, test_data_size=1)
    clock = Clock(ARGS.seconds)
    # A finite number of epochs, because RL4CO makes new instances only before the last one.
    trainer = RL4COTrainer(
        accelerator="cpu", devices=1, precision="32-true", max_epochs=10**6, callbacks=[clock], limit_val_batches=0,
        logger=False, enable_checkpointing=False, enable_progress_bar=False, enable_model_summary=False,
    )  # fmt: skip
    trainer.fit(model)
    makespans = greedy(model, env, instances) if instances else []
    row = {
        "peer": "rl4co",
        "version": version("rl4co"),
        "torch": torch.__version__,
        "jobs": ARGS.jobs,
        "machines": ARGS.machines,
        "threads": ARGS.threads,
        "seconds": round(clock.seconds, 2),
        "env_steps": model.env_steps,
        "collected": clock.collected,
        "steps_per_s": round(model.env_steps / clock.seconds, 1),
        "updates": trainer.global_step,
        "cpu_per_wall": round(clock.cpu / clock.seconds, 2),
        "parameters": sum(p.numel() for p in model.policy.parameters()),
        "mean_makespan_greedy": round(sum(makespans) / len(makespans), 2) if makespans else None,
        "makespans": makespans,
        "settings": {"encoder": ARGS.encoder, **durations, **policy, **ppo, "seed": ARGS.seed},
    }
    print(json.dumps(row))


if __name__ == "__main__":
    main()

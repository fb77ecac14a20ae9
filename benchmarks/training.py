"""Speed of training: where its time goes, the encoders, and RL4CO 0.7 beside ours; each part on one machine in one go.

    python benchmarks/training.py                 # all parts, about half an hour; RL4CO's venv is made where absent
    python benchmarks/training.py profile         # shares of a training second, PPO, preset standard, batch 128
    python benchmarks/training.py encoders        # decisions per second of training and of greedy play
    python benchmarks/training.py peer            # RL4CO's JSSP training and ours, equal wall time and threads

Every case runs in a process of its own, whose threads are set before PyTorch is imported. Parts that are not run
keep what benchmarks/results/training.json holds of them. ``--seconds`` is per case, and shortens a trial run.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import multiprocessing
import os
import shlex
import statistics
import subprocess
import sys
import tempfile
import time
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from peers.setup import prepare
from stopwatch import BATCHING, NETWORK, OTHER, REST, Stopwatch, on_learner

import ganttlet
from ganttlet.core.family import get_family
from ganttlet_agents.config import load_config
from ganttlet_agents.evaluation import provenance
from ganttlet_agents.evaluation.methods import parse_methods
from ganttlet_agents.policy.checkpoint import Card, LoadedPolicy
from ganttlet_agents.policy.network import GraphPolicy
from ganttlet_agents.policy.schema import Schema
from ganttlet_agents.search import decode_many
from ganttlet_agents.settings import build
from ganttlet_agents.training.config import TrainConfig
from ganttlet_agents.training.ppo import PPOLearner
from ganttlet_agents.training.seeds import validation_seed
from ganttlet_agents.training.task import Task

HERE = Path(__file__).parent
BATCH = 128
SECONDS = {"profile": 60.0, "encoders": 20.0, "peer": 60.0}
NETWORKS = (
    {"encoder": "attention", "layers": 1},
    {"encoder": "attention", "layers": 2},
    {"encoder": "pointer", "layers": 2},
    {"encoder": "gnn", "layers": 2},
)
COMPILE_LIMIT = 600.0
SIZES = ((6, 6), (10, 10))
INSTANCES = 100
RULES = ("rule:mwkr", "rule:spt_twkr")


class NoAnswerError(RuntimeError):
    """A case's process failed, died or took too long."""


def apart(function: Callable[..., Any], *arguments: Any, threads: int, timeout: float | None = None) -> Any:
    """Return what ``function`` returns in a fresh process with so many threads; raises NoAnswerError."""
    os.environ["OMP_NUM_THREADS"] = os.environ["MKL_NUM_THREADS"] = str(threads)
    os.environ["TORCHINDUCTOR_COMPILE_THREADS"] = "1"
    context = multiprocessing.get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_answer, args=(sender, threads, function, arguments))
    process.start()
    sender.close()
    try:
        if not receiver.poll(timeout):
            raise NoAnswerError(f"no answer within {timeout:g} s")
        failure, value = receiver.recv()
        process.join(10.0)
    except EOFError:
        process.join()
        raise NoAnswerError(f"the process ended with code {process.exitcode}") from None
    finally:
        process.kill()
        process.join()
    if failure:
        raise NoAnswerError(failure)
    return value


def _answer(sender: Any, threads: int, function: Callable[..., Any], arguments: tuple[Any, ...]) -> None:
    torch.set_num_threads(threads)
    try:
        answer = "", function(*arguments)
    except Exception as error:
        traceback.print_exc()
        words = (str(error).strip().splitlines() or [""])[0]
        answer = f"{type(error).__name__}: {words}"[:300], None
    sender.send(answer)


def preset(name: str, **changes: dict[str, Any]) -> TrainConfig:
    """Return a preset for the CPU with batch 128; ``changes`` go into its mappings."""
    data = dict(load_config("train/job_shop", name).data)
    changes = {"ppo": {}, **changes}
    changes["ppo"]["n_envs"] = BATCH
    for key, values in changes.items():
        data[key] = {**data.get(key, {}), **values}
    return build(TrainConfig, {**data, "device": "cpu"}, f"preset {name}")


def make(config: TrainConfig, *, compiled: bool = False) -> tuple[Task, PPOLearner, Any]:
    """Return the task, the learner and the network as it is called, as a training run makes them."""
    torch.manual_seed(config.seed)
    task = Task(config)
    network = GraphPolicy(Schema.of(task.graph), config.network)
    called = torch.compile(network, dynamic=True) if compiled else network
    return task, PPOLearner(task, network, called, config.ppo, task.reward_scale()), called


def scorer(task: Task, network: Any) -> Any:
    """Return the function from observations to logits that evaluation uses."""
    config = task.config
    card = Card(task.family.name, config.env, task.env_kwargs, config.network.to_dict(), task.graph.schema())
    return LoadedPolicy(network, card, "cpu").scorer()


def parameters(learner: PPOLearner) -> int:
    return sum(part.numel() for part in learner.network.parameters())


def profile(seconds: float) -> dict[str, Any]:
    """Return the seconds of each part of PPO's updates; with the clock and without it take turns."""
    config = preset("standard")
    _, learner, _ = make(config)
    for _ in range(3):  # also lets the rows' episodes drift apart
        learner.iterate(0.0)
    watch, plain, clocked, begin = Stopwatch(), [], [], time.perf_counter()
    while time.perf_counter() - begin < seconds or len(clocked) < 3:
        since = time.perf_counter()
        learner.iterate(0.0)
        plain.append(time.perf_counter() - since)
        with on_learner(watch, learner):
            since = time.perf_counter()
            with watch.part(REST):
                learner.iterate(0.0)
            clocked.append(time.perf_counter() - since)
    total = sum(clocked)
    if missing := {*NETWORK, *OTHER} ^ set(watch.spent):
        raise RuntimeError(f"parts that were never reached, or are unknown: {sorted(missing)}")
    if abs(sum(watch.spent.values()) / total - 1.0) > 0.01:
        raise RuntimeError(f"the parts add up to {sum(watch.spent.values()):.3f} s of {total:.3f} s")
    share = {name: watch.spent[name] / total for name in (*NETWORK, *OTHER)}
    outside = sum(share[name] for name in OTHER)
    decisions = config.ppo.n_envs * config.ppo.n_steps
    return {
        "updates": len(clocked),
        "seconds per update": round(total / len(clocked), 4),
        "seconds per update, without the clock": round(sum(plain) / len(plain), 4),
        "decisions/s, without the clock": round(decisions * len(plain) / sum(plain)),
        "parts / total": round(sum(watch.spent.values()) / total, 5),
        "share": {name: round(value, 5) for name, value in share.items()},
        "non-network share": round(outside, 4),
        "non-network share, cutting and joining included": round(outside + sum(share[name] for name in BATCHING), 4),
    }


def encoder(network: dict[str, Any], compiled: bool, seconds: float) -> dict[str, Any]:
    """Return decisions per second of training and of greedy play of one network."""
    task, learner, called = make(preset("standard", network=network), compiled=compiled)
    begin = time.perf_counter()
    for _ in range(5 if compiled else 2):  # sizes that are new compile anew
        learner.iterate(0.0)
    row: dict[str, Any] = {"parameters": parameters(learner), "warm-up, s": round(time.perf_counter() - begin, 1)}
    rates, begin = [], time.perf_counter()
    while time.perf_counter() - begin < seconds or len(rates) < 3:
        since, before = time.perf_counter(), learner.timesteps
        learner.iterate(0.0)
        rates.append((learner.timesteps - before) / (time.perf_counter() - since))
    row |= {"training": round(statistics.median(rates)), "training, least": round(min(rates))}
    row |= {"training, most": round(max(rates)), "updates": len(rates)}
    score, env = scorer(task, called), task.make(BATCH, "same_step")
    obs, _ = env.reset(seed=task.seed_of(0))
    for _ in range(50):
        obs = env.step(np.argmax(score(obs), axis=1))[0]
    steps, scoring, begin = 0, 0.0, time.perf_counter()
    while (elapsed := time.perf_counter() - begin) < seconds / 2 or steps < 10:
        since = time.perf_counter()
        logits = score(obs)
        scoring += time.perf_counter() - since
        obs = env.step(np.argmax(logits, axis=1))[0]
        steps += 1
    row |= {"greedy": round(steps * BATCH / elapsed), "scoring alone": round(steps * BATCH / scoring)}
    if compiled:
        from torch._dynamo.utils import counters

        row["graph breaks"] = sum(counters["graph_break"].values())
        row["frames compiled"] = f"{counters['frames']['ok']} of {counters['frames']['total']}"
    return row


def held_out(jobs: int, machines: int) -> list[Any]:
    """Return the instances on which both trainings are judged; their seeds train nothing."""
    settings = {"name": "uniform", "jobs": jobs, "machines": machines}
    return [get_family("job_shop").generate(settings, validation_seed(at)) for at in range(INSTANCES)]


def mean_value(task: Task, instances: list[Any], solutions: list[Any]) -> float:
    """Return the mean makespan of schedules that the validator finds feasible."""
    verdicts = [task.family.validate(one, found) for one, found in zip(instances, solutions, strict=True)]
    if not all(verdict.feasible for verdict in verdicts):
        raise RuntimeError("a schedule is infeasible")
    return round(statistics.mean(float(verdict.values["makespan"]) for verdict in verdicts), 2)


def ours(jobs: int, machines: int, seconds: float) -> dict[str, Any]:
    """Train for a limited time on one size, then schedule the held-out instances greedily."""
    generator = {"name": "uniform", "jobs": jobs, "machines": machines}
    config = preset("quick", env_kwargs={"generator": generator})
    task, learner, called = make(config)
    env = task.make(1, "same_step")  # loads the kernels
    env.reset(seed=0)
    env.step(np.argmax(env.live_mask, axis=1))
    rollouts, elapsed, took, begin, cpu = 0, 0.0, 0.0, time.perf_counter(), time.process_time()
    while elapsed + took < seconds:  # no update is begun that would end past the limit
        learner.iterate(elapsed / seconds)
        rollouts, took = rollouts + 1, time.perf_counter() - begin - elapsed
        elapsed += took
    cpu, ppo, instances = time.process_time() - cpu, config.ppo, held_out(jobs, machines)
    decoded = decode_many(task.make(INSTANCES, "disabled", instances), scorer(task, called), instances)
    rules = {text: mean_value(task, instances, by_rule(text, instances)) for text in RULES}
    return {
        "seconds": round(elapsed, 2),
        "decisions": learner.timesteps,
        "decisions/s": round(learner.timesteps / elapsed, 1),
        "updates": rollouts * ppo.n_epochs * -(-ppo.n_envs * ppo.n_steps // ppo.batch_size),
        "cpu/wall": round(cpu / elapsed, 2),
        "parameters": parameters(learner),
        "mean makespan, greedy": mean_value(task, instances, [one.solution for one in decoded]),
        "settings": {
            "env_kwargs": config.env_kwargs, "network": config.network.to_dict(), "ppo": dataclasses.asdict(ppo),
            "reward_scale": config.reward_scale, "seed": config.seed,
        },
        "rules, mean makespan": rules,
    }  # fmt: skip


def by_rule(text: str, instances: list[Any]) -> list[Any]:
    """Return a rule's schedules, which put the makespans of both trainings in proportion."""
    (method,) = parse_methods(text, get_family("job_shop"))
    return [method.solve(one, objective="makespan", seed=0).solution for one in instances]


def rl4co(python: Path, jobs: int, machines: int, seconds: float, threads: int) -> dict[str, Any]:
    """Run the peer's training in its own environment; raises NoAnswerError."""
    instances = [
        {"machine": one.machine.tolist(), "duration": one.duration.tolist()} for one in held_out(jobs, machines)
    ]
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "instances.json"
        path.write_text(json.dumps({"instances": instances}), encoding="utf-8")
        command = [str(python), str(HERE / "peers" / "rl4co_training.py"), "--instances", str(path)]
        for name, value in {"jobs": jobs, "machines": machines, "seconds": seconds, "threads": threads}.items():
            command += [f"--{name}", str(value)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise NoAnswerError((done.stderr.strip().splitlines() or [f"code {done.returncode}"])[-1][:300])
    told = json.loads(done.stdout.strip().splitlines()[-1])
    return {
        "seconds": told["seconds"],
        "decisions": told["env_steps"],
        "decisions/s": told["steps_per_s"],
        "updates": told["updates"],
        "cpu/wall": told["cpu_per_wall"],
        "parameters": told["parameters"],
        "mean makespan, greedy": told["mean_makespan_greedy"],
        "settings": told["settings"],
        "version": told["version"],
        "torch": told["torch"],
        "collected": told["collected"],
    }


def run_profile(seconds: float, threads: list[int]) -> dict[str, Any]:
    """Part one."""
    config = preset("standard")
    result: dict[str, Any] = {
        "about": "PPO, preset standard, batch 128, its first learning rate; seconds that no other part takes are the "
        f"last part's. Network: {', '.join(NETWORK)}. All else is not network.",
        "settings": {"network": config.network.to_dict(), "ppo": dataclasses.asdict(config.ppo)},
        "threads": {},
    }
    for count in threads:
        result["threads"][str(count)] = row = apart(profile, seconds, threads=count)
        print("profile", count, json.dumps(row), flush=True)
    return result


def run_encoders(seconds: float, threads: list[int]) -> dict[str, Any]:
    """Part two."""
    rows: list[dict[str, Any]] = []
    cases = [(network, False) for network in NETWORKS] + [(NETWORKS[0], True)]
    for network, compiled in cases:
        for count in threads:
            row: dict[str, Any] = {**network, "compile": compiled, "threads": count}
            if compiled:
                try:
                    limit = COMPILE_LIMIT + 3 * seconds
                    row |= apart(encoder, network, True, seconds, threads=count, timeout=limit)
                except NoAnswerError as error:
                    row["failed"] = str(error)
            else:
                row |= apart(encoder, network, False, seconds, threads=count)
            rows.append(row)
            print("encoders", json.dumps(row), flush=True)
    return {
        "about": "decisions/s, batch 128, observation machines, instances of preset standard; training: rollout and "
        "update, median of the updates; greedy: scoring, argmax and environment step",
        "rows": rows,
    }


def run_peer(seconds: float, threads: list[int]) -> dict[str, Any]:
    """Part three; the peer goes first, and ours gets the wall time that it took."""
    try:
        python, failure = prepare("rl4co"), ""
    except (OSError, subprocess.CalledProcessError) as error:
        python, failure = None, f"its environment could not be made: {error}"
    rows = []
    for jobs, machines in SIZES:
        for count in threads:
            row: dict[str, Any] = {"size": f"{jobs}x{machines}", "threads": count}
            try:
                if python is None:
                    raise NoAnswerError(failure)
                theirs = rl4co(python, jobs, machines, seconds, count)
            except NoAnswerError as error:
                theirs = {"failed": str(error)}
            mine = apart(ours, jobs, machines, theirs.get("seconds", seconds), threads=count)
            row |= {"rules, mean makespan": mine.pop("rules, mean makespan"), "ours": mine, "rl4co": theirs}
            if "failed" not in theirs:
                row["ratio"] = {
                    key: round(mine[key] / theirs[key], 4) for key in ("decisions/s", "mean makespan, greedy")
                }
            rows.append(row)
            print("peer", json.dumps(row), flush=True)
    return {
        "about": f"one seed; uniform durations 1 … 99, random machine orders; {INSTANCES} held-out instances each, "
        "the same for both; decisions/s: those that updates learned from, per second of training; the ratios are ours "
        "/ RL4CO's",
        "differences": differences(rows[-1]["ours"], rows[-1]["rl4co"]),
        "rows": rows,
    }


def differences(mine: dict[str, Any], theirs: dict[str, Any]) -> list[str]:
    """Return in words what differs between the two trainings, with the figures of their settings."""
    if "failed" in theirs:
        return []
    net, ppo, other = mine["settings"]["network"], mine["settings"]["ppo"], theirs["settings"]
    graph = "heterogeneous graph network" if other["het_emb"] else "graph network"
    return [
        f"network: ours {net['encoder']}, {net['layers']} layer(s) of width {net['width']}, {mine['parameters']:,} "
        f"parameters; RL4CO's {graph}, {other['num_encoder_layers']} layers of width {other['embed_dim']}, "
        f"{theirs['parameters']:,} parameters",
        f"an update's minibatch: ours {ppo['batch_size']} decisions of {ppo['n_envs']} rows x {ppo['n_steps']} steps; "
        f"RL4CO's {other['mini_batch_size']} decisions of {other['batch_size']} whole episodes; passes over them: "
        f"{ppo['n_epochs']} and {other['ppo_epochs']}",
        f"learning signal: ours generalised advantages (lambda {ppo['gae_lambda']}) over the whole episode of rewards "
        f"{mine['settings']['env_kwargs']['reward']!r}; RL4CO's each step's own reward (the change of a lower bound) "
        "less the predicted value",
        f"learning rate: ours {ppo['learning_rate']['start']:g} to {ppo['learning_rate']['end']:g}, "
        f"{ppo['learning_rate']['profile']} over the time; RL4CO's {other['optimizer_kwargs']['lr']:g}, constant",
        f"schedules: ours {mine['settings']['env_kwargs']['timing']}; RL4CO's non-delay, as it masks waiting",
        "time: RL4CO stops after the first batch that ends past the limit; ours may take as many seconds, and no more",
        f"PyTorch: ours {provenance.versions()['torch']}, RL4CO's {theirs['torch']}",
    ]


PARTS = {"profile": run_profile, "encoders": run_encoders, "peer": run_peer}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("parts", nargs="*", help=f"which of {', '.join(PARTS)}; default all")
    parser.add_argument("--seconds", type=float, help=f"per case; default {SECONDS}")
    parser.add_argument("--threads", type=int, nargs="+", help="default 1 and 2; peer: those of the preset quick")
    parser.add_argument("--out", type=Path, default=HERE / "results" / "training.json")
    options = parser.parse_args()
    if unknown := [part for part in options.parts if part not in PARTS]:
        parser.error(f"unknown part {', '.join(unknown)}; expected {', '.join(PARTS)}")
    head = {
        "about": "each part: command, machine and versions of its run",
        "command": "python benchmarks/training.py",
    }
    for part in options.parts or PARTS:
        threads = options.threads or ([preset("quick").threads or 1] if part == "peer" else [1, 2])
        entry: dict[str, Any] = {
            "command": shlex.join(["python", *sys.argv]),
            "device": provenance.device(),
            "versions": {**provenance.versions(), "ganttlet": ganttlet.__version__},
            "commit": provenance.commit(),
            "load_before": os.getloadavg() if hasattr(os, "getloadavg") else None,
            "seconds": options.seconds or SECONDS[part],
        }
        entry |= PARTS[part](entry["seconds"], threads)
        out: Path = options.out
        kept = json.loads(out.read_text(encoding="utf-8")) if out.exists() else {}
        out.parent.mkdir(parents=True, exist_ok=True)
        out.write_text(json.dumps({**kept, **head, part: entry}, indent=1) + "\n", encoding="utf-8")
        print(f"wrote {part} to {out}")


if __name__ == "__main__":
    main()

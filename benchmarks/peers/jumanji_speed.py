"""Placed operations per second of Jumanji 1.1.2's JobShop on CPU with random legal actions; one JSON line.

Runs in Jumanji's own environment::

    .bench/jumanji/bin/python benchmarks/peers/jumanji_speed.py --instance ta01.txt --batch 256 --threads 1

Jumanji advances one unit of time per step and takes one choice per machine, so its steps cannot be compared
with those of an environment that places one operation per step; placed operations can. What is run:

* ``--instance FILE`` (standard text format) is given to every row through a generator of our own; without it,
  Jumanji's RandomGenerator makes a different instance per row from ``--jobs``, ``--machines`` and
  ``--max-duration`` (jobs of 1 … machines operations, machines drawn with repetition, durations from 1).
* Each machine takes a job uniformly among its legal ones and idles only if it has none: no tick is
  wasted on waiting by choice. A finished row starts its instance again.
* The whole loop (choice, vmapped step, mask, restart) is one jitted scan; the observation is the state
  itself. Rows are at evenly spread ages when timing starts. Compilation is outside the time.
* With ``--threads 1`` the process is pinned to one CPU where the system can do that, and XLA is told to use
  one thread; ``cpu_per_wall`` is the measured CPU time per second of wall time.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import time
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import Any


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--instance", type=Path, help="file in the standard format; default: Jumanji's RandomGenerator")
    parser.add_argument("--jobs", type=int, default=15)
    parser.add_argument("--machines", type=int, default=15)
    parser.add_argument("--max-duration", type=int, default=99)
    parser.add_argument("--batch", type=int, default=256)
    parser.add_argument("--threads", type=int, default=1, help="1, or 0 for no limit")
    parser.add_argument("--seconds", type=float, default=3.0, help="per repeat")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    if args.threads not in (0, 1):
        parser.error("--threads: expected 0 or 1")
    if args.instance is not None and not args.instance.is_file():
        parser.error(f"--instance: no file {args.instance}")
    return args


def use_one_thread() -> None:
    """Must run before jax is imported."""
    if hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
    flags = "--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1"
    os.environ["XLA_FLAGS"] = f"{os.environ.get('XLA_FLAGS', '')} {flags}".strip()
    os.environ["NPROC"] = "1"


ARGS = arguments()
os.environ["JAX_PLATFORMS"] = "cpu"
if ARGS.threads == 1:
    use_one_thread()

import jax  # noqa: E402
import jax.numpy as jnp  # noqa: E402
from jumanji.environments.packing.job_shop.env import JobShop  # noqa: E402
from jumanji.environments.packing.job_shop.generator import Generator, RandomGenerator  # noqa: E402
from jumanji.environments.packing.job_shop.types import State  # noqa: E402

TICKS = 128  # per jitted call


class FileGenerator(Generator):
    """Always the instance of one file in the standard format."""

    def __init__(self, path: Path) -> None:
        rows = [[int(word) for word in line.split()] for line in path.read_text().splitlines() if line.strip()]
        n, m = rows[0]
        machine = [row[0::2] for row in rows[1 : n + 1]]
        duration = [row[1::2] for row in rows[1 : n + 1]]
        if min(min(row) for row in duration) < 1:
            raise SystemExit(f"{path}: Jumanji needs durations of at least 1")
        super().__init__(n, m, len(machine[0]), max(max(row) for row in duration))
        self.machine, self.duration = jnp.array(machine, jnp.int32), jnp.array(duration, jnp.int32)

    def __call__(self, key: Any) -> State:
        return State(
            ops_machine_ids=self.machine,
            ops_durations=self.duration,
            ops_mask=self.machine >= 0,
            machines_job_ids=jnp.full(self.num_machines, self.num_jobs, jnp.int32),
            machines_remaining_times=jnp.zeros(self.num_machines, jnp.int32),
            action_mask=None,
            step_count=jnp.array(0, jnp.int32),
            scheduled_times=jnp.full(self.machine.shape, -1, jnp.int32),
            key=key,
        )


def random_legal(key: Any, mask: Any) -> Any:
    """One legal job per machine, uniformly; the no-op (last column) where none is. ``mask``: (m, n + 1)."""
    rank = jnp.cumsum(mask[:, :-1], axis=1)
    count = rank[:, -1]
    pick = jnp.floor(jax.random.uniform(key, count.shape) * count).astype(jnp.int32)
    return jnp.where(count > 0, jnp.argmax(rank > pick[:, None], axis=1), mask.shape[1] - 1)


def tick(env: JobShop, fresh: State, carry: tuple[State, Any], restart: Any) -> tuple[tuple[State, Any], Any]:
    """One unit of time in every row; rows that end, or that ``restart`` names, begin again."""
    state, key = carry
    key, sub = jax.random.split(key)
    batch = restart.shape[0]
    action = jax.vmap(random_legal)(jax.random.split(sub, batch), state.action_mask)
    state, timestep = jax.vmap(env.step)(state, action)
    again = timestep.last() | restart
    state = jax.tree_util.tree_map(
        lambda new, old: jnp.where(again.reshape((batch,) + (1,) * (old.ndim - 1)), new, old), fresh, state
    )
    return (state, key), jnp.stack([(action != env.no_op_idx).sum(), timestep.last().sum()])


def spread_horizon(fresh: State, n_machines: int) -> int:
    """About one episode in ticks: the largest total duration of a job or a machine, over all rows."""
    work = jnp.where(fresh.ops_machine_ids >= 0, fresh.ops_durations, 0)
    load = max(int(jnp.where(fresh.ops_machine_ids == k, work, 0).sum((1, 2)).max()) for k in range(n_machines))
    return max(load, int(work.sum(2).max()))


def main() -> None:
    generator = (
        FileGenerator(ARGS.instance)
        if ARGS.instance
        else RandomGenerator(ARGS.jobs, ARGS.machines, ARGS.machines, ARGS.max_duration)
    )
    env = JobShop(generator)
    key = jax.random.PRNGKey(ARGS.seed)
    fresh, _ = jax.vmap(env.reset)(jax.random.split(key, ARGS.batch))
    play = jax.jit(lambda carry, restart: jax.lax.scan(partial(tick, env, fresh), carry, restart))
    none = jnp.zeros((TICKS, ARGS.batch), bool)
    begin = time.perf_counter()
    carry, _ = jax.block_until_ready(play((fresh, key), none))
    compile_s = time.perf_counter() - begin

    horizon = spread_horizon(fresh, env.num_machines)
    birth = jnp.arange(ARGS.batch) * horizon // ARGS.batch
    for first in range(0, horizon, TICKS):
        now = first + jnp.arange(TICKS)
        carry, _ = play(carry, now[:, None] == birth[None, :])
    jax.block_until_ready(carry)

    placed_rates, tick_rates, cpu, wall, placed, episodes = [], [], 0.0, 0.0, 0, 0
    for _ in range(ARGS.repeats):
        begin, begin_cpu, calls, here = time.perf_counter(), time.process_time(), 0, 0
        while (elapsed := time.perf_counter() - begin) < ARGS.seconds:
            carry, counts = play(carry, none)
            total = counts.sum(0)
            here += int(total[0])
            episodes += int(total[1])
            calls += 1
        cpu, wall, placed = cpu + time.process_time() - begin_cpu, wall + elapsed, placed + here
        placed_rates.append(here / elapsed)
        tick_rates.append(calls * TICKS * ARGS.batch / elapsed)
    row = {
        "peer": "Jumanji",
        "version": version("jumanji"),
        "jax": version("jax"),
        "instance": ARGS.instance.stem if ARGS.instance else f"RandomGenerator, durations 1 … {ARGS.max_duration}",
        "size": f"{env.num_jobs}x{env.num_machines}",
        "batch": ARGS.batch,
        "threads": ARGS.threads,
        "placed_per_s": round(statistics.median(placed_rates), 1),
        "ticks_per_s": round(statistics.median(tick_rates), 1),
        "runs": [round(rate, 1) for rate in placed_rates],
        "placed": placed,
        "episodes": episodes,
        "cpu_per_wall": round(cpu / wall, 2),
        "compile_s": round(compile_s, 1),
    }
    print(json.dumps(row, ensure_ascii=False))


if __name__ == "__main__":
    main()

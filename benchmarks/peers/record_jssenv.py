"""Record episodes of JSSEnv 1.1.0 into ``tests/fixtures/jssenv_episodes.json``, for the oracle to replay.

Runs in JSSEnv's own environment (``benchmarks/peers/setup.py`` makes it)::

    .bench/jssenv/bin/python benchmarks/peers/record_jssenv.py

Instances are small random ones, one made for the limits of the no-op, ft06 and ta01; actions are random legal
ones, the no-op four times out of five where it is legal. Each episode holds

* ``jobs``: per job a flat list machine, duration, machine, duration, …;
* ``actions``: the actions played (the number of jobs is the no-op);
* ``masks``: the mask before the first step and after each one, as hexadecimal numbers; bit a is action a;
* ``rewards``: each reward times the largest duration, an integer;
* ``clocks``: JSSEnv's current time after each step;
* ``makespan`` and ``start``, the solution's start times per job.
"""

from __future__ import annotations

import argparse
import json
import random
import tempfile
from importlib.metadata import version
from pathlib import Path
from typing import Any

import JSSEnv
from JSSEnv.envs.jss_env import JssEnv

ROOT = Path(__file__).resolve().parents[2]
BUNDLED = Path(JSSEnv.__file__).parent / "envs" / "instances"
# Fisher and Thompson (1963), 6x6
FT06 = """6 6
2 1 0 3 1 6 3 7 5 3 4 6
1 8 2 5 4 10 5 10 0 10 3 4
2 5 3 4 5 8 0 9 1 1 4 7
1 5 0 5 2 5 3 3 4 8 5 9
2 9 1 3 4 5 5 4 0 3 3 1
1 3 3 3 5 9 0 10 4 4 2 1
"""
# After job 4, four machines are on offer and job 4 could soon reach each: one more than the no-op allows.
# After job 3 there are three.
FOUR_MACHINES = """5 6
0 10 1 1 2 1 3 1 4 1 5 1
1 10 0 1 2 1 3 1 4 1 5 1
2 10 0 1 1 1 3 1 4 1 5 1
3 10 0 1 1 1 2 1 4 1 5 1
4 1 0 1 1 1 2 1 3 1 5 1
"""
WAIT_SHARE = 0.8
SIZES = ((3, 3), (4, 3), (3, 5), (4, 4), (6, 3), (5, 5), (6, 6), (8, 4), (12, 4), (12, 6))


def random_instance(rng: random.Random, n: int, m: int, longest: int) -> str:
    rows = [f"{n} {m}"]
    for _ in range(n):
        route = rng.sample(range(m), m)
        rows.append(" ".join(f"{k} {rng.randint(1, longest)}" for k in route))
    return "\n".join(rows) + "\n"


def bits(mask: Any) -> str:
    return format(sum(1 << a for a, legal in enumerate(mask) if legal), "x")


def play(env: JssEnv, name: str, rng: random.Random, opening: tuple[int, ...]) -> dict[str, Any]:
    """One episode with many no-ops after the given opening; every stored number is an exact integer."""
    mask = env.reset()["action_mask"]
    actions, masks, rewards, clocks = [], [bits(mask)], [], []
    done = False
    while not done:
        jobs = [a for a in range(env.jobs) if mask[a]]
        action = env.jobs if mask[env.jobs] and rng.random() < WAIT_SHARE else rng.choice(jobs)
        if len(actions) < len(opening):
            action = opening[len(actions)]
        observation, reward, done, _, _ = env.step(action)
        mask = observation["action_mask"]
        numerator = round(reward * int(env.max_time_op))
        if abs(numerator / int(env.max_time_op) - reward) > 1e-9:
            raise RuntimeError(f"{name}: reward {reward} is no multiple of 1/{env.max_time_op}")
        actions.append(action)
        masks.append(bits(mask))
        rewards.append(numerator)
        clocks.append(int(env.current_time_step))
    return {
        "name": name,
        "n_machines": env.machines,
        "jobs": env.instance_matrix.reshape(env.jobs, -1).tolist(),
        "actions": actions,
        "masks": " ".join(masks),
        "rewards": rewards,
        "clocks": clocks,
        "makespan": int(env.last_time_step),
        "start": env.last_solution.tolist(),
    }


def record(seed: int) -> list[dict[str, Any]]:
    rng = random.Random(seed)
    texts = [
        (f"random{n}x{m}p{longest}_{copy}", random_instance(rng, n, m, longest))
        for n, m in SIZES
        for longest in (4, 20)
        for copy in range(5)
    ]
    texts += (
        [("four_machines", FOUR_MACHINES)] * 2 + [("ft06", FT06)] * 4 + [("ta01", (BUNDLED / "ta01").read_text())] * 2
    )
    episodes = []
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "instance"
        for name, text in texts:
            path.write_text(text)
            episodes.append(play(JssEnv({"instance_path": path}), name, rng, (4, 3) if name == "four_machines" else ()))
    return episodes


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, default=ROOT / "tests" / "fixtures" / "jssenv_episodes.json")
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    episodes = record(args.seed)
    head = {"peer": "JSSEnv", "version": version("JSSEnv"), "seed": args.seed}
    rows = ",\n".join(json.dumps(episode, separators=(",", ":")) for episode in episodes)
    args.out.parent.mkdir(parents=True, exist_ok=True)
    args.out.write_text(json.dumps(head)[:-1] + ', "episodes": [\n' + rows + "\n]}\n")
    waits = sum(action == len(e["jobs"]) for e in episodes for action in e["actions"])
    steps = sum(len(e["actions"]) for e in episodes)
    print(f"{len(episodes)} episodes, {steps} steps of which {waits} no-ops, {args.out.stat().st_size} bytes")


if __name__ == "__main__":
    main()

"""Methods on streams of task graphs: mean latency by suite and group, and the paired difference to ETF.

    python benchmarks/soc_quality.py [--suites soc_mix,soc_noise,…] [--policies RUN …] [--methods rule:srpt …]

Without --policies and --methods the suites' own methods are run; with them, those named here, and ETF unless its rows
are there. RUN is a run
folder or a shipped policy, with options as for evaluate.py (RUN:decode=sample). Rows are kept by (suite, group, method)
in benchmarks/results/soc_quality.json and replaced when they are made again.

All methods meet the same arrivals, applications and noise, so differences are taken seed by seed; their 95 % intervals
are percentile bootstraps over the seeds. Greedy policies play the instances of a suite side by side (``decode_many``),
which gives what evaluate.py gives one by one, but for the way in which rounding breaks ties among equal PEs.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mean
from typing import Any

from ganttlet.core.record import write_atomic
from ganttlet.soc_dag import Run, Workload, validate
from ganttlet_agents.evaluation import provenance
from ganttlet_agents.evaluation.methods import BoundMethod, Outcome, parse_methods
from ganttlet_agents.evaluation.statistics import paired
from ganttlet_agents.evaluation.suite import load_instances, load_suite
from ganttlet_agents.policy.methods import PolicyMethod
from ganttlet_agents.search import decode_many, make_batch
from policies import training

HERE = Path(__file__).parent
SUITES = ("soc_mix", "soc_noise", "soc_platforms", "soc_without", "soc_alone", "soc_static")
BASELINE = "rule:etf"
SIDE_BY_SIDE = 160
SHOWN = ("latency", "p95", "energy", "throughput", "lost", "blocked")
Row = dict[str, Any]


@dataclass(frozen=True)
class Play:
    """What a method did on one instance: every objective by name, its decisions and seconds, and a proven bound."""

    values: dict[str, float]
    decisions: int
    seconds: float
    bound: float | None = None
    optimal: bool = False


def groups_of(suite: str, first: int | None = None) -> dict[str, list[Workload]]:
    """Return group -> instances of a suite, the first so many of each group."""
    found: dict[str, list[Workload]] = {}
    for entry in load_instances(load_suite(suite)):
        assert isinstance(entry.instance, Workload)
        found.setdefault(entry.group, []).append(entry.instance)
    return {group: instances[:first] for group, instances in found.items()}


def play(bound: BoundMethod, instances: Sequence[Workload], objective: str = "latency") -> list[Play]:
    """Run a method on every instance and validate what it did."""
    method = bound.method
    if isinstance(method, PolicyMethod) and method.decoding.decode == "greedy":
        return _side_by_side(method, instances)
    bound.warm_up(instances[0], objective=objective)
    found = []
    for instance in instances:
        begun = time.perf_counter()
        outcome = bound.solve(instance, objective=objective, seed=0)
        found.append(_judged(bound.label, instance, outcome, time.perf_counter() - begun))
    return found


def _side_by_side(method: PolicyMethod, instances: Sequence[Workload]) -> list[Play]:
    card = method.policy.card
    env = make_batch(card.env_id, min(SIDE_BY_SIDE, len(instances)), instances, **card.env_kwargs)
    method.policy.check_graph(env.graph, card.env_id)
    begun = time.perf_counter()
    decoded = decode_many(env, method.score, instances)
    seconds = (time.perf_counter() - begun) / len(instances)
    return [
        _judged("policy", instance, Outcome(one.solution, decisions=one.decisions), seconds)
        for instance, one in zip(instances, decoded, strict=True)
    ]


def _judged(label: str, instance: Workload, outcome: Outcome, seconds: float) -> Play:
    assert isinstance(outcome.solution, Run), f"{label} found nothing on {instance.name}: {outcome.status}"
    verdict = validate(instance, outcome.solution)
    assert verdict.feasible, f"{label} on {instance.name}: {verdict.violations[0].message}"
    return Play(dict(verdict.values), outcome.decisions, seconds, outcome.bound, outcome.optimal)


def rows_of(suite: str, bound: BoundMethod, first: int | None = None) -> list[Row]:
    """Return a row per group of the suite."""
    objective = load_suite(suite).objectives[0]
    groups = groups_of(suite, first)
    played = iter(play(bound, [one for instances in groups.values() for one in instances], objective))
    rows = []
    for group, instances in groups.items():
        plays = [next(played) for _ in instances]
        row: Row = {
            "suite": suite,
            "group": group,
            "method": bound.label,
            "objective": objective,
            "instances": len(plays),
            "value": round(mean(one.values[objective] for one in plays), 3),
            **{name: round(mean(one.values[name] for one in plays), 3) for name in SHOWN},
            "decisions": sum(one.decisions for one in plays),
            "seconds": round(sum(one.seconds for one in plays), 4),
            "values": {
                instance.digest[:12]: round(one.values[objective], 4)
                for instance, one in zip(instances, plays, strict=True)
            },
            "device": provenance.device(),
            "commit": provenance.commit(),
        }
        bounds = [one.bound for one in plays if one.bound is not None]
        if len(bounds) == len(plays):
            row |= {"bound": round(mean(bounds), 3), "optimal": sum(one.optimal for one in plays)}
        if isinstance(bound.method, PolicyMethod):
            made = training(bound.type.name)
            row |= {"seed": made["seed"], "training": {key: made[key] for key in made if key.startswith("run ")}}
        rows.append(row)
    return rows


def compare(rows: Iterable[Row]) -> None:
    """Add to every row how it differs from the baseline of its group, in percent of the baseline's mean."""
    known = {(row["suite"], row["group"], row["method"]): row for row in rows}
    for (suite, group, method), row in known.items():
        for key in ("difference", "wins"):
            row.pop(key, None)
        base = known.get((suite, group, BASELINE))
        if base is None or method == BASELINE:
            continue
        sides = [{key: [value] for key, value in one["values"].items()} for one in (row, base)]
        against = paired(sides[0], sides[1])
        if against.difference is not None:
            scale = 100.0 / mean(base["values"][key] for key in row["values"] if key in base["values"])
            ends = (against.difference.value, against.difference.low, against.difference.high)
            row["difference"] = [round(scale * end, 3) for end in ends]
            row["wins"] = f"{against.wins}/{against.n}"


def merged(path: Path, made: Sequence[Row]) -> list[Row]:
    """Return the rows of a result file with ``made``, all groups of one suite, in place of those of the same key.

    Rows of groups that the suite no longer has go; all others are compared anew.
    """
    known = json.loads(path.read_text(encoding="utf-8"))["rows"] if path.is_file() else []
    suites, groups = {row["suite"] for row in made}, {row["group"] for row in made}
    known = [row for row in known if row["suite"] not in suites or row["group"] in groups]
    rows = {(row["suite"], row["group"], row["method"]): row for row in [*known, *made]}
    compare(rows.values())
    order = {name: at for at, name in enumerate(SUITES)}
    return sorted(rows.values(), key=lambda row: (order.get(row["suite"], len(order)), row["suite"], row["method"]))


def has_baseline(path: Path, suite: str, first: int | None) -> bool:
    """Return whether the file holds the baseline on every instance that is asked for."""
    rows = json.loads(path.read_text(encoding="utf-8"))["rows"] if path.is_file() else []
    known = {
        (row["group"], key)
        for row in rows
        if (row["suite"], row["method"]) == (suite, BASELINE)
        for key in row["values"]
    }
    return known >= {(group, one.digest[:12]) for group, some in groups_of(suite, first).items() for one in some}


def store(path: Path, made: Sequence[Row]) -> list[Row]:
    """Write the merged rows, one to a line, and return them."""
    rows = merged(path, made)
    lines = ",\n".join(json.dumps(row, ensure_ascii=False) for row in rows)
    head = json.dumps("python benchmarks/soc_quality.py")
    write_atomic(path, f'{{"command": {head}, "rows": [\n{lines}\n]}}\n')
    return rows


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--suites", default=",".join(SUITES), help="separated by commas")
    parser.add_argument("--policies", nargs="*", default=[], metavar="RUN", help="run folders or shipped policies")
    parser.add_argument("--methods", nargs="*", default=[], help="as for evaluate.py")
    parser.add_argument("--instances", type=int, help="the first so many of every group; all by default")
    parser.add_argument("--out", type=Path, default=HERE / "results" / "soc_quality.json")
    options = parser.parse_args(arguments)
    for name in options.suites.split(","):
        suite = load_suite(name)
        named = [*options.methods, *(f"policy:{run}" for run in options.policies)]
        own = [suite.reference] if ":" in suite.reference else []
        base = [] if named and has_baseline(options.out, name, options.instances) else [BASELINE]
        wanted = list(dict.fromkeys([*own, *suite.methods] if not named else [*base, *named]))
        for bound in parse_methods(wanted, suite.family):
            made = rows_of(name, bound, options.instances)
            rows = store(options.out, made)
            keys = {row["group"] for row in made}
            for row in rows:
                if (row["suite"], row["method"]) == (name, bound.label) and row["group"] in keys:
                    shown = "" if "difference" not in row else "{:+.2f} % [{:+.2f}, {:+.2f}]".format(*row["difference"])
                    print(f"{name}, {row['group']}, {bound.label}: {row['value']:.1f} {shown}", flush=True)


if __name__ == "__main__":
    main()

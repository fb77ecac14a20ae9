"""Curves of SoC task graphs, ours beside the published ones.

    python benchmarks/soc_curves.py [--only ds3_12b,il] [--methods policy:RUN,…] [--quick]

ds3_12a, ds3_12b, il: latency against the injection rate, with the points of Arda et al. (DS3) and Krishnakumar et al.
noise, noise_top: latency against the spread of execution times, the second with runs of SoCRATES's public code.
scalability: latency against the jobs in the system and against the applications, with SoCRATES's figure and code.
frequency: the bars of DS3Gym. energy: energy against latency at three pairs of operating points.

Each evaluates the methods of its suite, soc_CURVE, and those of --methods on all its instances and writes the picture
docs/images/soc_CURVE.png, benchmarks/results/soc_CURVE.csv, and command, machine and commit into soc_curves.json there.
With --quick two instances of every group are played, and all of it goes to results/soc_curves/. Every point is a mean
over instances that are the same for all methods. Published numbers are labelled with how they were read.
"""

from __future__ import annotations

import argparse
import csv
import io
import json
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import mean, stdev
from typing import Any

from soc_plots import draw
from soc_quality import groups_of, play

from ganttlet.core.errors import InputError, check_choice
from ganttlet.core.record import write_atomic
from ganttlet.soc_dag import Workload
from ganttlet_agents.config import config_root
from ganttlet_agents.evaluation import provenance
from ganttlet_agents.evaluation.methods import parse_methods
from ganttlet_agents.evaluation.suite import load_suite

ROOT = Path(__file__).resolve().parent.parent
QUICK = Path("results") / "soc_curves"
MEASURED = ("latency", "p95", "energy", "throughput", "completed", "lost", "blocked")
WORDS = ("method", "mark", "source", "group")
Point = dict[str, Any]


@dataclass(frozen=True)
class Curve:
    """What a curve is made of.

    Fields:
        suite: its suite.
        place: where a group's points lie: a workload -> column -> value.
        reference: its file of published points under configs/curves/reference, or None.
    """

    suite: str
    place: Callable[[Workload], Mapping[str, float]]
    reference: str | None = None


def by_rate(instance: Workload) -> Mapping[str, float]:
    """Return the rate in jobs per 1000 ticks, of gaps before they are truncated."""
    return {"rate": round(1000.0 / instance.scale, 3)}


def by_noise(instance: Workload) -> Mapping[str, float]:
    """Return the relative standard deviation of the execution times."""
    return {"std": float(instance.std.max())}


def by_size(instance: Workload) -> Mapping[str, float]:
    """Return the number of applications and the most jobs in the system."""
    return {"applications": instance.n_apps, "capacity": instance.capacity}


def nowhere(instance: Workload) -> Mapping[str, float]:
    """Return nothing: the group says it all."""
    return {}


CURVES = {
    "ds3_12a": Curve("soc_ds3_12a", by_rate, "soc_ds3_12a"),
    "ds3_12b": Curve("soc_ds3_12b", by_rate, "soc_ds3_12b"),
    "il": Curve("soc_il", by_rate, "soc_il"),
    "noise": Curve("soc_noise", by_noise),
    "noise_top": Curve("soc_noise_top", by_noise, "soc_noise_top"),
    "scalability": Curve("soc_scalability", by_size, "soc_scalability"),
    "frequency": Curve("soc_frequency", by_rate, "soc_frequency"),
    "energy": Curve("soc_energy", nowhere),
}


def measure(curve: Curve, extra: Sequence[str], first: int | None) -> list[Point]:
    """Return a point per method and group: the means over its instances, and the spread of the latency."""
    suite = load_suite(curve.suite)
    groups = groups_of(curve.suite, first)
    points = []
    for bound in parse_methods(list(dict.fromkeys([*suite.methods, *extra])), suite.family):
        played = iter(play(bound, [one for instances in groups.values() for one in instances]))
        for group, instances in groups.items():
            values = [next(played).values for _ in instances]
            spread = stdev(one["latency"] for one in values) if len(values) > 1 else 0.0
            points.append({
                "method": bound.label, "group": group, **curve.place(instances[0]), "instances": len(values),
                **{name: round(mean(one[name] for one in values), 4) for name in MEASURED},
                "latency_sd": round(spread, 3),
            })  # fmt: skip
    return points


def published(name: str | None) -> list[Point]:
    """Return the rows of configs/curves/reference/NAME.csv, numbers read and empty cells left out."""
    if name is None:
        return []
    text = config_root().joinpath("curves", "reference", f"{name}.csv").read_text(encoding="utf-8")
    return [
        {key: value if key in WORDS else float(value) for key, value in row.items() if value}
        for row in csv.DictReader(io.StringIO(text))
    ]


def write_csv(path: Path, points: Sequence[Point], references: Iterable[Point]) -> None:
    """Write our points with mark ``measured``, then the published ones with theirs."""
    rows = [*({**point, "mark": "measured", "source": "this benchmark"} for point in points), *references]
    buffer = io.StringIO()
    columns = [name for name in dict.fromkeys(key for row in rows for key in row) if name not in ("mark", "source")]
    writer = csv.DictWriter(buffer, [*columns, "mark", "source"], lineterminator="\n", restval="")
    writer.writeheader()
    writer.writerows(rows)
    write_atomic(path, buffer.getvalue())


def make(name: str, options: argparse.Namespace) -> None:
    """Measure and draw one curve, and note how it was made."""
    curve, begun = CURVES[name], time.perf_counter()
    images, results = (QUICK, QUICK) if options.quick else (options.images, options.results)
    for folder in (images, results):
        folder.mkdir(parents=True, exist_ok=True)
    extra = [text for text in options.methods.split(",") if text]
    points = measure(curve, extra, 2 if options.quick else None)
    references = published(curve.reference)
    write_csv(results / f"soc_{name}.csv", points, references)
    draw(name, points, references, images / f"soc_{name}.png")
    notes = results / "soc_curves.json"
    known = json.loads(notes.read_text(encoding="utf-8")) if notes.is_file() else {}
    known["command"] = "python benchmarks/soc_curves.py"
    known[name] = {
        "command": " ".join(["python benchmarks/soc_curves.py", *sys.argv[1:]]),
        "suite": curve.suite,
        "seconds": round(time.perf_counter() - begun, 1),
        "device": provenance.device(),
        "commit": provenance.commit(),
        "versions": provenance.versions(),
    }
    write_atomic(notes, json.dumps(known, indent=1, ensure_ascii=False) + "\n")
    print(
        f"{name}: {known[name]['seconds']} s, {results / f'soc_{name}.csv'}, {images / f'soc_{name}.png'}", flush=True
    )


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", default=",".join(CURVES), help="curves, separated by commas; all by default")
    parser.add_argument("--methods", default="", help="further methods, as for evaluate.py, separated by commas")
    parser.add_argument("--quick", action="store_true", help="two instances of every group, into results/soc_curves/")
    parser.add_argument("--images", type=Path, default=ROOT / "docs" / "images")
    parser.add_argument("--results", type=Path, default=ROOT / "benchmarks" / "results")
    options = parser.parse_args(arguments)
    names = options.only.split(",")
    try:
        for name in names:
            check_choice("--only", name, CURVES)
        for name in names:
            make(name, options)
    except InputError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()

"""Rules and CP-SAT on Taillard's instances: gaps by size, written to benchmarks/results/.

python benchmarks/quality.py rules       # seconds
python benchmarks/quality.py cpsat       # 15 minutes: 80 instances, 10 s each
python benchmarks/quality.py tardiness   # total tardiness, due dates 1.5 x work
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
import tempfile
from collections import defaultdict
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
RULES = (
    "spt_twkr fdd_mwkr mor_mwkr mwkr mor fdd fifo spt ltwk edd lpt lwkr random spt_twkr:best_of=128 mor:timing=active "
    "fdd_mwkr:timing=active spt_twkr:timing=active spt:timing=active mor:timing=insert mor:timing=append"
)
DUE_RULES = "atc covert mdd edd cr spt spt_twkr mwkr atc:timing=active"
RUNS = {
    "rules": ("taillard", [f"rule:{rule}" for rule in RULES.split()]),
    "cpsat": ("taillard", ["solver:cpsat:time=10"]),
    "tardiness": ("taillard_tardiness", [f"rule:{rule}" for rule in DUE_RULES.split()]),
}


def summary(rows: list[dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Return per method the mean gap in percent by size and over all, the valid and proven rows and the seconds."""
    table: dict[str, dict[str, Any]] = {}
    for method in dict.fromkeys(row["method"] for row in rows):
        own = [row for row in rows if row["method"] == method]
        groups = defaultdict(list)
        for row in own:
            groups[row["group"]].append(100.0 * row["gap"])
        table[method] = {
            "gap": {group: round(statistics.mean(gaps), 2) for group, gaps in groups.items()},
            "mean gap": round(statistics.mean(100.0 * row["gap"] for row in own), 2),
            "mean value": round(statistics.mean(row["value"] for row in own), 1),
            "rows": len(own),
            "valid": sum(row["feasible"] for row in own),
            "proven": sum(bool(row["optimal"]) for row in own),
            "seconds per row": round(statistics.mean(row["seconds"] for row in own), 4),
        }
    return table


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", choices=RUNS)
    name = parser.parse_args().run
    suite, methods = RUNS[name]
    arguments = ["run", "--suite", suite, "--methods", ",".join(methods)]
    with tempfile.TemporaryDirectory() as folder:
        out = Path(folder) / "out"
        subprocess.run([sys.executable, str(HERE.parent / "evaluate.py"), *arguments, "--out", str(out)], check=True)
        meta = json.loads((out / "meta.json").read_text(encoding="utf-8"))
        rows = [json.loads(line) for line in (out / "rows.jsonl").read_text(encoding="utf-8").splitlines()]
    result = {
        "command": f"python benchmarks/quality.py {name}",
        "evaluate": "python evaluate.py " + " ".join(arguments),
        "device": meta["device"],
        "versions": meta["versions"],
        "commit": meta["commit"],
        "references": sorted({row["reference_kind"] for row in rows}),
        "methods": summary(rows),
    }
    path = HERE / "results" / f"{name}.json"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    print(f"wrote {path}")


if __name__ == "__main__":
    main()

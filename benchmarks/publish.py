"""Write the measured figures of benchmarks/results/ into README.md and docs/, between their marks.

    python benchmarks/publish.py

Nothing on those pages is typed by hand; a test compares the pages with what this script would write.
"""

from __future__ import annotations

import json
import re
import statistics
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
sys.path.insert(0, str(HERE))
import publish_allocation  # noqa: E402
import publish_cluster  # noqa: E402
import publish_curves  # noqa: E402
import publish_evaluator  # noqa: E402
import publish_memory  # noqa: E402
import publish_programs  # noqa: E402
import publish_soc  # noqa: E402
import publish_uam  # noqa: E402
import publish_vm  # noqa: E402

ROOT = HERE.parent
SIZES = ("15x15", "20x15", "20x20", "30x15", "30x20", "50x15", "50x20", "100x20")
TEACHER = "rule:spt_twkr:best_of=64"
SHORT = ("rule:spt_twkr", "rule:mwkr", "rule:mor", "rule:spt", "rule:spt_twkr:best_of=128", "solver:cpsat:time=10")


def load(name: str) -> dict[str, Any]:
    """Return one result file."""
    result: dict[str, Any] = json.loads((HERE / "results" / f"{name}.json").read_text(encoding="utf-8"))
    return result


def table(head: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """Return a Markdown table, numbers to the right."""
    lines = [" | ".join(head), "|".join(["---"] + ["--:"] * (len(head) - 1))]
    lines += [" | ".join(str(cell) for cell in row) for row in rows]
    return "\n".join(f"| {line} |" if "--:" not in line else f"|{line}|" for line in lines)


def gaps(methods: dict[str, Any], names: Sequence[str] | None = None) -> str:
    """Return the mean gap of every method by size and over all, in percent, and its seconds."""
    rows = []
    for name in names or methods:
        entry = methods[name]
        by_size = [f"{entry['gap'][size]:.1f}" for size in SIZES]
        rows.append([f"`{name}`", *by_size, f"**{entry['mean gap']:.1f}**", f"{entry['seconds per row']:.2g}"])
    return table(["method", *SIZES, "mean", "s"], rows)


def made_by(*names: str) -> str:
    """Return the commands behind result files, the machine and the versions that matter."""
    results = [load(name) for name in names]
    machines = dict.fromkeys(str(result["device"]) for result in results)
    solver = next(
        (result["versions"].get("ortools") for result in results if result["command"].endswith("cpsat")), None
    )
    text = "Made by " + " and ".join(f"`{result['command']}`" for result in results) + f" on {', '.join(machines)}"
    return text + (f", OR-Tools {solver}." if solver else ".")


def quality_short() -> str:
    """The table of README.md."""
    methods = load("rules")["methods"] | load("cpsat")["methods"]
    return f"{gaps(methods, SHORT)}\n\n{made_by('rules', 'cpsat')}"


def quality() -> str:
    """The makespan table of docs/results.md."""
    rules, cpsat = load("rules"), load("cpsat")
    solved = next(iter(cpsat["methods"].values()))
    words = f"CP-SAT proved {solved['proven']} of {solved['rows']} optimal within its time."
    return f"{gaps(rules['methods'] | cpsat['methods'])}\n\n{words} {made_by('rules', 'cpsat')}"


def tardiness() -> str:
    """The tardiness table of docs/results.md."""
    rows = [
        [f"`{name}`", f"{entry['mean value']:,.1f}", f"{entry['mean gap']:+.1f}"]
        for name, entry in load("tardiness")["methods"].items()
    ]
    return (
        table(["method", "mean total tardiness, ticks", "% above `rule:mdd`, mean"], rows)
        + f"\n\n{made_by('tardiness')}"
    )


def speed_short() -> str:
    """The table of README.md and the first of docs/benchmarks.md."""
    ours = load("engine")
    rows = []
    for name, row in ours["jssenv"].items():
        rows.append([
            name, f"{row['copies'] / 1e6:.2f} M", f"{row['live'] / 1e6:.2f} M", f"{row['jssenv']:,.0f}",
            f"{row['copies / jssenv']:.0f} ×", f"{row['live / jssenv']:.0f} ×", f"{row['same process / jssenv']:.0f} ×",
        ])  # fmt: skip
    head = ["batch 256, steps/s", "copies", "live buffers", "JSSEnv 1.1.0", "copies ÷ JSSEnv", "live ÷ JSSEnv",
            "preset `jssenv`, copies ÷ JSSEnv"]  # fmt: skip
    single = ours["jssenv"]["ta01"]
    words = (
        f"One environment of `gym.make` on ta01: {single['gym.make']:,.0f} steps/s, "
        f"{single['gym.make / jssenv']:.1f} × JSSEnv. Timing `nondelay`, except in the last column, which plays "
        "JSSEnv's own decision process."
    )
    return (
        f"{table(head, rows)}\n\n{words}\n\nMade by `{ours['command']}` on {ours['machine']}, Python {ours['python']}."
    )


def speed() -> str:
    """The tables of docs/benchmarks.md."""
    ours = load("engine")
    parts = [speed_short()]
    rows = [
        [name, f"{row['copies']:,}", f"{row['jumanji']:,}", f"{row['ratio']:.0f} ×"]
        for name, row in ours["jumanji"].items()
        if row
    ]
    parts.append("Operations placed per second, batch 256, one thread, beside Jumanji 1.1.2 on CPU:")
    parts.append(table(["instance", "ganttlet, copies", "Jumanji", "ratio"], rows))
    parts.append("Steps per second by batch, in millions; two threads each play a batch of their own:")
    sweep = [
        [row["instance"], row["batch"], "yes" if row["copies"] else "no",
         f"{row['one thread'] / 1e6:.3f}", f"{row['two threads'] / 1e6:.3f}"]
        for row in ours["sweep"]
    ]  # fmt: skip
    parts.append(table(["instance", "batch", "copies", "one thread", "two threads"], sweep))
    parts.append("Microseconds per step of a single environment on ta80 (`gym.make(...).unwrapped`):")
    cost = ours["single environment on ta80, µs"]
    parts.append(table(["what", "µs"], [[name, value] for name, value in cost.items()]))
    return "\n\n".join(parts)


def footprint() -> str:
    """The memory and start-up table of docs/benchmarks.md."""
    result = load("footprint")
    rows = [
        [f"{group}: {name}", value]
        for group, values in result.items()
        if isinstance(values, dict)
        for name, value in values.items()
    ]
    return f"{table(['what', 'measured'], rows)}\n\n{made_by('footprint')}"


def policy_rows(suite: str, prefixes: Sequence[str], decode: str = "greedy") -> list[dict[str, Any]]:
    """Return the rows of policies.json of a suite and decoding whose run is named ``prefix-<seed>``."""
    rows = [row for row in load("policies")["rows"] if (row["suite"], row["decode"]) == (suite, decode)]
    found = [row for prefix in prefixes for row in rows if re.fullmatch(rf"{prefix}-\d+", row["run"])]
    return sorted(found, key=lambda row: (prefixes.index(row["run"].rpartition("-")[0]), row["seed"]))


def decoding(row: dict[str, Any]) -> str:
    """Return a decoding in words."""
    return "greedy" if row["decode"] == "greedy" else f"best of {row['decode'].rpartition('=')[2]}"


def policy_table(suite: str, prefixes: Sequence[str]) -> str:
    """Return gaps by size of every run and seed, and the mean over seeds where there are several."""
    rows = policy_rows(suite, prefixes)
    sizes = list(rows[0]["gap"])
    lines = []
    for key in dict.fromkeys((row["run"].rpartition("-")[0], row["decode"]) for row in rows):
        own = [row for row in rows if (row["run"].rpartition("-")[0], row["decode"]) == key]
        for row in own:
            seconds = f"{row['training']['run seconds']:,.0f}"
            by_size = [f"{row['gap'][size]:.1f}" for size in sizes]
            name = f"{key[0]}, seed {row['seed']}, {decoding(row)}"
            learned = f"{row['training']['run decisions']:,}"
            lines.append([name, *by_size, f"{row['mean gap']:.2f}", seconds, learned, f"{row['seconds per row']:.2g}"])
        if len(own) > 1:
            by_size = [f"**{statistics.mean(row['gap'][size] for row in own):.1f}**" for size in sizes]
            whole = f"**{statistics.mean(row['mean gap'] for row in own):.2f}**"
            lines.append([f"**{key[0]}, mean of {len(own)} seeds, {decoding(own[0])}**", *by_size, whole, "", "", ""])
    return table(["run", *sizes, "mean", "trained, s", "decisions", "s per instance"], lines)


def policy_commands(rows: Sequence[dict[str, Any]]) -> str:
    """Return the commands behind rows."""
    trained = dict.fromkeys(f"`{row['training']['command']}`" for row in rows)
    judged = dict.fromkeys(re.sub(r"policy:[^:]+:", "policy:RUN:", row["evaluate"]) for row in rows)
    lines = ["Trained by " + ", ".join(trained) + ";"]
    lines.append("judged by " + ", ".join(f"`{command}`" for command in judged) + ";")
    lines.append(f"on {rows[0]['device']}, PyTorch {rows[0]['versions']['torch']}. {rows_made_by(rows)}")
    return "\n".join(lines)


def rows_made_by(rows: Sequence[dict[str, Any]]) -> str:
    """Return the commands that wrote rows into policies.json."""
    decodes: dict[str, list[str]] = {}
    for row in rows:
        known = decodes.setdefault(row["suite"], [])
        known += [row["decode"]] if row["decode"] not in known else []
    script = "python benchmarks/policies.py RUN … --suite"
    made = (f"`{script} {suite} --decode {','.join(known)}`" for suite, known in decodes.items())
    return f"Made by {', '.join(made)}."


def best_of_128() -> tuple[list[dict[str, Any]], dict[str, dict[str, float]]]:
    """Return the sampled rows of ``standard``, and run -> gap by size, whole or put together from the parts."""
    suites = ("taillard", "taillard_70", "taillard_100")
    rows = [row for suite in suites for row in policy_rows(suite, ("standard",), "sample:samples=128")]
    runs = dict.fromkeys(sorted(row["run"] for row in rows))
    return rows, {
        name: {size: gap for row in rows if row["run"] == name for size, gap in row["gap"].items()} for name in runs
    }


def policies_best() -> str:
    """Best of 128 by seed."""
    rows, runs = best_of_128()
    lines = [
        [name, *(f"{gap[size]:.1f}" for size in SIZES), f"**{statistics.mean(gap[size] for size in SIZES):.2f}**"]
        for name, gap in runs.items()
    ]
    largest = [f"{row['seconds per row']:.0f}" for row in rows if row["suite"] == "taillard_100"]
    words = f"128 sequences of 100x20 took {' and '.join(largest)} s per instance on one core."
    return f"{table(['run', *SIZES, 'mean'], lines)}\n\n{words} {policy_commands(rows)}"


def policies() -> str:
    """The policies' table of docs/results.md, with the published rows below."""
    names = ("quick", "standard", "long")
    published = json.loads((HERE / "published.json").read_text(encoding="utf-8"))
    lines = [
        [one["method"], *(f"{gap:.1f}" for gap in one["gap"]), f"{one['mean']:.1f}", one["source"]]
        for one in published["rows"]
    ]
    shown = table(["published", *published["sizes"], "mean", "how it was read"], lines)
    return f"{policy_table('taillard', names)}\n\n{policy_commands(policy_rows('taillard', names))}\n\n{shown}"


def policies_short() -> str:
    """The table of README.md: means over seeds."""
    names = ("quick", "standard", "long")
    rows = policy_rows("taillard", names)
    lines = []
    for name in names:
        own = [row for row in rows if row["run"].rpartition("-")[0] == name]
        minutes = max(row["training"]["run seconds"] for row in own) / 60.0
        lines.append([f"`{name}`, greedy", len(own), f"{minutes:.0f}", *_means([row["gap"] for row in own])])
        if name == "standard":
            sampled = list(best_of_128()[1].values())
            lines.append([f"`{name}`, best of 128", len(sampled), f"{minutes:.0f}", *_means(sampled)])
    shown = table(["preset, decoding", "seeds", "minutes", *SIZES, "mean"], lines)
    return f"{shown}\n\n{rows_made_by([*rows, *best_of_128()[0]])}"


def _means(gaps_of_runs: Sequence[dict[str, float]]) -> list[str]:
    """Return the mean over runs for each size, and over all sizes, which have ten instances each."""
    by_size = [statistics.mean(gap[size] for gap in gaps_of_runs) for size in SIZES]
    return [*(f"{gap:.1f}" for gap in by_size), f"**{statistics.mean(by_size):.1f}**"]


def policies_dmu() -> str:
    """Policies on dmu01 to dmu40."""
    names = ("standard", "long")
    return f"{policy_table('dmu', names)}\n\n{policy_commands(policy_rows('dmu', names))}"


def policies_four() -> str:
    """Teacher, imitation, PPO and both, at equal wall time."""
    names = ("half-imitation", "half-ppo", "half-both")
    rules = ["rule:spt_twkr", TEACHER]
    rows = [row for row in load("policies")["rows"] if row["run"] in rules and row["suite"] == "taillard"]
    teacher = [
        [f"{'teacher' if row['run'] == TEACHER else 'its rule alone'}, `{row['run']}`",
         *(f"{row['gap'][size]:.1f}" for size in SIZES), f"{row['mean gap']:.2f}", "", "",
         f"{row['seconds per row']:.2g}"]
        for row in sorted(rows, key=lambda row: rules.index(row["run"]))
    ]  # fmt: skip
    head, rule, *rest = policy_table("taillard", names).splitlines()
    first = table(["run", *SIZES, "mean", "trained, s", "decisions", "s per instance"], teacher).splitlines()[2:]
    return "\n".join([head, rule, *first, *rest]) + f"\n\n{policy_commands(policy_rows('taillard', names))}"


def policies_tardiness() -> str:
    """Policies on the tardiness suite."""
    rows = policy_rows("taillard_tardiness", ("tardiness",))
    lines = [
        [f"seed {row['seed']}, {decoding(row)}", f"{row['mean value']:,.1f}", f"{row['mean gap']:+.1f}",
         f"{row['training']['run seconds']:,.0f}"]
        for row in rows
    ]  # fmt: skip
    head = ["policy", "mean total tardiness, ticks", "% above `rule:mdd`, mean", "trained, s"]
    return f"{table(head, lines)}\n\n{policy_commands(policy_rows('taillard_tardiness', ('tardiness',)))}"


def learning_rates() -> str:
    """The learning-rate profiles: the last validation of each run."""
    part = load("learning_curves")["learning_rate"]
    lines = [
        [one["learning rate"], one["seed"], f"{one['seconds'][-1]:,.0f}", f"{one['decisions'][-1]:,}",
         f"{min(one['gap']):+.2f}", f"{one['gap'][-1]:+.2f}"]
        for one in part["curves"].values()
    ]  # fmt: skip
    head = ["profile", "seed", "seconds", "decisions", "best gap, %", "last gap, %"]
    commands = ", ".join(f"`{one['command']}`" for one in part["curves"].values())
    reference = next(iter(part["curves"].values()))["reference"]
    words = (
        f"Gap to `{reference}` on the validation instances, greedy. Trained by {commands}. Made by `{part['command']}`."
    )
    return f"{table(head, lines)}\n\n{words}"


def training_part(name: str) -> dict[str, Any] | None:
    """Return one part of training.json, None if it has not been measured."""
    try:
        part: dict[str, Any] | None = load("training").get(name)
    except FileNotFoundError:
        return None
    return part


def not_measured(name: str) -> str:
    """What stands in place of a part of training.json that is not there."""
    return f"Not measured yet: `python benchmarks/training.py {name}`, then `python benchmarks/publish.py`."


def part_made_by(part: dict[str, Any]) -> str:
    """Return the command behind a part of training.json, the machine and the version that matters."""
    return f"Made by `{part['command']}` on {part['device']}, PyTorch {part['versions']['torch']}."


def training_profile() -> str:
    """Where a training second goes."""
    part = training_part("profile")
    if part is None:
        return not_measured("profile")
    runs = part["threads"]
    counts = list(runs)
    rows = [
        [name, *(f"{100 * runs[count]['share'][name]:.1f}" for count in counts)]
        for name in next(iter(runs.values()))["share"]
    ]
    for label, key in (
        ("**not network**", "non-network share"),
        ("**not network, cutting and joining included**", "non-network share, cutting and joining included"),
    ):
        rows.append([label, *(f"**{100 * runs[count][key]:.1f}**" for count in counts)])
    rows += [
        ["decisions/s, without the clock", *(f"{runs[count]['decisions/s, without the clock']:,}" for count in counts)],
        ["updates measured", *(runs[count]["updates"] for count in counts)],
    ]
    head = ["% of the time", *(_threads(count) for count in counts)]
    return f"{table(head, rows)}\n\n{part_made_by(part)}"


def training_encoders() -> str:
    """Decisions per second by encoder and threads."""
    part = training_part("encoders")
    if part is None:
        return not_measured("encoders")
    rows, failures = [], []
    for row in part["rows"]:
        name = f"`{row['encoder']}`" + (", compiled" if row["compile"] else "")
        figures = ["-"] * 4
        if "failed" in row:
            failures.append(f"{name}, {_threads(row['threads'])}, failed: {row['failed']}.")
        else:
            figures = [f"{row[key]:,}" for key in ("parameters", "training", "greedy", "scoring alone")]
        rows.append([name, row["layers"], row["threads"], *figures])
    head = ["encoder", "layers", "threads", "parameters", "training", "greedy play", "scoring alone"]
    return "\n\n".join([table(head, rows), *failures, part_made_by(part)])


def training_peer() -> str:
    """RL4CO's training beside ours."""
    part = training_part("peer")
    if part is None:
        return not_measured("peer")
    rows, failures, rules = [], [], []
    for row in part["rows"]:
        mine, theirs, ratio = row["ours"], row["rl4co"], row.get("ratio")
        rules.append(
            f"{row['size']}: "
            + ", ".join(f"`{name}` {value:,.1f}" for name, value in row["rules, mean makespan"].items())
        )
        if ratio is None:
            failures.append(f"RL4CO on {row['size']} failed: {theirs['failed']}.")
            continue
        rows.append([
            row["size"], row["threads"],
            f"{mine['seconds']:.0f} / {theirs['seconds']:.0f}", f"{mine['updates']:,} / {theirs['updates']:,}",
            f"{mine['decisions/s']:,.0f}", f"{theirs['decisions/s']:,.0f}", f"{ratio['decisions/s']:.1f} ×",
            f"{mine['mean makespan, greedy']:,.1f}", f"{theirs['mean makespan, greedy']:,.1f}",
            f"{ratio['mean makespan, greedy']:.3f}",
        ])  # fmt: skip
    head = ["ours / RL4CO's", "threads", "seconds", "optimiser steps", "decisions/s, ours", "RL4CO's", "ratio",
            "mean makespan, ours", "RL4CO's", "ratio"]  # fmt: skip
    words = f"Mean makespan of rules on the same instances: {'; '.join(rules)}."
    notes = "\n".join(f"- {one}" for one in part["differences"])
    return "\n\n".join(filter(None, [table(head, rows), *failures, words, notes, part_made_by(part)]))


def _threads(count: int | str) -> str:
    return f"{count} thread{'' if int(count) == 1 else 's'}"


REGIONS: dict[tuple[str, str], Callable[[], str]] = {
    ("README.md", "results"): quality_short,
    ("README.md", "speed"): speed_short,
    ("docs/results.md", "makespan"): quality,
    ("docs/results.md", "tardiness"): tardiness,
    ("README.md", "policies"): policies_short,
    ("docs/results.md", "policies"): policies,
    ("docs/results.md", "policies_best"): policies_best,
    ("docs/results.md", "policies_dmu"): policies_dmu,
    ("docs/results.md", "policies_four"): policies_four,
    ("docs/results.md", "policies_tardiness"): policies_tardiness,
    ("docs/results.md", "learning_rates"): learning_rates,
    ("docs/benchmarks.md", "speed"): speed,
    ("docs/benchmarks.md", "footprint"): footprint,
    ("docs/benchmarks.md", "training_profile"): training_profile,
    ("docs/benchmarks.md", "training_encoders"): training_encoders,
    ("docs/benchmarks.md", "training_peer"): training_peer,
    **publish_evaluator.regions(table),
    **publish_cluster.regions(table),
    **publish_vm.regions(table),
    **publish_soc.regions(table),
    **publish_memory.regions(table),
    **publish_allocation.regions(table),
    **publish_programs.regions(table),
    **publish_uam.regions(table),
    **publish_curves.regions(table),
}


def fill(text: str, name: str, content: str) -> str:
    """Return ``text`` with the region ``name`` replaced by ``content``."""
    begin, end = f"<!-- {name}:start -->", f"<!-- {name}:end -->"
    if text.count(begin) != 1 or text.count(end) != 1:
        raise SystemExit(f"region {name!r}: expected {begin} and {end} once each")
    return re.sub(f"{begin}.*{end}", lambda _: f"{begin}\n{content}\n{end}", text, flags=re.DOTALL)


def main() -> None:
    for (page, name), write in REGIONS.items():
        path = ROOT / page
        path.write_text(fill(path.read_text(encoding="utf-8"), name, write()), encoding="utf-8")
        print(f"{page}: {name}")


if __name__ == "__main__":
    main()

"""Quality tables of the family: means, paired differences, pages."""

import json
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from benches import BENCHMARKS, benchmark_modules
from ganttlet.core.errors import InputError
from ganttlet.soc_dag import resolve, validate
from ganttlet_agents.evaluation.methods import BoundMethod, MethodType, parse_methods
from ganttlet_agents.policy.methods import Decoding, PolicyMethod
from ganttlet_agents.rules.soc_dag import run_rule

OWN = ("soc_quality", "publish_soc", "publish_curves", "policies")
SUITE = """
about: two rates, two seeds
family: soc_dag
instances:
  slow: [{generator: stream, base: top_mix5, length: 1500, scale: 100, seeds: 0..1}]
  fast: [{generator: stream, base: top_mix5, length: 1500, scale: 25, seeds: 0..1}]
methods: [rule:etf, rule:met]
"""


@pytest.fixture
def bench(monkeypatch):
    with benchmark_modules(monkeypatch, OWN) as found:
        yield found


@pytest.fixture
def suite(tmp_path):
    path = tmp_path / "tiny.yaml"
    path.write_text(SUITE, encoding="utf-8")
    return str(path)


def latencies(bench, suite, rule):
    """Group -> latencies of a rule, by the validator."""
    return {
        group: [validate(one, run_rule(rule, one)[0]).values["latency"] for one in instances]
        for group, instances in bench.soc_quality.groups_of(suite).items()
    }


def test_quality_rows_are_paired_with_etf_seed_by_seed(bench, suite, tmp_path):
    out, quality = tmp_path / "quality.json", bench.soc_quality
    for bound in parse_methods("rule:met", "soc_dag"):
        rows = quality.store(out, quality.rows_of(suite, bound))
    assert not any("difference" in row for row in rows)
    for bound in parse_methods("rule:etf", "soc_dag"):
        rows = quality.store(out, quality.rows_of(suite, bound))
    found = {(row["group"], row["method"]): row for row in rows}
    assert len(found) == 4
    met, etf = latencies(bench, suite, "met"), latencies(bench, suite, "etf")
    for group in ("slow", "fast"):
        row = found[group, "rule:met"]
        assert row["value"] == pytest.approx(np.mean(met[group]), abs=1e-3)
        against = 100 * np.subtract(met[group], etf[group]) / np.mean(etf[group])
        assert row["difference"][0] == pytest.approx(against.mean(), abs=2e-3)
        assert min(against) - 0.01 <= row["difference"][1] <= row["difference"][2] <= max(against) + 0.01
        assert row["wins"] == f"{int((against < 0).sum())}/2"
        assert "difference" not in found[group, "rule:etf"]
    kept = json.loads(out.read_text(encoding="utf-8"))["rows"]
    assert kept == rows


def test_a_row_made_again_replaces_the_old_one_and_groups_that_are_gone_go(bench, suite, tmp_path):
    out, quality = tmp_path / "quality.json", bench.soc_quality
    (bound,) = parse_methods("rule:etf", "soc_dag")
    quality.store(out, quality.rows_of(suite, bound))
    Path(suite).write_text(SUITE.replace("  slow:", "  steady:"), encoding="utf-8")
    rows = quality.store(out, quality.rows_of(suite, bound, 1))
    assert {(row["group"], row["instances"]) for row in rows} == {("steady", 1), ("fast", 1)}


def test_other_instances_are_not_paired(bench):
    def row(method, values):
        return {"suite": "s", "group": "g", "method": method, "values": values, "difference": [9, 9, 9]}

    rows = [row("rule:etf", {"a": 1.0}), row("rule:met", {"b": 2.0})]
    bench.soc_quality.compare(rows)
    assert not any("difference" in one for one in rows)


def test_the_command_names_its_rows(bench, suite, tmp_path, capsys):
    out = tmp_path / "quality.json"
    bench.soc_quality.main(["--suites", suite, "--methods", "rule:eft", "--instances", "1", "--out", str(out)])
    rows = json.loads(out.read_text(encoding="utf-8"))["rows"]
    assert {row["method"] for row in rows} == {"rule:etf", "rule:eft"}
    shown = capsys.readouterr().out.splitlines()
    assert len(shown) == 4
    assert "% [" in shown[-1]


def ranked(obs):
    """Logits that prefer late rows and low PEs, without ties."""
    return np.linspace(1.0, 2.0, obs["action_mask"].shape[1], dtype=np.float32)[None].repeat(len(obs["action_mask"]), 0)


def test_a_greedy_policy_plays_side_by_side_what_it_plays_alone(bench, suite, monkeypatch):
    card = SimpleNamespace(env_id="ganttlet/SoCDAG-v0", env_kwargs={"action": "joint", "observation": "ready"})
    policy = SimpleNamespace(card=card, check_graph=lambda graph, env_id: None)
    method = PolicyMethod(policy, ranked, Decoding("greedy", 1, 1.0, None, 1, 1, 1, 1, 0.1, 1.0, None, None, 1))
    kind = MethodType("policy", "ranked", "soc_dag", "", {}, lambda options: method)
    bound = BoundMethod("policy:ranked", kind, {}, method)
    instances = [one for group in bench.soc_quality.groups_of(suite).values() for one in group]
    monkeypatch.setattr(bench.soc_quality, "SIDE_BY_SIDE", 3)
    plays = bench.soc_quality.play(bound, instances)
    for instance, play in zip(instances, plays, strict=True):
        alone = method.solve(instance, objective="latency", seed=0)
        assert play.values == validate(instance, alone.solution).values
        assert play.decisions == alone.decisions


def test_a_method_that_finds_nothing_is_not_measured(bench):
    (bound,) = parse_methods("solver:cpsat:time=1", "soc_dag")
    with pytest.raises((AssertionError, InputError)):
        bench.soc_quality.play(bound, [resolve("top_mix5:length=300")])


def table(head, rows):
    """Plain text in place of Markdown."""
    return "\n".join("; ".join(map(str, line)) for line in (head, *rows))


def quality_row(suite, group, method, value, difference=None, **more):
    row = {"suite": suite, "group": group, "method": method, "value": value, "latency": value, "throughput": 2.0}
    row |= {"instances": 20, "device": "a machine", "values": {"a": value}, **more}
    return row if difference is None else {**row, "difference": difference}


@pytest.fixture
def pages(bench, tmp_path, monkeypatch):
    """Write soc_quality.json's rows and return the regions."""
    monkeypatch.setattr(bench.publish_soc, "RESULTS", tmp_path)

    def write(*rows):
        (tmp_path / "soc_quality.json").write_text(json.dumps({"rows": rows}), encoding="utf-8")
        return {name: make for (_, name), make in bench.publish_soc.regions(table).items()}

    return write


def test_pages_say_what_is_not_measured(bench, pages):
    made = pages()
    assert set(made) == {
        "soc_latency",
        "soc_short",
        "soc_engine",
        "soc_published",
        "soc_mix",
        "soc_others",
        "soc_policies",
        "soc_static",
    }
    assert {make() for name, make in made.items() if name != "soc_published"} == {"Not measured yet."}
    for page, name in bench.publish_soc.regions(table):
        text = (BENCHMARKS.parent / page).read_text(encoding="utf-8")
        assert text.count(f"<!-- {name}:start -->") == text.count(f"<!-- {name}:end -->") == 1


def test_pages_show_latencies_and_differences(pages):
    run = "policy:runs/soc_dag/a-0"
    made = pages(
        quality_row("soc_mix", "5 jobs/ms", "rule:etf", 160.0),
        quality_row("soc_mix", "5 jobs/ms", "rule:peft", 152.0, [-5.0, -6.04, -4.0]),
        quality_row(
            "soc_mix", "5 jobs/ms", run, 144.0, [-10.0, -11.0, -9.0], seed=3, training={"run decisions": 12345}
        ),
        quality_row("soc_mix", "15.4 jobs/ms", run, 144.0, [-20.0, -21.0, -19.0]),
        quality_row("soc_noise", "std 0.3", "rule:etf", 200.0),
        quality_row("soc_noise", "std 0.3", run, 190.0, [-5.5, -6.0, -5.0]),
        quality_row("soc_platforms", "G1, 15.4 jobs/ms", run, 190.0, [-7.0, -8.0, -6.0]),
        quality_row("soc_platforms", "G2, 10 jobs/ms", run, 190.0, [-8.0, -9.0, -7.0]),
        quality_row("soc_without", "without x", run, 190.0, [-2.0, -9.0, -7.0]),
        quality_row("soc_without", "without y", run, 190.0, [1.5, -9.0, 7.0]),
    )
    text = made["soc_mix"]()
    for line in ("`rule:etf`; 160.0", "`rule:peft`; 152.0", "`rule:peft`; -5.0 [-6.0, -4.0]", "20 seeds", "a machine"):
        assert line in text
    assert "runs/" not in text
    assert "rule:peft" not in made["soc_short"]()
    assert "`rule:etf`, µs; 200.0" in made["soc_others"]()
    (line,) = (line for line in made["soc_policies"]().splitlines() if line.startswith(f"`{run}`"))
    assert line.split("; ") == [
        f"`{run}`", "3", "12,345", "20", "-15.0", "-10.0", "", "-20.0 [-21.0, -19.0]", "", "-5.5", "-8.0",
        "+1.5 (y)", "",
    ]  # fmt: skip


def test_whole_graphs_are_shown_over_the_solver(pages):
    made = pages(
        quality_row("soc_static", "LU", "solver:cpsat:time=5", 2.0, values={"a": 1.0, "b": 3.0}, optimal=2, bound=2.0),
        quality_row("soc_static", "LU", "rule:heft", 3.0, values={"a": 1.5, "b": 3.3}),
    )
    assert "`rule:heft`; 1.300" in made["soc_static"]()
    assert "proved optimal by `solver:cpsat:time=5`; 2/20" in made["soc_static"]()

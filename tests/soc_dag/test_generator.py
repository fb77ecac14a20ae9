"""Generators: recipes against their statistics and against arithmetic, limits of padded spaces, bad settings."""

import json
import math
import subprocess
import sys
from itertools import pairwise

import numpy as np
import pytest

from ganttlet.core.data import data_path
from ganttlet.core.errors import InputError
from ganttlet.core.rng import key_of
from ganttlet.soc_dag.generator import GENERATORS, make_generator
from ganttlet.soc_dag.layered import _levels
from ganttlet.soc_dag.layout import Sizes
from ganttlet.soc_dag.library import base, resolve
from ganttlet.soc_dag.scenario import Scenario
from ganttlet.soc_dag.storage import sizes_of

WIDE = {
    "stream": {
        "base": ["top_mix5", "top_single", "table4"],
        "scale": [20, 200],
        "std": [0, 0.3],
        "noise": ["gaussian", "lognormal"],
        "capacity": [2, 5],
        "full": ["block", "redraw", "queue"],
        "length": [2000, 4000],
        "outages": [0, 3],
        "outage_length": [10, 50],
        "deadline_factor": [1.5, 4],
    },
    "layered": {
        "tasks": [5, 15],
        "alpha": [0.5, 2],
        "density": [0.1, 0.9],
        "jump": [1, 4],
        "ccr": [0.1, 5],
        "beta": [0, 2],
        "regularity": [0, 1],
        "pes": [1, 4],
        "apps": [1, 3],
        "outages": 2,
        "outage_length": 100,
    },
    "tiled": {
        "kind": ["cholesky", "lu", "qr"],
        "tiles": [1, 4],
        "cpus": [1, 3],
        "gpus": [0, 2],
        "transfer": [0, 20],
        "rate": [1, 5],
        "jobs": [5, 9],
        "std": 0.1,
    },
    "toy": {
        "time": [0, 9],
        "arrivals": ["exponential", "periodic", "trace"],
        "full": ["block", "redraw", "queue"],
        "prefill": [False, True],
        "end": ["drain", "cut"],
        "warmup": [0, 10],
        "cooldown": [0, 10],
        "stop_after": [1, 4],
        "noise": ["gaussian", "lognormal"],
        "std": [0, 1],
        "communication": ["pe_to_pe", "shared_memory"],
        "deadline_factor": [1, 4],
        "tick_compat": [False, True],
        "outages": [0, 3],
    },
}
CASES = [{"name": name} for name in GENERATORS] + [{"name": name, **given} for name, given in WIDE.items()]


def need(*parts):
    path = data_path("soc_dag", *parts)
    if not path.exists():
        pytest.skip(f"{'/'.join(parts)} is not under GANTTLET_DATA")


def drawn(given, count=200):
    generator = make_generator(given)
    return [generator.sample(seed) for seed in range(count)]


@pytest.mark.parametrize("given", CASES, ids=str)
def test_instances_fit_and_follow_from_their_seed(given):
    generator = make_generator(given)
    again = make_generator(json.loads(json.dumps(generator.settings)))
    assert (again.settings, again.sizes) == (generator.settings, generator.sizes)
    seen = set()
    for seed in range(60):
        instance = generator.sample(seed)
        have = sizes_of(instance)
        assert all(one <= room for one, room in zip(have, generator.sizes, strict=True)), (have, generator.sizes)
        assert instance == again.sample(seed)
        assert instance.name.startswith(generator.name)
        assert instance.name.endswith(f"-s{seed}")
        seen.add(instance.seed)
    assert len(seen) == 60
    assert max(seen) > 2**61
    key = key_of(np.uint64(5), 0, 0)
    assert generator.sample_key(key).digest == generator.sample(5).digest
    assert generator.sample_key(key).name.endswith(f"-key{int(key):016x}")
    assert generator.sample(-1).digest == generator.sample(2**64 - 1).digest


def test_instances_are_the_same_in_another_process():
    code = (
        "import json, sys; from ganttlet.soc_dag.generator import make_generator as make; "
        "print([make(given).sample(7).digest for given in json.loads(sys.argv[1])])"
    )
    text = subprocess.run([sys.executable, "-c", code, json.dumps(CASES)], capture_output=True, text=True, check=True)
    assert text.stdout.strip() == str([make_generator(given).sample(7).digest for given in CASES])


@pytest.mark.parametrize("name", WIDE)
def test_sizes_are_reached(name):
    generator = make_generator({"name": name, **WIDE[name]})
    sizes = [sizes_of(generator.sample(seed)) for seed in range(300)]
    most = Sizes(*map(max, zip(*sizes, strict=True)))
    for field in ("apps", "tasks", "pes", "clusters", "slots", "outages"):
        assert getattr(most, field) == getattr(generator.sizes, field), field


def test_toys_reach_every_rule():
    toys = drawn({"name": "toy", **WIDE["toy"]}, 400)
    for field in ("arrivals", "full", "prefill", "end", "noise", "communication", "tick_compat", "capacity"):
        expected = WIDE["toy"].get(field, [1, 2, 3])
        assert {getattr(one, field) for one in toys} == set(expected), field
    assert {int(n) for one in toys for n in one.n_tasks} == {2, 3, 4}
    assert {one.n_pes for one in toys} == {2, 3}
    assert {one.n_apps for one in toys} == {1, 2}
    assert {one.n_clusters for one in toys} == {1, 2, 3}
    assert {len(one.outage) for one in toys} == {0, 1, 2, 3}
    assert {int(to - since) for one in toys for _, since, to in one.outage} == set(range(1, 11))
    assert {int(time) for one in toys for time in one.exec_time.ravel()} == set(range(-1, 10))
    assert {int(volume) for one in toys for volume in one.edges[:, :, 2].ravel()} == set(range(-1, 7))
    traces = [one for one in toys if one.arrivals == "trace"]
    assert {len(one.trace) for one in traces} == {2, 3, 4}
    assert all(one.trace[0, 0] == 0 and not one.prefill and one.jobs == len(one.trace) for one in traces)
    assert {app for one in traces for app in one.trace[:, 1].tolist()} == {0, 1}
    assert {one.jobs for one in toys} == {2, 3, 4}
    assert all((one.stop_after is None) == (one.end == "drain") for one in toys)
    assert max(one.cooldown for one in toys) == 10
    assert all(one.cooldown == 0 for one in toys if one.end == "cut")
    stds = np.array([one.std.max() for one in toys])
    assert (stds.min() < 0.05, stds.max() > 0.95, abs(stds.mean() - 0.5) < 0.06) == (True, True, True)


def test_toys_of_one_kind():
    plain = drawn({"name": "toy"}, 100)
    fields = ("arrivals", "full", "end", "length", "prefill", "noise", "communication", "warmup", "tick_compat")
    assert {tuple(getattr(one, field) for field in fields) for one in plain} == {
        ("exponential", "block", "drain", None, False, "gaussian", "pe_to_pe", 0, False)
    }
    assert all(not one.std.any() and not one.deadline.any() and not len(one.outage) for one in plain)
    fixed = make_generator({"name": "toy", "tasks": 3, "density": 1, "support": 1, "time": 5, "volume": 2}).sample(0)
    assert fixed.n_tasks.tolist() == [3] * fixed.n_apps
    assert set(fixed.exec_time[:, :3].ravel().tolist()) == {5}
    assert all(len(fixed.edges_of(app)) == 3 for app in range(fixed.n_apps))
    assert all(volume == 2 for app in range(fixed.n_apps) for _, _, volume in fixed.edges_of(app))
    assert [one.jobs for one in drawn({"name": "toy", "jobs": None}, 50)] == [one.jobs for one in plain[:50]]
    assert {one.scale for one in drawn({"name": "toy", "rate": 200}, 3)} == {5.0}
    assert len(make_generator({"name": "toy", "rate": 200, "jobs": 9, "arrivals": "trace"}).sample(0).trace) == 9


def test_lists_are_chosen_among_evenly():
    capacities = [one.capacity for one in drawn({"name": "toy", "capacity": [1, 5, 9]}, 600)]
    assert [abs(capacities.count(value) - 200) < 60 for value in (1, 5, 9)] == [True] * 3
    assert len(capacities) == sum(capacities.count(value) for value in (1, 5, 9))


def test_gaps_are_uniform_in_the_logarithm():
    for given in ({"scale": [20, 2000]}, {"rate": [0.5, 50]}):
        scales = np.array([one.scale for one in drawn({"name": "stream", **given}, 400)])
        assert scales.min() >= 20
        assert scales.max() <= 2000
        assert abs(np.log(scales).mean() - math.log(200)) < 5 * math.log(100) / math.sqrt(12 * 400)


def test_outages_do_not_touch_and_lie_in_the_run():
    given = {"name": "stream", "outages": 30, "outage_length": [50, 300]}
    instances = drawn(given, 20)
    assert {pe for one in instances for pe in one.outage[:, 0].tolist()} == {0, 1, 2}
    for one in instances:
        assert len(one.outage) == 30
        for (pe, _, until), (other, since, _) in pairwise(one.outage.tolist()):
            assert pe < other or until < since
    first = [one.outage[0, 1] for one in drawn({**given, "outages": 1}, 200)]
    assert abs(np.mean(first) - 2500) < 5 * 5000 / math.sqrt(12 * 200)
    single = drawn({"name": "layered", "outages": 1, "outage_length": 10}, 100)
    assert all(one.outage[0, 1] < one.critical_path[0] for one in single)
    assert {int(one.outage[0, 1]) > one.critical_path[0] / 2 for one in single} == {False, True}


def test_streams_are_workloads_by_name():
    one = make_generator({"name": "stream"}).sample(3)
    assert one.name == "stream-top_mix5-s3"
    assert one.digest == resolve({"name": "top_mix5", "seed": one.seed}).digest
    changes = {"scale": 40.0, "std": 0.2, "capacity": 5, "full": "block", "prefill": False, "end": "drain"}
    changes |= {"length": 3000, "warmup": 100, "cooldown": 200, "deadline_factor": 2.0, "noise": "lognormal"}
    other = make_generator({"name": "stream", "base": "top_mix10", **changes}).sample(0)
    assert other.digest == resolve({"name": "top_mix10", **changes, "seed": other.seed}).digest
    bounded = make_generator({"name": "stream", "jobs": 7, "length": None, "end": "drain"}).sample(0)
    assert (bounded.jobs, bounded.length) == (7, None)
    dated = make_generator({"name": "stream", "deadline_factor": 3}).sample(1)
    assert dated.deadline.tolist() == (3 * dated.critical_path).tolist()
    trace = make_generator({"name": "stream", "base": "top_2", "std": 0.5}).sample(1)
    assert (trace.trace.tolist(), trace.jobs) == ([[0, 0]], 1)
    many = make_generator(
        {"name": "stream", "base": "top_2", "arrivals": "exponential", "rate": 20, "jobs": 50}
    ).sample(1)
    assert (many.arrivals, many.trace.tolist(), many.jobs) == ("exponential", [], 50)


def test_streams_leave_applications_out():
    instances = drawn({"name": "stream", "without": ["top_2", "top_1+top_5"]}, 50)
    assert {one.app_names for one in instances} == {
        ("top_1", "top_3", "top_4", "top_5"),
        ("top_2", "top_3", "top_4"),
    }
    assert instances[0].probability.tolist() == [1 / instances[0].n_apps] * instances[0].n_apps
    assert {one.name.rsplit("-", 1)[0] for one in instances} == {
        "stream-top_mix5-no_top_2",
        "stream-top_mix5-no_top_1-no_top_5",
    }


def test_streams_on_other_platforms():
    need("socs")
    names = ["G1", "G2", "G3", "G4", "G5"]
    given = {"name": "stream", "base": "ds3_fig12b", "platform": names, "rate": [1, 20]}
    generator = make_generator(given)
    instances = [generator.sample(seed) for seed in range(60)]
    assert {(one.name.split("-")[2], one.n_pes) for one in instances} == {
        ("G1", 16),
        ("G2", 10),
        ("G3", 5),
        ("G4", 11),
        ("G5", 8),
    }
    assert (generator.sizes.pes, generator.sizes.clusters, generator.sizes.tasks) == (16, 5, 34)
    one = next(one for one in instances if "G3" in one.name)
    changed = {"name": "ds3_fig12b", "platform": "G3", "scale": one.scale, "seed": one.seed}
    assert one.digest == resolve(changed).digest
    with pytest.raises(InputError, match="stream': top_mix5-G1: platform 'G1': field 'times' knows no kernel"):
        make_generator({"name": "stream", "platform": "G1"})


def test_the_bound_on_jobs_holds_at_the_highest_rate():
    generator = make_generator({"name": "stream", "scale": [10, 50], "length": [1000, 5000], "capacity": [1, 20]})
    scenario = base("top_mix5").scenario
    expected = Scenario(scale=10.0, length=5000, capacity=20, prefill=scenario.prefill).most_jobs
    assert generator.sizes.jobs == expected
    assert make_generator({"name": "stream", "jobs": [10, 400]}).sizes.jobs == 400
    assert make_generator({"name": "stream", "base": ["top_1", "top_mix5"]}).sizes.jobs == resolve("top_mix5").jobs


def depth_of(instance, app=0):
    depth = [0] * int(instance.n_tasks[app])
    for source, target, _ in sorted(instance.edges_of(app)):
        depth[target] = max(depth[target], depth[source] + 1)
    return depth


@pytest.mark.parametrize("ccr", [0.1, 1.0, 8.0])
def test_layered_graphs_have_the_given_ccr_and_mean(ccr):
    instances = drawn({"name": "layered", "tasks": 40, "ccr": ccr, "pes": 5, "mean": 200}, 100)
    work = np.mean([one.exec_time[0].mean() for one in instances])
    transfer = np.mean([volume for one in instances for _, _, volume in one.edges_of(0)])
    assert work == pytest.approx(200, rel=0.05)
    assert transfer / work == pytest.approx(ccr, rel=0.05)
    assert {int(value) for value in instances[0].bandwidth[~np.eye(5, dtype=bool)]} == {1}
    largest = max(volume for one in instances for _, _, volume in one.edges_of(0))
    assert largest // int(instances[0].bandwidth[0, 0]) == 0


def test_layered_times_spread_as_beta_says():
    for beta in (0.0, 0.5, 2.0):
        times = make_generator({"name": "layered", "tasks": 400, "pes": 60, "beta": beta, "mean": 10_000}).sample(1)
        row = times.exec_time[0].astype(float)
        center = (row.max(axis=1) + row.min(axis=1)) / 2
        half = (row.max(axis=1) - row.min(axis=1)) / 2 / center
        assert np.median(half) == pytest.approx(beta / 2, abs=0.03)
        assert row.min() >= 1


def test_layered_shape_and_regularity():
    for alpha in (0.5, 1.0, 2.0):
        heights = [len(_levels(900, alpha, 0.5, np.random.default_rng(seed))) for seed in range(50)]
        assert np.mean(heights) == pytest.approx(30 / alpha, rel=0.1)
    rng = np.random.default_rng(0)
    assert {len(level) for level in _levels(900, 1.0, 1.0, rng)} == {30}
    widths = [len(level) for _ in range(200) for level in _levels(900, 1.0, 0.0, rng)[:-1]]
    assert (min(widths), max(widths)) == (1, 60)
    assert np.mean(widths) == pytest.approx(30, rel=0.05)
    for seed in range(20):
        levels = _levels(37, 0.7, 0.3, np.random.default_rng(seed))
        assert [task for level in levels for task in level] == list(range(37))
        assert min(map(len, levels)) >= 1


def test_layered_degrees():
    shape = {"name": "layered", "tasks": 400, "alpha": 1, "regularity": 1}
    for degree in (1, 3, 5):
        instance = make_generator({**shape, "out_degree": degree}).sample(2)
        out = np.bincount([source for source, _, _ in instance.edges_of(0)], minlength=400)[:380]
        assert out.min() >= 1
        # A task that none of the 20 before it chose, each with probability degree / 20, is given to one of them.
        assert out.mean() == pytest.approx(degree + (1 - degree / 20) ** 20, rel=0.1)
        depth = depth_of(instance)
        assert depth == [task // 20 for task in range(400)]
        assert all(depth[target] - depth[source] == 1 for source, target, _ in instance.edges_of(0))
    for density in (0.0, 0.5, 1.0):
        instance = make_generator({**shape, "density": density}).sample(2)
        into = np.bincount([target for _, target, _ in instance.edges_of(0)], minlength=400)
        assert (into[:20].max(), into[20:].min()) == (0, 1)
        assert into.max() <= 1 + density * 20
        assert depth_of(instance) == [task // 20 for task in range(400)]
        draws = range(1, 2 + int(density * 20))
        assert into[20:].mean() == pytest.approx(np.mean([20 * (1 - 0.95**n) for n in draws]), rel=0.1)
    for given in ({"out_degree": 4}, {"density": 0.5}):
        instance = make_generator({**shape, **given, "jump": 3}).sample(2)
        assert {target // 20 - source // 20 for source, target, _ in instance.edges_of(0)} == {1, 2, 3}
        into = np.bincount([target for _, target, _ in instance.edges_of(0)], minlength=400)
        assert into[20:].min() >= 1


def test_layered_jobs_come_once_or_in_a_stream():
    once = make_generator({"name": "layered", "apps": 3, "capacity": 2}).sample(0)
    assert (once.arrivals, once.trace.tolist(), once.capacity) == ("trace", [[0, 0], [0, 1], [0, 2]], 2)
    assert (once.full, once.length, once.end) == ("queue", None, "drain")
    assert {one.capacity for one in drawn({"name": "layered", "apps": [2, 4]}, 20)} == {4}
    stream = make_generator({"name": "layered", "scale": 300}).sample(0)
    assert (stream.arrivals, stream.scale, stream.jobs, stream.length) == ("exponential", 300.0, 100, None)
    ended = make_generator({"name": "layered", "scale": 300, "length": 9000}).sample(0)
    assert (ended.length, ended.jobs) == (9000, ended.scenario.__class__(scale=300.0, length=9000).most_jobs)
    assert make_generator({"name": "layered", "scale": 300, "jobs": 9, "arrivals": "periodic"}).sample(0).jobs == 9
    assert once.power.tolist() == [[0.1, 1.0]] * 4


BAD = [
    ("toy", "expected a mapping"),
    ({"tasks": 3}, "key 'name' is missing; expected one of stream, layered, tiled, toy"),
    ({"name": "real"}, "key 'name': unknown value 'real'"),
    ({"name": "toy", "task": 3}, "generator 'toy': unknown key 'task'; expected one of name, tasks"),
    ({"name": "toy", "tasks": 0}, "key 'tasks': expected an integer, .* in 1 … 100, got 0"),
    ({"name": "toy", "tasks": [4, 2]}, "key 'tasks'"),
    ({"name": "toy", "tasks": []}, "key 'tasks'"),
    ({"name": "toy", "tasks": 2.5}, "key 'tasks': expected an integer"),
    ({"name": "toy", "tasks": True}, "key 'tasks'"),
    ({"name": "toy", "support": 1.5}, "key 'support': expected a number, .* in 0 … 1, got 1.5"),
    ({"name": "toy", "std": float("nan")}, "key 'std'"),
    ({"name": "toy", "std": "high"}, "key 'std'"),
    ({"name": "toy", "full": "drop"}, "key 'full': unknown value 'drop'; expected one of block, redraw, queue"),
    ({"name": "toy", "full": ["block", "drop"]}, "key 'full': unknown value 'drop'"),
    ({"name": "toy", "full": []}, "key 'full': expected at least one value"),
    ({"name": "toy", "prefill": 1}, r"key 'prefill': expected true, false or a list of them, got 1"),
    ({"name": "toy", "prefill": "yes"}, "key 'prefill': expected true, false"),
    ({"name": "toy", "scale": 5, "rate": 200}, "key 'rate': expected nothing, as 'scale' is given"),
    ({"name": "toy", "rate": 0}, "key 'rate'"),
    ({"name": "toy", "outage_length": 5}, "key 'outage_length': expected nothing without 'outages'"),
    ({"name": "toy", "stop_after": 3}, "generator 'toy': scenario: field 'stop_after'"),
    ({"name": "toy", "end": "cut", "cooldown": 3}, "generator 'toy': scenario: field 'cooldown'"),
    ({"name": "toy", "end": "cut", "warmup": [0, 60]}, "generator 'toy': scenario: warmup 60 .* leave 0 of 60"),
    ({"name": "toy", "arrivals": "periodic", "scale": [0.5, 4]}, "generator 'toy': scenario: field 'scale' is 0.5"),
    ({"name": "toy", "arrivals": "trace", "prefill": True}, "generator 'toy': scenario: field 'prefill'"),
    ({"name": "stream", "base": 3}, "key 'base': expected a name or a list of names"),
    ({"name": "stream", "base": [None, "top_1"]}, "key 'base': expected a name"),
    ({"name": "stream", "base": "top_mix"}, "generator 'stream': key 'base': .*unknown value 'top_mix'"),
    ({"name": "stream", "platform": "G9"}, "generator 'stream': key 'platform': .*unknown value 'G9'"),
    (
        {"name": "stream", "without": "wifi"},
        "key 'without': top_mix5 has no application 'wifi'; expected some of top_1",
    ),
    ({"name": "stream", "base": "top_single", "without": "top_1"}, "key 'without': 'top_1' leaves no application"),
    ({"name": "stream", "base": "top_1", "scale": 25}, "keys 'scale' and 'rate' mean nothing for base 'top_1'"),
    ({"name": "stream", "arrivals": "trace"}, "generator 'stream': scenario: field 'trace'"),
    ({"name": "stream", "length": None, "jobs": None}, "generator 'stream': scenario: fields 'length' and 'jobs'"),
    ({"name": "stream", "scale": [10, 6000]}, "generator 'stream': scenario: warmup 0 .*one mean gap, 6000"),
    ({"name": "stream", "outages": 2}, "key 'outage_length': expected the length of the outages in ticks"),
    ({"name": "layered", "pes": 65}, "key 'pes': expected an integer, .* in 1 … 64"),
    ({"name": "layered", "beta": 2.1}, "key 'beta'"),
    ({"name": "layered", "density": 0.5, "out_degree": 2}, "key 'out_degree': expected nothing, as 'density' is given"),
    ({"name": "layered", "length": 500}, "key 'length': expected nothing without 'scale' or 'rate'"),
    ({"name": "layered", "prefill": True}, "key 'prefill': expected nothing without 'scale' or 'rate'"),
    ({"name": "layered", "scale": 50, "end": "cut"}, "generator 'layered': scenario: end='cut' needs"),
    ({"name": "tiled", "kind": "svd"}, "key 'kind': unknown value 'svd'; expected one of cholesky, lu, qr"),
    ({"name": "tiled", "tiles": 25}, "key 'tiles': expected an integer, .* in 1 … 24"),
    ({"name": "tiled", "cpus": [0, 2], "gpus": [0, 2]}, "key 'cpus': expected at least 1 where 'gpus' may be 0"),
    ({"name": "tiled", "cpus": 60, "gpus": 5}, "key 'cpus': expected at most 64 together with 'gpus'"),
    ({"name": "tiled", "resolution": [1, 2]}, "key 'resolution': expected one integer"),
]


@pytest.mark.parametrize(("bad", "message"), BAD)
def test_bad_settings_name_the_key(bad, message):
    with pytest.raises(InputError, match=message):
        make_generator(bad)


@pytest.mark.parametrize("seed", [1.5, True, "3", 2**64, -(2**63) - 1])
def test_bad_seeds(seed):
    with pytest.raises(InputError, match=r"seed .*expected an integer of 64 bits"):
        make_generator({"name": "toy"}).sample(seed)

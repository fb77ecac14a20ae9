"""Tiled factorisations: numbers of tasks, edges that make any order right, times of the kernels."""

import math

import numpy as np
import pytest

from ganttlet.soc_dag.generator import make_generator
from ganttlet.soc_dag.tiled import TIMES, application


@pytest.mark.parametrize("n", range(1, 9))
def test_tiled_counts(n):
    cholesky, lu, qr = (application(kind, n) for kind in ("cholesky", "lu", "qr"))
    assert cholesky.n_tasks == n * (n + 1) * (n + 2) // 6
    assert lu.n_tasks == qr.n_tasks == n * (n + 1) * (2 * n + 1) // 6
    pairs, squares = n * (n - 1) // 2, (n - 1) * n * (2 * n - 1) // 6
    for app, counts in (
        (cholesky, {"POTRF": n, "TRSM": pairs, "SYRK": pairs, "GEMM": n * (n - 1) * (n - 2) // 6}),
        (lu, {"GETRF": n, "TRSM": 2 * pairs, "GEMM": squares}),
        (qr, {"GEQRT": n, "TSQRT": pairs, "UNMQR": pairs, "TSMQR": squares}),
    ):
        assert {kernel: app.kernels.count(kernel) for kernel in counts} == counts
    depth = {}
    for app in (cholesky, lu):
        level = [1] * app.n_tasks
        for source, target, _ in app.edges:
            level[target] = max(level[target], level[source] + 1)
        depth[app.name] = max(level)
    assert set(depth.values()) == {3 * n - 2}


def test_the_graph_of_two_tiles():
    cholesky = application("cholesky", 2, 5)
    assert cholesky.kernels == ("POTRF", "TRSM", "SYRK", "POTRF")
    assert cholesky.edges == ((0, 1, 5), (1, 2, 5), (2, 3, 5))
    lu = application("lu", 2)
    assert lu.kernels == ("GETRF", "TRSM", "TRSM", "GEMM", "GETRF")
    assert [edge[:2] for edge in lu.edges] == [(0, 1), (0, 2), (1, 3), (2, 3), (3, 4)]
    qr = application("qr", 2, 1)
    assert qr.kernels == ("GEQRT", "UNMQR", "TSQRT", "TSMQR", "GEQRT")
    assert qr.edges == ((0, 1, 1), (0, 2, 1), (1, 3, 1), (2, 3, 1), (3, 4, 1))


def calls_of(kind, n):
    """Return the arguments of each kernel in sequential order: (kernel, k, i, j)."""
    out = []
    for k in range(n):
        later = range(k + 1, n)
        if kind == "cholesky":
            out += [("POTRF", k, k, k), *(("TRSM", k, i, k) for i in later)]
            for i in later:
                out += [("SYRK", k, i, i), *(("GEMM", k, i, j) for j in range(k + 1, i))]
        elif kind == "lu":
            out += [("GETRF", k, k, k), *(("TRSM", k, k, j) for j in later), *(("TRSM", k, i, k) for i in later)]
            out += [("GEMM", k, i, j) for i in later for j in later]
        else:
            out += [("GEQRT", k, k, k), *(("UNMQR", k, k, j) for j in later)]
            for i in later:
                out += [("TSQRT", k, i, k), *(("TSMQR", k, i, j) for j in later)]
    return out


def run_kernel(kind, call, a, turns):
    """Run one kernel on tiles of one number each; QR keeps its rotations in ``turns``."""
    kernel, k, i, j = call
    if kernel == "POTRF":
        a[k, k] = math.sqrt(a[k, k])
    elif kernel == "TRSM":
        a[i, j] /= a[k, k] if j == k else 1.0
    elif kernel in ("SYRK", "GEMM"):
        a[i, j] -= a[i, k] * (a[j, k] if kind == "cholesky" else a[k, j])
    elif kernel == "GEQRT":
        turns[k, k] = -1.0
        a[k, k] *= -1.0
    elif kernel == "UNMQR":
        a[k, j] *= turns[k, k]
    elif kernel == "TSQRT":
        length = math.hypot(a[k, k], a[i, k])
        turns[i, k] = a[k, k] / length, a[i, k] / length
        a[k, k], a[i, k] = length, 0.0
    elif kernel == "TSMQR":
        c, s = turns[i, k]
        a[k, j], a[i, j] = c * a[k, j] + s * a[i, j], c * a[i, j] - s * a[k, j]


@pytest.mark.parametrize("kind", TIMES)
def test_any_order_that_the_edges_allow_factorises(kind):
    n, rng = 5, np.random.default_rng(4)
    app, calls = application(kind, n), calls_of(kind, n)
    assert [call[0] for call in calls] == list(app.kernels)
    matrix = rng.normal(size=(n, n)) + 4 * np.eye(n)
    matrix = matrix @ matrix.T if kind == "cholesky" else matrix
    for _ in range(40):
        a, turns, done = matrix.copy(), {}, set()
        while len(done) < app.n_tasks:
            waiting = {target for source, target, _ in app.edges if source not in done}
            task = rng.choice([task for task in range(app.n_tasks) if task not in done and task not in waiting])
            run_kernel(kind, calls[task], a, turns)
            done.add(int(task))
        lower, upper = np.tril(a), np.triu(a)
        if kind == "cholesky":
            np.testing.assert_allclose(lower @ lower.T, matrix)
        elif kind == "lu":
            np.testing.assert_allclose((np.tril(a, -1) + np.eye(n)) @ upper, matrix)
        else:
            np.testing.assert_allclose(upper.T @ upper, matrix.T @ matrix)


def test_tiled_times_and_transfers():
    given = {"name": "tiled", "kind": "cholesky", "tiles": 3, "cpus": 2, "gpus": 1, "transfer": 7, "resolution": 10}
    instance = make_generator(given).sample(0)
    rows = {instance.kernel_name(0, task): instance.exec_time[0, task].tolist() for task in range(10)}
    assert rows == {
        "POTRF": [180, 180, 110],
        "SYRK": [570, 570, 20],
        "TRSM": [520, 520, 80],
        "GEMM": [950, 950, 30],
    }
    assert {volume for _, _, volume in instance.edges_of(0)} == {7}
    assert instance.bandwidth[0].tolist() == [2**31 - 1, 1, 1]
    assert (instance.cluster_names, instance.cluster.tolist()) == (("CPU", "GPU"), [0, 0, 1])
    assert instance.power.tolist() == pytest.approx(np.array([[0.2, 1.1, 2.0], [0.1, 1.0, 1.0]]))
    assert instance.name == "tiled-cholesky-3x2+1-s0"
    assert make_generator({"name": "tiled", "gpus": 0}).sample(0).cluster_names == ("CPU",)
    # Equal kernels cost the same in every factorisation; QR's follow the numbers of operations.
    assert TIMES["lu"]["GEMM"] == TIMES["cholesky"]["GEMM"]
    for kernel, of, factor in (
        ("GEQRT", "POTRF", 4),
        ("TSQRT", "POTRF", 6),
        ("UNMQR", "TRSM", 2),
        ("TSMQR", "GEMM", 2),
    ):
        assert TIMES["qr"][kernel] == tuple(factor * time for time in TIMES["cholesky"][of])

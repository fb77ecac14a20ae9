"""The draws of a workload's realisation against Python integers, and their distributions."""

import math
import statistics

import numpy as np
import pytest

from families_soc import NOISY
from ganttlet.soc_dag.instance import Workload
from ganttlet.soc_dag.scenario import ARRIVALS, NOISES
from ganttlet.soc_dag.world import cumulative, draw_app, draw_duration, draw_gap
from reference import soc_draws

SEEDS = (0, 1, 2**31 + 7, 2**63 - 1)


class Drawn:
    """What the draws in plain Python read of a workload."""

    def __init__(self, **facts):
        self.__dict__ |= {"seed": 0, "arrivals": "exponential", "noise": "gaussian", **facts}
        self.probability = np.array(facts.get("probability", [1.0]))


@pytest.mark.parametrize("kind", ["exponential", "periodic"])
@pytest.mark.parametrize("scale", [0.3, 1.0, 7.5, 1e6])
def test_gaps(kind, scale):
    for seed in SEEDS:
        plain = Drawn(seed=seed, arrivals=kind, scale=scale)
        for attempt in (0, 1, 2, 77, 999_999):
            drawn = draw_gap(seed, attempt, ARRIVALS.index(kind), scale)
            assert drawn == soc_draws.gap(plain, attempt)


@pytest.mark.parametrize("shares", [[1.0], [0.0, 1.0], [0.25, 0.0, 0.75], [0.5, 0.5, 0.0], [0.1] * 10])
def test_applications(shares):
    for seed in SEEDS:
        plain = Drawn(seed=seed, probability=shares)
        drawn = [draw_app(seed, job, cumulative(shares)) for job in range(200)]
        assert drawn == [soc_draws.app_of(plain, job) for job in range(200)]
        assert all(shares[app] > 0 for app in drawn)


@pytest.mark.parametrize("noise", NOISES)
@pytest.mark.parametrize("std", [0.0, 0.05, 0.7, 10.0])
def test_durations(noise, std):
    for seed in SEEDS:
        plain = Drawn(seed=seed, noise=noise)
        for job, task in ((0, 0), (0, 1), (1, 0), (12_345, 67), (999_999, 65_535)):
            for mean in (0, 1, 2, 50, 2**20):
                drawn = draw_duration(seed, job, task, mean, std, NOISES.index(noise))
                assert drawn == soc_draws.duration(plain, job, task, mean, std)
                assert drawn == mean if std == 0 or mean == 0 else drawn >= 1


def test_tasks_and_jobs_have_noise_of_their_own():
    keys = [(job, task) for job in range(30) for task in range(30)]
    drawn = [draw_duration(4, *key, 2**28, 0.1, 0) for key in keys]
    assert len(set(drawn)) == len(keys)


@pytest.mark.parametrize("noise", [0, 1])
def test_mean_and_deviation_of_durations(noise):
    """Of 20 000 draws; the Gaussian's own floor at 1 is out of reach."""
    drawn = [int(draw_duration(9, job, 3, 100_000, 0.2, noise)) for job in range(20_000)]
    assert statistics.fmean(drawn) == pytest.approx(100_000, rel=0.006)
    assert statistics.pstdev(drawn) == pytest.approx(20_000, rel=0.03)


def test_mean_gap_and_shares():
    """Truncated to whole ticks the mean gap is 1 / (e^(1/scale) - 1)."""
    gaps = [int(draw_gap(3, attempt, 0, 12.0)) for attempt in range(20_000)]
    assert statistics.fmean(gaps) == pytest.approx(1 / math.expm1(1 / 12.0), rel=0.03)
    drawn = [draw_app(3, job, cumulative([0.2, 0.3, 0.5])) for job in range(20_000)]
    assert [drawn.count(k) / 20_000 for k in range(3)] == pytest.approx([0.2, 0.3, 0.5], abs=0.015)


def test_realisation_of_a_workload():
    """The draws of a workload's own fields, whose shares the workload has scaled."""
    instance = Workload.from_dict(NOISY)
    shares = cumulative(instance.probability)
    for number in range(50):
        assert draw_app(instance.seed, number, shares) == soc_draws.app_of(instance, number)
        assert draw_gap(instance.seed, number, 0, instance.scale) == soc_draws.gap(instance, number)

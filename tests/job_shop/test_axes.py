"""Sizes that curves put on an axis."""

from __future__ import annotations

import numpy as np

from ganttlet.job_shop import FAMILY, JobShopInstance, resolve


def test_sizes_of_taillards_instances() -> None:
    assert FAMILY.axes is not None
    assert FAMILY.axes(resolve("ta11")) == {"jobs": 20.0, "machines": 15.0, "operations": 300.0, "ratio": 20 / 15}


def test_jobs_of_unequal_length_count_their_own_operations() -> None:
    short = JobShopInstance("", np.array([[0, 1, 2], [2, -1, -1]]), np.array([[3, 0, 1], [4, 0, 0]]), 4)
    assert FAMILY.axes is not None
    assert FAMILY.axes(short) == {"jobs": 2.0, "machines": 4.0, "operations": 4.0, "ratio": 0.5}

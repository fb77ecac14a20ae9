"""One Ray on this machine for all tests of this folder."""

import os

import pytest


@pytest.fixture(scope="session")
def ray_here():
    """Ray with two cores, as though the program had started it."""
    os.environ["RAY_AUTH_MODE"] = "disabled"
    ray = pytest.importorskip("ray", reason="needs the ray extra")
    ray.init(address="local", num_cpus=2, include_dashboard=False, log_to_driver=False)
    yield ray
    ray.shutdown()

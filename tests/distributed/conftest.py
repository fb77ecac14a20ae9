"""One small Ray for all tests of this folder."""

import os

import pytest


@pytest.fixture(scope="session")
def ray_here():
    """Ray on this machine with two cores."""
    os.environ["RAY_AUTH_MODE"] = "disabled"
    ray = pytest.importorskip("ray", reason="needs the ray extra")
    ray.init(address="local", num_cpus=2, include_dashboard=False, log_to_driver=False)
    try:
        yield ray
    finally:
        ray.shutdown()

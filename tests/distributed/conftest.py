"""One Ray for all tests of this folder; they are left out where the extra is missing."""

import os

import pytest

# With tokens Ray would write one into the home folder.
os.environ.setdefault("RAY_AUTH_MODE", "disabled")
# The first cluster must not be asked for by others of the machine.
os.environ.pop("RAY_ADDRESS", None)


@pytest.fixture(scope="session")
def ray_here():
    """Be in a cluster of this machine alone, which counts as four cores."""
    ray = pytest.importorskip("ray", reason="needs the ray extra")
    if not ray.is_initialized():
        ray.init(address="local", num_cpus=2, include_dashboard=False, log_to_driver=False, logging_level="ERROR")
    yield ray
    ray.shutdown()

"""Facts that curves put on an axis, and capacities by the name of a budget."""

import pytest

from ganttlet.core.errors import InputError
from ganttlet.memory_mapping import FAMILY, budgets, resolve


def test_axes_of_a_program():
    assert FAMILY.axes(resolve("unet_b1_256:capacity=64MiB")) == {
        "program": "unet_b1_256",
        "capacity": 64.0,
        "slots": 112.0,
    }


def test_capacity_by_the_name_of_a_budget():
    program = resolve("fastmm7_l2_4096")
    for name, capacity in budgets(program).items():
        found = resolve(f"fastmm7_l2_4096:capacity={name}")
        assert found.capacity == capacity
        assert found.name == f"fastmm7_l2_4096:capacity={name}"
    # Sizes are rounded up to the alignment that is given beside it.
    coarse = resolve("dlrm_b512:capacity=M_R:align=1MiB")
    assert coarse.capacity % 2**20 == 0
    assert coarse.capacity == budgets(resolve("dlrm_b512:align=1MiB"))["M_R"]


@pytest.mark.parametrize("text", ["align=M_R", "capacity=M_X"])
def test_other_texts_are_no_capacity(text):
    with pytest.raises(InputError, match="KiB, MiB or GiB"):
        resolve(f"alexnet_b32:{text}")

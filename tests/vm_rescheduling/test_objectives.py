"""Objectives of VM rescheduling that tables show beside the one that is minimised."""

from ganttlet.core.family import get_family
from ganttlet.vm_rescheduling.solution import Plan, validate


def test_objectives_beside_one_another_exist():
    family = get_family("vm_rescheduling")
    assert set(family.beside) <= set(family.objectives)
    assert {name for names in family.beside.values() for name in names} <= set(family.objectives)
    instance = family.generate({"name": "level", "level": "H", "hosts": 4, "mnl": 2}, 0)
    assert {"fr16", *family.beside["fr16"]} <= set(validate(instance, Plan([], instance.digest)).values)

"""A job shop of one's own: due dates and weights, a rule, an exact solution and a Gantt chart."""

import sys

from ganttlet.job_shop import JobShopInstance, validate
from ganttlet.job_shop.render import save_gantt
from ganttlet_agents.rules.job_shop import run_rule
from ganttlet_agents.solvers.job_shop import solve_cpsat

shop = JobShopInstance(
    name="three orders",
    machine=[[0, 1, 2], [1, 0, -1], [2, 1, 0]],  # -1: the second job has only two operations
    duration=[[3, 4, 2], [5, 2, 0], [4, 3, 3]],
    n_machines=3,
    due=[9, 8, 12],
    weight=[2, 1, 1],
)
rule = run_rule("atc", shop, objective="weighted_tardiness")
best = solve_cpsat(shop, "weighted_tardiness", time_limit=10, workers=1)
print("rule   ", validate(shop, rule).values)
print("optimum", validate(shop, best.schedule).values, best.status)
if len(sys.argv) > 1:
    save_gantt(shop, best.schedule, sys.argv[1])

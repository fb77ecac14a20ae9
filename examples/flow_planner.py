"""An air-taxi fleet by a planner: every 15 minutes a small linear programme says how many aircraft fly where."""

import sys

import highspy
import numpy as np

from ganttlet.uam_fleet import fleet_tables, fleet_view, fly_flows, resolve, validate
from ganttlet.uam_fleet.batch import UAMFleetVectorEnv

LATER = 0.5  # what a dollar that next hour's forecast promises counts now


def steps(passengers, seats, fare, cost):
    """Return what the first, second, … flight of a pair earns, as long as that is something."""
    board = np.clip(passengers - seats * np.arange(int(passengers / seats) + 1), 0, seats)
    return [worth for worth in board * fare - cost if worth > 0]


def plan(view, tables):
    """Return the flows (1, V, V) of the first slot that earn most, with flights onward in the next hour."""
    hour, seats, ports = int(view.hour[0]), int(tables.seats[0]), range(tables.ports[0])
    later = min(hour + 1, int(tables.hours[0]) - 1)
    waiting, expected = view.waiting[0], tables.forecast[0, later]
    fare, cost = tables.fare[0], tables.cost[0]
    model = highspy.Highs()
    model.setOptionValue("output_flag", False)
    now, onward, value = {}, {}, 0
    for i, j in np.argwhere(tables.legal[0]).tolist():
        paid = steps(expected[i, j], seats, fare[later, i, j], cost[later, i, j])
        onward[i, j] = [model.addVariable(0, 1) for _ in paid]
        value += LATER * sum(worth * x for worth, x in zip(paid, onward[i, j], strict=True))
        if view.open[0, i, j]:
            paid = [*steps(waiting[i, j], seats, fare[hour, i, j], cost[hour, i, j]), -cost[hour, i, j]]
            now[i, j] = [model.addVariable(0, 1) for _ in paid[1:]] + [model.addVariable(0, highspy.kHighsInf)]
            value += sum(worth * x for worth, x in zip(paid, now[i, j], strict=True))
            model.addConstr(sum(now[i, j]) <= int(view.able[0, i, j]))
    for port in ports:
        leave = model.qsum(x for (i, _), columns in now.items() for x in columns if i == port)
        come = model.qsum(x for (_, j), columns in now.items() for x in columns if j == port)
        go_on = model.qsum(x for (i, _), columns in onward.items() for x in columns if i == port)
        model.addConstr(leave <= int(view.free[0, port, 0]))
        model.addConstr(come - leave <= int(view.room[0, port]))
        model.addConstr(go_on + leave - come <= int(view.free[0, port].sum()))
    model.maximize(value)
    found = np.asarray(model.getSolution().col_value)
    flows = np.zeros_like(view.waiting)
    for (i, j), columns in now.items():
        flows[0, i, j] = round(sum(found[x.index] for x in columns))
    return flows


scenario = resolve(sys.argv[1] if len(sys.argv) > 1 else "nyc")
batch = UAMFleetVectorEnv(1, instance=scenario, observation="candidates", autoreset_mode="Disabled")
batch.reset(seed=0)
tables, unflown = fleet_tables(batch), 0
while not batch.done.all():
    view = fleet_view(batch, step=15, slots=4)
    unflown += fly_flows(batch, plan(view, tables), until=view.end).unflown.sum()
verdict = validate(scenario, batch.solution(0))
batch.reset(seed=0)
batch.play("greedy")
greedy = batch.objective_values("profit")[0]
print(f"planner {verdict.values['profit']:.0f} USD, {unflown} flights could not be made; greedy {greedy:.0f} USD")

"""What a UAM fleet environment shows: the GraphSpec and its features."""

from __future__ import annotations

from ganttlet.core.graph import EdgeType, Feature, GraphSpec, NodeType, Segment

OBSERVATIONS = ("full", "candidates")
FAR = 1000.0
MOST_LOOKAHEAD = 24


def _amount(name: str, about: str) -> Feature:
    return Feature(name, 0, FAR, about)


PORT = (
    Feature("here", 0, 1, "the port of the aircraft that decides"),
    Feature("legal", 0, 1, "it may go there, or stay"),
    Feature("x", -FAR, FAR, "miles to the east of the ports' centre [longest leg]"),
    Feature("y", -FAR, FAR, "miles to the north of it [longest leg]"),
    Feature("charger", 0, 1, "it has chargers"),
    _amount("slots", "slots / aircraft"),
    Feature("free", -FAR, 1, "share of its slots neither taken nor reserved"),
    Feature("charger_free", 0, 1, "free chargers / slots"),
    Feature("inbound", 0, FAR, "aircraft flying there / slots"),
    _amount("delay", "mean delay before take-off [h]"),
    _amount("distance", "from the aircraft that decides [longest leg]"),
    _amount("time", "flight there, of its own port the idle step [h]"),
    Feature("rest", -FAR, 1, "charge after the flight / battery"),
    Feature("open", 0, 1, "the route there is open in this hour"),
    Feature("closure", 0, 1, "probability of the route to be closed in an hour"),
    _amount("waiting", "passengers who wait to go there / seats"),
    Feature("boards", 0, 1, "passengers who would board / seats"),
    Feature("fare", 0, 1, "fare in this hour / highest fare"),
    Feature("profit", -FAR, FAR, "of the flight at once [highest fare x seats]"),
    Feature("rate", -FAR, FAR, "profit per hour of mean delay, flight and charging to full [highest fare x seats / h]"),
    _amount("onward", "passengers expected to leave it in the hour of the expected arrival / seats, 0 after the day"),
    _amount("out", "passengers who wait there / seats"),
    _amount("in", "passengers who wait elsewhere to go there / seats"),
    _amount("others", "other aircraft there and flying there"),
    _amount("next", "passengers expected to go there in the next hour / seats"),
    _amount("back", "passengers who wait there to come here / seats"),
)
WORTH = Feature("worth", -FAR, FAR, "what rule greedy_lookahead compares [highest fare x seats / h], 0 if not legal")
WINDOW = (
    ("out", "passengers expected to leave / seats"),
    ("in", "passengers expected to arrive / seats"),
    ("out_fare", "mean fare of those / highest fare"),
    ("in_fare", "mean fare of those / highest fare"),
)
AIRCRAFT = (
    Feature("decides", 0, 1, "it decides now"),
    Feature("in_air", 0, 1, "between a decision to fly and the landing"),
    Feature("on_charger", 0, 1, "it stands on a charger"),
    Feature("down", 0, 1, "out of service until it is due"),
    Feature("charge", 0, 1, "charge / battery; in the air that at the landing"),
    _amount("due", "time until its landing, on the ground until its next decision [h]"),
    Feature("breakdown", 0, 1, "probability to be out of service after a flight"),
    _amount("departures", "flights so far"),
)
CONTEXT = (
    Feature("time", 0, 1, "share of the day that is over"),
    Feature("hour", 0, 1, "share of the hour that is over"),
    Feature("charge", 0, 1, "of the aircraft that decides / battery"),
    Feature("on_charger", 0, 1, "it stands on a charger"),
    Feature("breakdown", 0, 1, "its probability to be out of service after a flight"),
    _amount("departures", "its flights so far"),
    _amount("electricity", "price of a full battery [highest fare x seats]"),
    Feature("in_air", 0, 1, "share of the aircraft in the air"),
    Feature("charging", 0, 1, "share of the aircraft on chargers"),
    Feature("choices", 0, 1, "share of the ports that are legal"),
    _amount("waiting", "passengers who wait / seats of the fleet"),
    _amount("later", "passengers expected in later hours / seats of the fleet"),
    _amount("served", "passengers served so far / seats of the fleet"),
    Feature("profit", -FAR, FAR, "profit so far / what a reward of 1 stands for"),
)


def port_features(lookahead: int, worth: bool) -> tuple[Feature, ...]:
    """Return the features of a port with a window of ``lookahead`` hours, the present one first."""
    hours = range(lookahead)
    window = (_amount(f"{name}_{hour}", f"{about}, in hour h + {hour}") for hour in hours for name, about in WINDOW)
    return (*PORT, *((WORTH,) if worth else ()), *window)


def graph_spec(*, ports: int, aircraft: int, lookahead: int, worth: bool, kind: str) -> GraphSpec:
    """Return what an environment of these sizes and options shows."""
    segments = (Segment("port", 1),)
    node = NodeType("port", ports, port_features(lookahead, worth))
    if kind == "candidates":
        return GraphSpec((node,), context=CONTEXT, focus=(("port", "port"),), segments=segments)
    return GraphSpec(
        nodes=(node, NodeType("aircraft", aircraft, AIRCRAFT)),
        edges=(EdgeType("aircraft_port", "aircraft", "port", "pointer"),),
        context=CONTEXT,
        focus=(("port", "port"), ("aircraft", "aircraft")),
        segments=segments,
    )

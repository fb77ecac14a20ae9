"""Curves: a paper's axes, measured again by the evaluator and drawn beside the published points."""

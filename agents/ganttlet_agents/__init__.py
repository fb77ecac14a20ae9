"""Agents for ganttlet's environments: rules, solvers, search, and the evaluator that judges every method."""

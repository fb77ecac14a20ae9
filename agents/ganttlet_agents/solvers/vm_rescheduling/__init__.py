"""Exact solvers for VM rescheduling."""

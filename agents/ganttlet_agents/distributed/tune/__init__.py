"""Searching for settings: sweeps by Ray Tune, whose trials are runs of our own trainer."""

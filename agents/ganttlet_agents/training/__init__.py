"""Training: Stable-Baselines3's PPO over the native batch, imitation and self-labelling, runs and their state."""

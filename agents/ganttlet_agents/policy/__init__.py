"""GraphPolicy, its encoders and checkpoints: PyTorch only, imported module by module when needed."""

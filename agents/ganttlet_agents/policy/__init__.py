"""What networks need of an observation; torch only."""

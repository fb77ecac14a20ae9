"""What all families share. Nothing here knows a family."""

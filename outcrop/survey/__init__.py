"""What was measured: surveys, sites, scenes, splits and patches."""

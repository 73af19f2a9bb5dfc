"""What it is used for: maps of sites and what a model costs to run."""

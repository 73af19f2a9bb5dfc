"""Speed and memory, measured by hand (`make bench`) and in a smoke form by the tests."""

"""Measure the speed of training against the usual loop: `python -m benchmarks`."""

"""The measurements of `eval/benchmark.py`, a file for each part."""

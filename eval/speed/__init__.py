"""What `eval/benchmark.py` measures, a file for each part."""

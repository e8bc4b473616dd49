"""The numbers that the documents claim: `python -m benchmarks.NAME [--data DIR] --out FILE.json`."""

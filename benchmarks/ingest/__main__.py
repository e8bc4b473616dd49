"""What taking images in costs: `python -m benchmarks.ingest [--only PART ...] [--scale X] [--out FILE.json]`."""

import argparse
from pathlib import Path

from benchmarks.ingest.batch import batch
from benchmarks.ingest.catalog import catalog
from benchmarks.ingest.history import history
from benchmarks.ingest.s3 import s3
from benchmarks.report import Figure, report

PARTS = {"batch": batch, "history": history, "catalog": catalog, "s3": s3}


def main() -> None:
    parser = argparse.ArgumentParser("python -m benchmarks.ingest", description=__doc__)
    parser.add_argument("--only", choices=list(PARTS), action="append", help="default: all parts")
    parser.add_argument("--scale", type=float, default=1.0, help="of every count; for a quick look")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    figures: list[Figure] = []
    for part in options.only or PARTS:
        figures += PARTS[part](options.scale)
    report("Taking images in", figures, options.out, scale=options.scale)


if __name__ == "__main__":
    main()

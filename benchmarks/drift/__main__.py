"""How well changes of a camera are found and named, and how rarely healthy ones are: `python -m benchmarks.drift`.

Drawn cameras, each calibrated on its own first five days at a budget of 1 % false alarms per camera-day; windows of 50
images, 24 a day. Power is counted at exactly the limits of the false-alarm row. An alarm is an incident that opens.
Parameters were tuned on seeds 0-3; the figures are of seeds 100-119.
"""

import argparse
from pathlib import Path

from benchmarks.drift import replayed
from benchmarks.drift.clean import clean, content
from benchmarks.drift.cost import cost
from benchmarks.drift.injected import FAULTS
from benchmarks.drift.light import lamp, slow
from benchmarks.drift.peers import peers
from benchmarks.drift.power import pairs, power, unmodelled
from benchmarks.drift.scale import scaled
from benchmarks.report import Figure, report

WORK = {
    "clean": clean,
    "power": power,
    "unmodelled": unmodelled,
    "lamp": lamp,
    "slow": slow,
    "pairs": pairs,
    "content": content,
    "peers": peers,
    "cost": cost,
}


def main() -> None:
    parser = argparse.ArgumentParser("python -m benchmarks.drift", description=__doc__)
    parser.add_argument("--only", choices=WORK, action="append", help="default: all parts")
    parser.add_argument("--seeds", type=int, nargs=2, metavar=("FIRST", "COUNT"), help="default: 100 20")
    parser.add_argument("--scale", type=float, default=1.0, help="of days and streams; for a quick look")
    parser.add_argument("--data", type=Path, metavar="DIR", help="a folder of real pictures with metadata.csv, instead")
    parser.add_argument("--serial-column", metavar="C", help="of metadata.csv; the pictures of a part have one serial")
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    first, count = options.seeds or (100, 20)
    scale = scaled(range(first, first + count), options.scale)
    figures: list[Figure] = []
    if options.data:
        figures += replayed.figures(options.data, options.serial_column, FAULTS)
        report(f"Changes of a camera, on {options.data.name}", figures, options.out, data=options.data.name)
        return
    for part in options.only or WORK:
        figures += WORK[part](scale)
    report("Changes of a camera, found and named", figures, options.out, scale=options.scale)


if __name__ == "__main__":
    main()

"""How the alarms hold on cameras that another hand drew: healthy days, faults with a size, changes of the parts.

Windows and days are those of the streams (40 images, 24 a day), the parameters those of `params.yaml`. An alarm is an
incident that opens. Parameters are tuned on seeds below 100; the figures are of seeds 100-109.
"""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from benchmarks.outside.clean import clean
from benchmarks.outside.content import content
from benchmarks.outside.faults import faults
from benchmarks.outside.products import Supplied, products
from benchmarks.outside.run import ROOT, Run, Scale
from benchmarks.outside.streams import Streams
from benchmarks.report import Figure, report
from inspection.errors import AndonError

ON_STREAMS = {"clean": clean, "faults": faults, "content": content}
WORK = {**ON_STREAMS, "products": products}
_DAYS, _STREAMS = 6, 60


def main(arguments: Sequence[str] | None = None) -> None:
    parser = argparse.ArgumentParser("python -m benchmarks.outside", description=__doc__)
    given = parser.add_mutually_exclusive_group(required=True)
    given.add_argument("--streams", type=Path, metavar="DIR", help="the folder that holds cameras.py")
    given.add_argument(
        "--products",
        nargs=2,
        metavar=("DIR", "COLUMN"),
        help="a set of pictures, and which column tells two kinds apart",
    )
    parser.add_argument("--only", choices=ON_STREAMS, action="append", help="default: all parts of --streams")
    parser.add_argument("--seeds", type=int, nargs=2, metavar=("FIRST", "COUNT"), default=(100, 10))
    parser.add_argument("--cameras", nargs="+", metavar="CAMERA", help="default: all healthy ones")
    parser.add_argument("--scale", type=float, default=1.0, help="of days and streams; for a quick look")
    parser.add_argument("--processes", type=int, choices=(1, 2), default=2)
    parser.add_argument("--kept", type=Path, metavar="DIR", default=ROOT / ".andon" / "outside", help="for a later run")
    parser.add_argument("--out", type=Path)
    wish = parser.parse_args(arguments)
    try:
        streams = _streams(wish)
        unknown = set(wish.cameras or ()) - set(streams.cameras)
        if unknown:
            parser.error(f"there are no cameras {', '.join(sorted(unknown))}; there are {', '.join(streams.cameras)}")
    except AndonError as error:
        parser.error(str(error))
    first, count = wish.seeds
    parts = ["products"] if wish.products else wish.only or list(ON_STREAMS)
    scale = Scale(
        cameras=tuple(wish.cameras or streams.cameras),
        seeds=range(first, first + count),
        days=max(1, min(_DAYS, round(_DAYS * wish.scale))),
        streams=max(1, round(_STREAMS * wish.scale)),
    )
    measure(Run.of(streams, scale, wish.kept.resolve(), wish.processes), parts, wish.out)


def _streams(wish: argparse.Namespace) -> Streams:
    if wish.products:
        return Supplied(Path(wish.products[0]).resolve(), wish.products[1])
    return Streams(wish.streams.resolve())


def measure(run: Run, parts: Sequence[str], out: Path | None) -> None:
    """Print the figures of some parts, and write them with what lies behind them."""
    figures: list[Figure] = []
    behind: dict[str, Any] = {}
    for part in parts:
        found, behind[part] = WORK[part](run)
        figures += found
    failed = [words for part in behind.values() for words in part["failed"]]
    figures.append(Figure("windows whose judging raised an exception", len(failed), "windows", "= 0", not failed))
    scale = {"seeds": [run.scale.seeds[0], len(run.scale.seeds)], "days": run.scale.days, "streams": run.scale.streams}
    report("Alarms on cameras of another hand", figures, out, scale=scale, code=run.code, behind=behind)
    for words in failed[:10]:
        print(words)


if __name__ == "__main__":
    main()

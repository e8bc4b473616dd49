"""A batch: a fixed start, the marginal cost of an image against decoding it, memory."""

import time
from statistics import median

from benchmarks.ingest.scratch import andon, fill, scratch
from benchmarks.ingest.shots import pictures, shots
from benchmarks.report import Figure
from inspection.pictures.images import decode


def seconds_to_decode(files: list[bytes], count: int = 200) -> float:
    """Seconds for one picture, decoded in one process."""
    start = time.perf_counter()
    for number in range(count):
        decode(files[number % len(files)], 40)
    return (time.perf_counter() - start) / count


def batch(scale: float) -> list[Figure]:
    """At 1 megapixel, and at other sizes to compare."""
    figures = _of_size(1024, 1024, scale, judged=True)
    for width, height in ((640, 480), (128, 128)):
        figures += _of_size(width, height, scale / 5)
    return [*figures, _memory(int(20_000 * scale))]


def _of_size(width: int, height: int, share: float, judged: bool = False) -> list[Figure]:
    """Fixed start and marginal cost of images of one size."""
    small, large, size = int(2000 * share), int(10_000 * share), f"{width}×{height}"
    with scratch(width, height) as (layout, camera):
        files = pictures(camera)
        fill(layout, shots(camera, files, 0, 1))
        andon(layout, "ingest")
        fill(layout, shots(camera, files, 1, 1))
        fixed = andon(layout, "ingest").seconds
        decoding, runs = [], []
        for first, count in ((10, small), (10 + small, large)):
            total = fill(layout, shots(camera, files, first, count))
            decoding.append(seconds_to_decode(files))
            runs.append(andon(layout, "ingest").seconds)
            decoding.append(seconds_to_decode(files))
            print(f"{size}: {count} images, {total / 1e6:.0f} MB, {runs[-1]:.1f} s", flush=True)
    one, marginal = median(decoding), (runs[1] - runs[0]) / (large - small)
    target, holds = ("≤ 3", marginal / one <= 3) if judged else ("", None)
    return [
        *([Figure("fixed start", fixed, "s", "≤ 12", fixed <= 12)] if judged else []),
        Figure(f"decoding one image of {size} in one process", one * 1e3, "ms"),
        Figure(f"marginal cost of an image of {size}", marginal * 1e3, "ms"),
        Figure(f"... against decoding, {size}", marginal / one, "times", target, holds),
    ]


def _memory(count: int) -> Figure:
    """The largest process of an ingest of many small images."""
    with scratch(128, 128) as (layout, camera):
        files = pictures(camera)
        fill(layout, shots(camera, files, 0, 1))
        andon(layout, "ingest")
        fill(layout, shots(camera, files, 1, count))
        peak = andon(layout, "ingest").peak
    return Figure(f"memory for {count} images", peak, "MiB", "< 1024", peak < 1024)

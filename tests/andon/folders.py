"""Folders of pictures such as strangers have them, drawn: each of a few small pictures and a metadata.csv."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from tests.inspection.world import encoded

Row = dict[str, str]
SIZE = 48  # px


def picture(number: int, bad: bool, channels: int = 1, size: tuple[int, int] = (SIZE, SIZE)) -> NDArray[np.uint8]:
    """Grain, and a dark stroke where it is `bad`."""
    rng = np.random.default_rng(number)
    grain = rng.normal(150, 8, (*size, channels))
    if bad:
        at = int(rng.integers(4, size[0] - 8))
        grain[at : at + 4, 4:-4] -= 90
    return np.clip(grain, 0, 255).astype(np.uint8).squeeze()


def folder(
    path: Path, count: int, row: Callable[[int], Row] = lambda n: {}, bad: Callable[[int], bool] = lambda n: n % 2 == 1
) -> Path:
    """`count` grey pictures, good and scratched in turn, and a table of `file`, `label` and what `row` says."""
    (path / "images").mkdir(parents=True)
    rows = []
    for n in range(count):
        (path / f"images/{n}.png").write_bytes(encoded(picture(n, bad(n))))
        rows.append({"file": f"images/{n}.png", "label": "scratch" if bad(n) else "good", **row(n)})
    return write(path, rows)


def mixed(path: Path, count: int, sizes: int = 1, channels: Sequence[int] = (1,)) -> Path:
    """As `folder`, of several sizes or of grey and colour in turn."""
    data = folder(path, count)
    for n in range(count):
        size = (SIZE, SIZE + 4 * (n // 2 % sizes))
        pixels = picture(n, n % 2 == 1, channels[n // 2 % len(channels)], size)
        (data / f"images/{n}.png").write_bytes(encoded(pixels))
    return data


def write(path: Path, rows: list[Row], delimiter: str = ",") -> Path:
    columns = list(rows[0]) if rows else ["file", "label"]
    lines = [delimiter.join(columns), *(delimiter.join(row[column] for column in columns) for row in rows)]
    (path / "metadata.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def odd(path: Path) -> Path:
    """Nothing in it is as the README has it: two sizes, grey and colour and 16 bits, files that are none, a year of
    times in several zones up to a second before midnight, classes with strange names and too few pictures, pictures
    without a label, semicolons and columns that nobody knows."""
    (path / "images").mkdir(parents=True)
    rows: list[Row] = []
    for n in range(72):
        name, bad = f"images/{n}.png", n % 3 == 1
        size = (SIZE, SIZE + 8 * (n % 2))
        pixels = picture(n, bad, 3 if n % 9 == 8 else 1, size)
        if n in (5, 17):
            pixels = pixels.astype(np.uint16) * 257 if pixels.ndim == 2 else pixels
        whole = encoded(pixels)
        (path / name).write_bytes({0: whole[:60], 1: b"no picture"}.get(n % 24, whole))
        label = {True: "=Kratzer/ä b", False: "good"}[bad]
        label = {6: "-none", 33: "-none", 7: "", 8: ""}.get(n, label)
        zone = ("Z", "+14:00", "-11:00")[n % 3]
        time = f"2025-{(1, 6, 12)[n // 24]:02d}-03T{'23:59:59' if n % 2 else '00:00:01'}{zone}"
        rows.append({"": str(n), "File": name, "LABEL": label, "serial": f"{n // 2}/ü", "captured_at": time})
    return write(path, rows, ";")

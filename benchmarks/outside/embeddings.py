"""What the frozen network says of a window's pictures, as ingest keeps it: computed once per picture, and kept beside
what the benchmark measures, for it does not depend on the code that judges."""

from collections.abc import Mapping
from functools import lru_cache
from hashlib import sha256
from io import BytesIO
from typing import Any

import numpy as np
from numpy.typing import NDArray

from benchmarks.outside.run import ROOT, Run, settings
from benchmarks.outside.streams import WATCHED, Seat, Taken
from inspection import files
from inspection.layout import Layout
from inspection.network.features import Features
from inspection.network.frozen import frozen_graph
from monitoring.content.parts import Shown

_AT_ONCE = 4  # pictures, as ingest takes them


def shown(
    run: Run,
    seat: Seat,
    number: int,
    phase: int = WATCHED,
    what: Mapping[str, Any] | None = None,
    taken: Taken | None = None,
) -> Shown:
    """What a window shows; every picture is a piece of its own, and no model has judged it.

    Args:
        taken: the window, where it has been drawn.
    """
    network = _network(run.streams.images, run.streams.a_day)
    name = sha256(f"{run.streams.digest} {seat} {number} {phase} {sorted((what or {}).items())}".encode()).hexdigest()
    path = run.within / f"embeddings-{network.digest[:12]}-{network.precision}" / name[:2] / f"{name[:24]}.npz"
    if not path.exists():
        files.write(path, _packed(network, taken or run.streams.window(seat, number, phase, what)))
    with np.load(path) as kept:
        found, parts, serials = kept["embeddings"], kept["parts"].tolist(), kept["serials"].tolist()
    return Shown(found, parts, serials, network=network.digest, rule=run.settings.verdict.part)


def _packed(network: Features, taken: Taken) -> bytes:
    rows, buffer = list(taken.rows.itertuples(index=False)), BytesIO()
    found: list[NDArray[np.float32]] = []
    for start in range(0, len(rows), _AT_ONCE):
        levels = [taken.load(row) for row in rows[start : start + _AT_ONCE]]
        found.append(np.asarray(network.compute(levels)[1], np.float32))
    parts, serials = (taken.rows[name].to_numpy(str) for name in ("part", "serial"))
    np.savez(buffer, embeddings=np.concatenate(found), parts=parts, serials=serials)
    return buffer.getvalue()


@lru_cache(maxsize=1)
def _network(images: int, a_day: int) -> Features:
    """The network, cut as on a line without a model."""
    layout, used = Layout(ROOT, ROOT), settings(images, a_day)
    return Features(layout, used, used.train.frozen_of(frozen_graph(used.backbone, layout).blocks))

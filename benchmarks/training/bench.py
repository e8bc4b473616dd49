"""What a run stands on, and what is asked for on a set."""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from benchmarks.report import once
from inspection.layout import Layout
from inspection.network.backbone import Network, network
from inspection.network.weights import weights
from inspection.params import Params

MEGAPIXELS, DRAWS = 40, 2000  # of a picture at most; of the bootstrap
Json = dict[str, Any]


@dataclass(frozen=True)
class Targets:
    """What is asked for on a set: of the difference in macro-F1 (point, lower bound), of ours, of an added class."""

    point: float | None
    lower: float
    least: float
    recall: float
    lost: float


TARGETS = {"xsdd": Targets(None, -0.005, 0.985, 0.85, 0.02)}
USUAL = Targets(0.0, -0.03, 0.0, 0.6, 0.03)


@dataclass(frozen=True)
class Bench:
    """What a run stands on; `state` keeps the network's graph, `kept` what was measured of ours, `peers` of theirs:
    that stays true when ours changes."""

    data: Path
    table: pd.DataFrame
    classes: tuple[str, ...]
    settings: Params
    state: Layout
    kept: Path
    peers: Path

    @property
    def targets(self) -> Targets:
        return TARGETS.get(self.data.name, USUAL)

    @property
    def network(self) -> Network:
        """Loaded anew for each training, as a retraining does."""
        return network(self.settings.backbone, weights(self.settings.backbone, self.state)[0])

    def once(self, name: str, work: Callable[[], Json]) -> Json:
        """What `work` gives, measured once."""
        return once(self.kept / f"{name}.json", work)

"""Work on many items: one seam, whether this computer does it or a cluster."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from inspection.layout import Layout
from inspection.network.features import Features
from inspection.network.shelf import Shelf
from inspection.params import Params
from inspection.scale.work import Item, Row, Tools, Work


class Engine(Protocol):
    """Who does the work."""

    def rows(self, work: Work[Item, Row], items: Sequence[Item], shard: int = ...) -> Iterator[Row]:
        """What becomes of the items, in order. A worker takes `shard` of them at once: one, where each is much work."""


@dataclass(frozen=True)
class Here:
    """On this computer, all items as one."""

    tools: Tools

    def rows(self, work: Work[Item, Row], items: Sequence[Item], shard: int = 0) -> Iterator[Row]:
        return work(items, self.tools)


@contextmanager
def engine(layout: Layout, settings: Params, features: Features, folder: Path) -> Iterator[Engine]:
    """Who does the work by `scale.dask`; `folder` as in `Tools`.

    Raises:
        FixSettings, WaitForOther: as `address.safe`, or the cluster has no worker that may take it.
    """
    if not settings.scale.dask:
        yield Here(Tools(features, folder))
        return
    from inspection.scale.cluster import Cluster

    shelf = Shelf(layout.home / settings.scale.shared)
    cluster: Any = Cluster(settings.scale.dask, shelf, features)
    try:
        yield cluster
    finally:
        cluster.close()
    shelf.trim(int(settings.features.max_gigabytes * 1e9))

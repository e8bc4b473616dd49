"""A worker's part and the flow's, with the real network, one after the other in this process."""

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from inspection import clock
from inspection.intake.folder import Folder
from inspection.intake.reading import Read, Reader
from inspection.intake.sidecar import Sidecars
from inspection.layout import Layout
from inspection.network.features import Features, shown
from inspection.network.masks import NO_MASKS, Mask, Masks
from inspection.network.shelf import Shelf
from inspection.params import Params
from inspection.scale import badge
from inspection.scale.engine import Here, engine
from inspection.scale.shard import Parcel, packed
from inspection.scale.taking import Taking, taken
from inspection.scale.work import Tools
from monitoring.camera.image_stats import image_stats
from tests.conftest import copy_backbones
from tests.inspection.world import CAMERAS, NOON, key, picture

CUT = 16


@dataclass(frozen=True)
class World:
    """An inbox with pictures and one file that is none, a shelf, and a batch in the making."""

    layout: Layout
    settings: Params
    features: Features
    shelf: Shelf
    box: Folder

    def taking(self, masks: Masks = NO_MASKS, **seen: set[str]) -> Taking:
        folder = self.layout.staging / "batch"
        folder.mkdir(parents=True, exist_ok=True)
        reader = Reader(self.box, Sidecars(()), CAMERAS, self.settings.ingest, image_stats)
        return Taking(reader, masks, folder, seen)

    def here(self, taking: Taking) -> list[Read]:
        where = Here(Tools(self.features, self.layout.staging))
        return list(taken(where, taking, self.box.list().files))

    def away(self, taking: Taking) -> list[Read]:
        """As a worker answers."""
        digest = self.shelf.keep(packed(taking))
        parcel = Parcel(badge.badge(badge.told()), self.shelf.folder, digest, self.features.recipe)
        return parcel(self.box.list().files)  # type: ignore[no-any-return]


@pytest.fixture(scope="module")
def network(tmp_path_factory: pytest.TempPathFactory) -> Path:
    home = tmp_path_factory.mktemp("network")
    layout = Layout(home, home)
    copy_backbones(layout)
    return layout.backbones


@pytest.fixture
def world(tmp_path: Path, settings: Params, network: Path) -> Iterator[World]:
    layout = Layout(tmp_path / "plant", tmp_path / "plant")
    shutil.copytree(network, layout.backbones)
    inbox = layout.home / "inbox"
    for number in range(6):
        path = inbox / key(number)
        path.parent.mkdir(parents=True)
        path.write_bytes(picture(number) if number else b"no image")
    features = Features(layout, settings, CUT)
    shelf = Shelf(tmp_path / "shelf")
    shelf.keep(features.network.read_bytes())
    yield World(layout, settings, features, shelf, Folder(inbox, 0))
    features.close()


def told(read: Read) -> tuple[Any, ...]:
    """All but where the bytes lie and when it was."""
    row = {name: value for name, value in (read.capture or {}).items() if name not in ("ingested_at", "thumbnail")}
    return read.file, read.image_id, read.path.name, row, read.reason, read.known, read.highest


def test_a_worker_answers_in_small_rows_what_is_found_here_and_keeps_the_same_features(world: World) -> None:
    here, away = world.here(world.taking()), world.away(world.taking())
    assert [told(one) for one in here] == [told(one) for one in away]
    assert [one.path for one in away] == [Path(one.path.name) for one in away]
    assert all(one.path.is_absolute() and one.path.is_file() for one in here)
    for one in away:
        if one.capture is None:
            continue
        name = shown(one.image_id, one.capture["black"], one.capture["white"])
        theirs = Features.by(world.features.recipe, world.features.network, world.shelf, 1)
        for mine, other in (
            (world.features.embedding(name), theirs.embedding(name)),
            (world.features.activation(name, "identity"), theirs.activation(name, "identity")),
        ):
            assert mine is not None and other is not None and mine.dtype == other.dtype
            assert np.allclose(mine.astype(float), other.astype(float), rtol=0.01, atol=0.01)


def test_the_flow_fetches_the_bytes_itself_and_holds_them_against_what_the_worker_saw(world: World) -> None:
    taking = world.taking()
    away = world.away(taking)
    changed, gone = (world.box.path / away[number].file.key for number in (2, 3))
    before = changed.stat()
    changed.write_bytes(bytes(before.st_size))
    import os

    os.utime(changed, ns=(before.st_atime_ns, before.st_mtime_ns))
    gone.unlink()
    with clock.at(NOON):
        brought = list(taking.brought(iter(away)))
    assert brought[2] == Read(away[2].file) and brought[3] == Read(away[3].file)
    for one in (one for number, one in enumerate(brought) if number not in (2, 3)):
        assert one.path.read_bytes() == (world.box.path / one.file.key).read_bytes()
        assert one.capture is None or one.capture["ingested_at"] == pd.Timestamp(NOON)
    assert len(list(taking.folder.iterdir())) == 4


def test_what_is_known_is_known_there_too_and_masks_go_with_the_work(world: World) -> None:
    first = world.away(world.taking())[1]
    assert first.capture is not None
    known = Taking(
        world.taking().reader, NO_MASKS, world.taking().folder, {first.file.key: {first.capture["capture_id"]}}
    )
    assert [one.known for one in world.away(known)] == [False, True, False, False, False, False]
    look = np.ones((12, 16), bool)
    look[:, :8] = False
    masks = Masks({("cam-1", "bracket"): Mask("f" * 64, look)})
    world.away(world.taking(masks))
    theirs = Features.by(world.features.recipe, world.features.network, world.shelf, 1)
    name = shown(first.image_id, first.capture["black"], first.capture["white"], "f" * 12)
    assert theirs.embedding(name) is not None


def test_a_file_that_no_worker_survives_is_refused_alone_with_its_bytes(world: World) -> None:
    taking = world.taking()
    lost = taking.lost(world.box.list().files[1])
    assert "whatever worker of the cluster looks at it ends" in lost.reason
    assert lost.path.read_bytes() == picture(1) and list(taking.brought([lost])) == [lost]


def test_without_an_address_this_computer_works_and_keeps_no_shelf(world: World) -> None:
    with engine(world.layout, world.settings, world.features, world.layout.staging) as where:
        assert isinstance(where, Here)
    assert not (world.layout.home / world.settings.scale.shared).exists()

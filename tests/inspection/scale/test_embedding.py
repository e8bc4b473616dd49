"""Pictures of a table, here and by a worker's part."""

import shutil
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest

from inspection.errors import FixInput
from inspection.layout import Layout
from inspection.network.features import Features, shown_of
from inspection.network.masks import NO_MASKS
from inspection.network.shelf import OwnAndShelf, Shelf
from inspection.params import Params
from inspection.scale import badge
from inspection.scale.embedding import Asked, Embedding, Picture
from inspection.scale.engine import Here
from inspection.scale.shard import Parcel, packed
from inspection.scale.work import Tools
from stages.embed import computed_by, lacking
from tests.conftest import copy_backbones
from tests.inspection.world import encoded, noise

VIEWS = ("identity", "flip_x", "identity@1.1")


def test_a_worker_computes_the_same_views_and_the_flow_finds_them_on_the_shelf(
    tmp_path: Path, settings: Params
) -> None:
    layout = Layout(tmp_path, tmp_path)
    copy_backbones(layout)
    (tmp_path / "images").mkdir()
    asked = []
    for number in range(3):
        path = Path("images") / f"{number}.png"
        (tmp_path / path).write_bytes(encoded(noise(number)))
        asked.append((Picture(f"i{number}", str(path), 0, 255, "cam-1", "bracket"), VIEWS))
    work, shelf = Embedding(tmp_path, 40, NO_MASKS), Shelf(tmp_path / settings.scale.shared)
    features = Features(layout, settings, 16)
    here = list(Here(Tools(features, tmp_path)).rows(work, asked))
    assert sum(one or 0 for one in here) == 9 and list(Here(Tools(features, tmp_path)).rows(work, asked)) == [0, 0, 0]
    mine = {
        (one.image_id, view): features.activation(shown_of(one, NO_MASKS), view)
        for one, views in asked
        for view in views
    }
    features.close()
    shutil.rmtree(layout.state / "features")
    shelf.keep(features.network.read_bytes())
    parcel = Parcel(badge.badge(badge.told()), shelf.folder, shelf.keep(packed(work)), features.recipe)
    assert sum(parcel(asked)) == 9
    found = Features(layout, settings, 16)  # its own store is empty, the shelf is there
    assert isinstance(found._cache, OwnAndShelf)
    for one, views in asked:
        for view in views:
            theirs = found.activation(shown_of(one, NO_MASKS), view)
            assert theirs is not None
            assert np.allclose(theirs.astype(float), mine[one.image_id, view].astype(float), rtol=0.01, atol=0.01)
    advanced: list[int] = []
    assert (
        list(lacking([(one, views) for one, views in asked], found, NO_MASKS, lambda n, _="": advanced.append(n))) == []
    )
    assert advanced == [3, 3, 3]
    more = (asked[0][0], (*VIEWS, "flip_y"))
    assert list(lacking([more], found, NO_MASKS, lambda n, _="": advanced.append(n))) == [more]
    found.close()


class Deadly:
    """In the place of a cluster: two of the pictures end whatever worker looks at them."""

    def rows(self, work: Embedding, items: Sequence[Asked]) -> Iterator[int | None]:
        return (work.lost(item) if item[0].image_id in ("i1", "i3") else 2 for item in items)  # type: ignore[func-returns-value]


def test_pictures_that_no_worker_survives_are_named_when_all_others_are_done() -> None:
    asked = [(Picture(f"i{n}", f"images/{n}.png", 0, 255, "cam-1", "nut"), VIEWS[:2]) for n in range(5)]
    done: list[int] = []
    with pytest.raises(FixInput, match=r"images/1.png \(image i1\), images/3.png \(image i3\): whatever") as refusal:
        computed_by(Deadly(), Embedding(Path(), 40, NO_MASKS), asked, lambda n, _="": done.append(n))  # type: ignore[arg-type]
    assert sum(done) == 10 and "andon label undo IMAGE" in refusal.value.parts()[1]
    assert computed_by(Deadly(), Embedding(Path(), 40, NO_MASKS), asked[:1], lambda *_: None) == 2  # type: ignore[arg-type]

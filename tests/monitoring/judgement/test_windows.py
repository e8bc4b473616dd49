"""Windows of two cameras, here and by a worker's part; real workers are in tests/services."""

import pickle
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from inspection.errors import FetchData, FixSettings, Unforeseen
from inspection.network.features import Features
from inspection.network.shelf import Shelf
from inspection.scale import badge
from inspection.scale.engine import Here
from inspection.scale.shard import Parcel, packed
from inspection.scale.work import Tools
from monitoring.content.learning import learn
from monitoring.judgement import looking
from monitoring.judgement.climb import climbs
from monitoring.judgement.looking import Look
from monitoring.judgement.reference import MAPS, Reference, save
from monitoring.judgement.windows import Due, Held, Judging, judged
from tests.inspection.scale.toys import blank
from tests.inspection.world import encoded
from tests.monitoring.camera.test_health import PARAMS, learned, pictures
from tests.monitoring.judgement.test_diagnosis import embedded
from tests.monitoring.judgement.test_looking import captures

SIZE = 20


@dataclass(frozen=True)
class Away:
    """Workers in this process: items and rows go through pickle, and `hidden` is a file that they do not see."""

    features: Features
    shelf: Shelf
    hidden: Path | None = None

    def rows(self, work: Any, items: Sequence[Any], shard: int = 16) -> Iterator[Any]:
        digest = self.shelf.keep(packed(work))
        parcel = Parcel(badge.badge(badge.told()), self.shelf.folder, digest, self.features.recipe)
        for start in range(0, len(items), shard):
            sent = pickle.loads(pickle.dumps(items[start : start + shard]))
            aside = self.hidden.rename(self.hidden.with_suffix(".aside")) if self.hidden else None
            try:
                rows = pickle.dumps(parcel(sent))
            finally:
                if aside and self.hidden:
                    aside.rename(self.hidden)
            yield from pickle.loads(rows)


@dataclass(frozen=True)
class World:
    """A plant's folder with two cameras' pictures, a reference of the first, and who may look."""

    home: Path
    reference: Reference
    due: Sequence[Due]
    tools: Tools
    away: Away

    def looks(self, where: Any) -> list[list[Look]]:
        return list(judged(where, Judging(self.home, PARAMS), self.due, self.tools))

    def told(self, where: Any) -> list[dict[str, Any]]:
        return [one.as_json() for some in self.looks(where) for one in some]

    @property
    def here(self) -> Here:
        return Here(self.tools)


@pytest.fixture(scope="module")
def reference() -> Reference:
    known = learned().with_content(learn([embedded(seed, 40) for seed in range(24)]), PARAMS.health)
    return replace(known, limits={name: replace(one, climb=50.0, spread=1e-4) for name, one in known.limits.items()})


@pytest.fixture
def world(tmp_path: Path, reference: Reference) -> World:
    plant = tmp_path / "plant"
    folder = plant / "references" / "cam-1" / "v1"
    held = Held(folder, save(reference, folder), reference.version, reference.limits, reference.content)
    windows = {camera: [_window(plant, camera, hour) for hour in range(3)] for camera in ("cam-1", "cam-2")}
    shown = [embedded(50, SIZE), None, Unforeseen("ValueError in content.py, line 7: no such axis")]
    due = [
        Due(windows["cam-1"], shown, held, climbs([{"gain": -0.01}], reference.limits), 0.1),
        Due(windows["cam-2"], [None] * 3),
    ]
    shelf, features = blank(tmp_path)
    return World(plant, reference, due, Tools(features, tmp_path), Away(features, shelf))


def _window(plant: Path, camera: str, hour: int) -> pd.DataFrame:
    """Its captures, whose light fades from hour to hour; the files lie in the plant."""
    rows = captures([hour + n / 60 for n in range(SIZE)], camera, seed=hour)
    rows["path"] = rows["image_id"].map(lambda name: f"{name}.png")
    seen = list(pictures(3 + hour, SIZE, after=lambda x: x * (1 - 0.1 * hour)))
    for path, (levels, *_) in zip(rows["path"], seen, strict=True):
        plant.mkdir(exist_ok=True)
        (plant / path).write_bytes(encoded(levels[:, :, 0].astype(np.uint8)))
    return rows.assign(part=[part for _, part, *_ in seen])


def test_here_and_by_a_worker_the_windows_are_those_of_one_look_after_the_other(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    real, before = looking.look, []

    def spy(*arguments: Any) -> Look:
        before.append(arguments[4])
        return real(*arguments)

    monkeypatch.setattr(looking, "look", spy)
    here, away = world.looks(world.here), world.looks(world.away)
    assert [[(one.verdict, one.missing) for one in some] for some in here] == [
        [(one.verdict, one.missing) for one in some] for some in away
    ]
    told = world.told(world.here)
    assert told == [one.as_json() for some in away for one in some]
    assert [one["state"] for one in told] == ["healthy", "changed", "changed", "learning", "learning", "learning"]
    assert [one["reference"] for one in told] == ["v1"] * 3 + [""] * 3
    assert "What the pictures show could not be judged (ValueError in content.py" in told[2]["notes"][-1]
    past = [{"gain": -0.01}, *(one["values"] for one in told[:2])]
    sums = [climbs(past[: n + 1], world.reference.limits) for n in range(3)]
    assert before == [*sums, None, None, None] * 3, "each window comes with the sums over those before it"
    for some, item in zip(away, world.due, strict=True):
        assert all(one.rows is rows for one, rows in zip(some, item.windows, strict=True)), "rows are the flow's own"


@pytest.mark.parametrize("who", ["here", "away"])
def test_a_window_that_raises_leaves_all_others(world: World, monkeypatch: pytest.MonkeyPatch, who: str) -> None:
    well, real = world.told(world.here), looking.judge

    def second_fails(window: Any, *rest: Any) -> Any:
        if window.camera == "cam-1" and window.first.hour == 7:
            raise ValueError("cannot convert float NaN to integer")
        return real(window, *rest)

    monkeypatch.setattr(looking, "judge", second_fails)
    told = world.told(getattr(world, who))
    assert told[1]["state"] == "not comparable" and "This window could not be judged (ValueError" in told[1]["notes"][0]
    assert [one["state"] for one in told[:1] + told[2:]] == [one["state"] for one in well[:1] + well[2:]]
    assert told[0] == well[0] and told[3:] == well[3:]


def test_windows_that_no_worker_survives_are_not_called_well_and_the_others_are_judged(world: World) -> None:
    class Deadly(Here):
        def rows(self, work: Any, items: Any, shard: int = 0) -> Any:
            return iter([work.lost(items[0]), *super().rows(work, items[1:])])

    told = world.told(Deadly(world.tools))
    assert [one["state"] for one in told] == ["not comparable"] * 3 + ["learning"] * 3
    assert "whatever worker of the cluster looks at the camera's windows ends" in told[0]["notes"][0]


def test_a_picture_that_only_a_worker_lacks_is_looked_at_here_and_told(
    world: World, capsys: pytest.CaptureFixture[str]
) -> None:
    picture = world.home / world.due[0].windows[1]["path"].iloc[4]
    assert world.told(replace(world.away, hidden=picture)) == world.told(world.here)
    said = capsys.readouterr().err
    assert "A worker of the cluster could not read 1 pictures of cam-1 that are here" in said
    assert "Mount the plant's data/batches/" in said
    picture.unlink()
    assert world.told(world.away) == world.told(world.here)
    assert capsys.readouterr().err == "", "what is missing here as well is no fault of the worker"


def test_a_reference_that_only_a_worker_lacks_is_refused_in_words(world: World) -> None:
    assert world.due[0].held is not None
    maps = world.due[0].held.folder / MAPS
    with pytest.raises(FixSettings, match=r"does not find the camera's reference .* mount the plant's references/"):
        world.told(replace(world.away, hidden=maps))
    maps.unlink()
    with pytest.raises(FetchData, match="is not on this disk"):
        world.told(world.here)


def test_a_reference_that_the_flow_has_read_is_read_again_by_workers_only(world: World) -> None:
    held = world.due[0].held
    assert held is not None
    read = replace(world, due=[replace(world.due[0], held=Held.of(world.reference, held.folder, held.digest))])
    told = read.told(world.here)
    assert told == world.told(world.here)[:3]
    assert read.told(world.away) == told
    assert len(pickle.dumps(read.due[0].held)) < len(pickle.dumps(held)) + 100, "the maps do not travel"
    maps = held.folder / MAPS
    with pytest.raises(FixSettings, match="does not find the camera's reference"):
        read.told(replace(world.away, hidden=maps))
    maps.unlink()
    assert read.told(world.here) == told

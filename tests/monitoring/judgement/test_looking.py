"""From captures to windows and verdicts; what cannot be read is named."""

import errno
import json
import re
from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import cv2
import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from inspection import clock
from inspection.errors import CheckHistory, FetchData, FixInput
from inspection.model.package import Card, Prediction
from inspection.network.masks import NO_MASKS
from inspection.records import verdicts
from inspection.release.registry import Release
from monitoring.judgement import looking
from monitoring.judgement.looking import look, membership, states, utc, windows
from monitoring.judgement.reference import Reference
from tests.inspection.world import card
from tests.monitoring.camera.test_health import PARAMS, START, learned, pictures

WATCH = PARAMS.watch
HOUR = timedelta(hours=1)
PLAIN = START.replace(tzinfo=None)


def captures(hours: Sequence[float], camera: str = "cam-1", seed: int = 0) -> pd.DataFrame:
    """One capture at each hour after START."""
    rows = [
        {
            "capture_id": f"{camera}-{seed}-{number:05d}",
            "image_id": f"{camera}-{seed}-{number}",
            "camera": camera,
            "line": "A",
            "part": "a",
            "path": f"{camera}/{number}",
            "black": 0,
            "white": 255,
            "captured_at": pd.Timestamp(PLAIN + hour * HOUR),
        }
        for number, hour in enumerate(hours)
    ]
    columns = ["capture_id", "image_id", "camera", "line", "part", "path", "black", "white", "captured_at"]
    return pd.DataFrame(rows, columns=columns).astype({"captured_at": "datetime64[us]"})


def formed(pending: pd.DataFrame, now: float) -> list[pd.DataFrame]:
    with clock.at(START + now * HOUR):
        return list(windows(pending, WATCH))


def test_full_windows_are_due_at_once_and_the_rest_when_it_is_old() -> None:
    pending = captures([n / 60 for n in range(95)])
    assert [len(rows) for rows in formed(pending, 1.6)] == [40, 40]
    assert [len(rows) for rows in formed(pending, 80 / 60 + WATCH.window_hours - 0.01)] == [40, 40]
    assert [len(rows) for rows in formed(pending, 80 / 60 + WATCH.window_hours)] == [40, 40, 15]


def test_no_captures_are_no_windows() -> None:
    assert formed(captures([]), 5) == []


def test_cameras_do_not_share_a_window() -> None:
    both = pd.concat([captures(np.arange(40) / 60), captures(np.arange(30) / 60, "cam-2")])
    assert [set(rows["camera"]) for rows in formed(both, 24)] == [{"cam-1"}, {"cam-2"}]


@settings(max_examples=40)
@given(
    st.lists(st.tuples(st.sampled_from(["cam-1", "cam-2"]), st.integers(0, 20)), max_size=150),
    st.integers(0, 40),
    st.randoms(use_true_random=False),
)
def test_each_capture_is_in_one_window_at_most_in_the_order_of_time(
    drawn: list[tuple[str, int]], now: int, random: Any
) -> None:
    frames = [captures([hour for name, hour in drawn if name == camera], camera) for camera in ("cam-1", "cam-2")]
    pending = pd.concat(frames, ignore_index=True)
    found = formed(pending, now)
    ids = [capture for rows in found for capture in rows["capture_id"]]
    assert len(ids) == len(set(ids))
    for rows in found:
        assert rows["captured_at"].is_monotonic_increasing
        assert len(rows) == WATCH.window_images or rows["captured_at"].iloc[0] <= pd.Timestamp(
            PLAIN + (now - WATCH.window_hours) * HOUR
        )
    left = pending[~pending["capture_id"].isin(ids)]
    assert (left.groupby("camera").size() < WATCH.window_images).all()
    shuffled = pending.sample(frac=1, random_state=random.randint(0, 999))
    assert [list(rows["capture_id"]) for rows in formed(shuffled, now)] == [list(r["capture_id"]) for r in found]


@pytest.fixture(scope="module")
def reference() -> Reference:
    return learned()


def stored(count: int, seed: int = 3, after: Any = lambda x: x) -> tuple[pd.DataFrame, dict[str, np.ndarray]]:
    """Captures and their images by path."""
    images, parts = {}, []
    rows = captures([n / 60 for n in range(count)], seed=seed)
    for path, (levels, part, _, _) in zip(rows["path"], pictures(seed, count, after=after), strict=True):
        images[path] = levels
        parts.append(part)
    return rows.assign(part=parts), images


def test_a_healthy_window(reference: Reference) -> None:
    rows, images = stored(40)
    seen = look(rows, reference, PARAMS, lambda row: images[row.path])
    assert (seen.verdict.state, seen.missing) == ("healthy", ())
    assert seen.name == "cam-1-20261102T060000-cam-1-"
    assert seen.days == {START.date()}
    told = json.loads(json.dumps(seen.as_json()))
    assert (told["camera"], told["line"], told["images"], told["state"]) == ("cam-1", "A", 40, "healthy")
    assert told["first"] == clock.stamp(START)
    assert told["last"] == clock.stamp(START + timedelta(minutes=39))
    assert set(told["values"]) >= {"gain", "gradient", "dust"}


def test_a_change_carries_its_size_and_the_details_of_the_measurement(reference: Reference) -> None:
    rows, images = stored(40, after=lambda x: 0.8 * x)
    (finding,) = look(rows, reference, PARAMS, lambda row: images[row.path]).as_json()["findings"]
    assert (finding["cause"], finding["statistic"]) == ("lighting", "gain")
    assert finding["size"] == finding["details"]["gain"] == pytest.approx(-0.2, abs=0.02)
    assert "gradient_degrees" in finding["details"]


def test_one_image_is_too_few_and_says_so(reference: Reference) -> None:
    rows, images = stored(1)
    told = look(rows, reference, PARAMS, lambda row: images[row.path]).as_json()
    assert (told["state"], told["findings"], told["values"]) == ("too few", [], {})
    assert told["notes"] == ["1 images are too few for a verdict: it takes 10."]
    assert told["first"] == told["last"]


@pytest.mark.parametrize("error", [FetchData("x.png is not here: run `dvc pull`."), FixInput("x.png is damaged.")])
def test_images_that_cannot_be_read_are_named_and_left_out(reference: Reference, error: Exception) -> None:
    rows, images = stored(40)

    def load(row: Any) -> np.ndarray:
        if row.path in ("cam-1/3", "cam-1/7"):
            raise error
        return images[row.path]

    seen = look(rows, reference, PARAMS, load)
    assert seen.verdict.state == "healthy"
    assert seen.missing == (str(error), str(error))
    assert list(seen.as_json()["notes"][-2:]) == [str(error), str(error)]
    assert len(membership([seen])) == 40  # looked at all the same: it is not tried for ever


def test_a_window_of_which_nothing_can_be_read_is_too_few(reference: Reference) -> None:
    rows, _ = stored(12)

    def load(row: Any) -> np.ndarray:
        raise FetchData(f"{row.path} is not here")

    told = look(rows, reference, PARAMS, load).as_json()
    assert told["state"] == "too few"
    assert len(told["notes"]) == 13
    assert json.dumps(told)


def test_what_is_no_refusal_stops_the_look(reference: Reference) -> None:
    rows, _ = stored(3)

    def load(row: Any) -> np.ndarray:
        raise MemoryError

    with pytest.raises(MemoryError):
        look(rows, reference, PARAMS, load)


@pytest.mark.parametrize("error", [ValueError("cannot convert float NaN to integer"), cv2.error("size.width > 0")])
def test_a_window_that_cannot_be_judged_says_why_and_is_not_healthy(
    reference: Reference, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    monkeypatch.setattr(looking, "judge", raising(error))
    rows, images = stored(40)
    told = look(rows, reference, PARAMS, lambda row: images[row.path]).as_json()
    assert (told["state"], told["findings"], told["values"], told["images"]) == ("not comparable", [], {}, 40)
    assert "This window could not be judged" in told["notes"][0]
    assert f"{type(error).__name__} in test_looking.py" in told["notes"][0] and str(error) in told["notes"][0]
    assert json.dumps(told)


@pytest.mark.parametrize(
    "error",
    [MemoryError(), OSError(errno.ENOSPC, "No space left on device"), CheckHistory("The ledger was changed.")],
)
def test_a_refusal_and_a_lack_of_memory_or_disk_stop_the_look(
    reference: Reference, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    monkeypatch.setattr(looking, "judge", raising(error))
    rows, images = stored(12)
    with pytest.raises(type(error)):
        look(rows, reference, PARAMS, lambda row: images[row.path])


@pytest.mark.parametrize(("light", "state", "causes"), [(1.0, "not comparable", []), (0.8, "changed", ["lighting"])])
def test_where_what_the_pictures_show_cannot_be_judged_the_camera_is(
    reference: Reference, light: float, state: str, causes: list[str]
) -> None:
    rows, images = stored(40, after=lambda x: light * x)
    show = raising(ValueError("all input arrays must have the same shape"))
    told = look(rows, reference, PARAMS, lambda row: images[row.path], show=show).as_json()
    assert (told["state"], [one["cause"] for one in told["findings"]]) == (state, causes)
    assert "What the pictures show could not be judged (ValueError" in told["notes"][-1]


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (RuntimeError("no such codec"), r"^cam-1/3 could not be read \(RuntimeError .*no such codec\)"),
        (PermissionError(errno.EACCES, "Denied", "x.png"), r"^Denied \(x\.png\)"),
    ],
)
def test_one_image_that_nobody_foresaw_is_named_and_left_out(
    reference: Reference, error: Exception, words: str
) -> None:
    rows, images = stored(40)

    def load(row: Any) -> np.ndarray:
        if row.path == "cam-1/3":
            raise error
        return images[row.path]

    seen = look(rows, reference, PARAMS, load)
    assert seen.verdict.state == "healthy"
    (missing,) = seen.missing
    assert re.search(words, missing)


def raising(error: Exception) -> Any:
    def work(*_: Any) -> Any:
        raise error

    return work


def test_all_black_is_no_light(reference: Reference) -> None:
    rows, images = stored(40, after=lambda x: 0 * x)
    told = look(rows, reference, PARAMS, lambda row: images[row.path]).as_json()
    assert [one["words"] for one in told["findings"]] == ["There is no light: the lamp is off or the lens is covered."]


def test_the_same_bytes_under_other_times_are_a_frozen_camera(reference: Reference) -> None:
    rows, images = stored(40)
    rows = rows.assign(image_id="same", path=rows["path"].iloc[0], part="a")
    told = look(rows, reference, PARAMS, lambda row: images[row.path]).as_json()
    assert [one["cause"] for one in told["findings"]] == ["frozen"]
    assert told["findings"][0]["size"] == 40


def test_a_camera_without_reference_is_learning() -> None:
    rows, images = stored(12)
    assert look(rows, None, PARAMS, lambda row: images[row.path]).as_json()["state"] == "learning"


def test_membership_of_nothing_has_its_columns() -> None:
    assert list(membership([]).columns) == ["capture_id", "window"]
    assert membership([]).empty


def test_times_of_the_catalog_are_utc() -> None:
    assert utc(pd.Timestamp("2026-11-02 06:00:00")) == START
    assert utc("2026-11-02 07:00:00+01:00") == START


def test_the_states_of_a_run_in_words() -> None:
    told = [
        {"camera": "cam-1", "state": "healthy", "findings": []},
        {"camera": "cam-1", "state": "changed", "findings": [{"cause": "dead_pixels"}, {"cause": "dust"}]},
        {"camera": "cam-2", "state": "learning", "findings": []},
    ]
    assert states(told) == "cam-1: healthy, dead pixels and dust; cam-2: learning"


class Shared:
    """A feature store in which some images have their activation."""

    digest, precision, frozen_blocks, grid = "f" * 64, "f32", 16, 1

    def __init__(self, known: Sequence[str]) -> None:
        self.known = {f"{image_id}/0-255" for image_id in known}

    def activation(self, image: str, view: str) -> Any:
        assert view == "identity"
        return np.zeros((1, 2, 2), np.float16) if image in self.known else None


class Fake:
    """A package that says good, and notes how it was asked."""

    def __init__(self, frozen: str = "f" * 64) -> None:
        self.card = Card.model_validate(card(frozen=frozen, precision="f32", frozen_blocks=16, grid=1))
        self.judged = self.predicted = 0

    def _said(self, count: int) -> list[Prediction]:
        return [Prediction("good", np.array([0.75, 0.25], np.float32), 0.25, False)] * count

    def judge(self, activations: np.ndarray) -> list[Prediction]:
        self.judged += len(activations)
        return self._said(len(activations))

    masks = NO_MASKS

    def predict(self, images: Sequence[np.ndarray], places: Sequence[tuple[str, str]]) -> list[Prediction]:
        self.predicted += len(images)
        return self._said(len(images))


LIVE = Release("v1.0.0", "p" * 64, "release", datetime(2026, 11, 1, tzinfo=UTC), "Lena", "first")


@pytest.mark.parametrize(
    ("known", "frozen", "judged", "predicted"),
    [(70, "f" * 64, 70, 0), (69, "f" * 64, 68, 2), (0, "f" * 64, 0, 70), (70, "other", 0, 70)],
)
def test_each_capture_gets_one_verdict_and_the_frozen_part_runs_only_where_it_has_to(
    known: int, frozen: str, judged: int, predicted: int
) -> None:
    rows = captures([n / 60 for n in range(70)])
    package, features = Fake(frozen), Shared(rows["image_id"].iloc[:known])
    blank = np.zeros((4, 4, 1), np.float32)
    said = looking.scores(rows, package, LIVE, features, lambda _: blank)  # type: ignore[arg-type]
    assert (package.judged, package.predicted) == (judged, predicted)
    assert list(said["capture_id"]) == list(rows["capture_id"])
    assert list(said.columns) == verdicts.SCHEMAS[verdicts.SCORES].names
    row = said.iloc[0]
    assert (row["version"], row["label"], row["reject"], row["threshold"]) == ("v1.0.0", "good", False, 0.5)
    assert json.loads(row["probabilities"]) == {"good": 0.75, "scratch": 0.25}

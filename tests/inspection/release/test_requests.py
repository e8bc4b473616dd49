"""Requests: what has to be there before the next retrain, and when they ask again."""

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inspection import clock, git
from inspection.chain import Event
from inspection.layout import Layout
from inspection.model.package import CARD, package_hash
from inspection.params import Params, read_params
from inspection.records import ledger
from inspection.records.catalog import Catalog, open_catalog
from inspection.records.classes import rename_class
from inspection.release import approval, aside, registry, requests
from inspection.release.requests import Request, Standing
from tests.conftest import ROOT
from tests.inspection.world import GREY, add_batch, card, fake_package, picture

SETTINGS = read_params(ROOT / "params.yaml")
START = datetime(2026, 11, 2, 6, tzinfo=UTC)
HOUR, MINUTE = timedelta(hours=1), timedelta(minutes=1)
NOON = START + 6 * HOUR


def asked(kind: str = "retrain", **needs: Any) -> dict[str, Any]:
    """The event that opens a request of an incident since START for 4 images of 2 parts of cam-1."""
    about = {"incident": "I-0001", "cameras": ["cam-1"], "since": clock.stamp(START), "labels": 4, "parts": 2}
    event = requests.wish([], kind, "dust on cam-1 (I-0001)", {**about, **needs})  # type: ignore[arg-type]
    assert event is not None
    return event


def folded(*bodies: dict[str, Any], at: datetime = START) -> list[Request]:
    return requests.fold([Event(n, clock.stamp(at), "request", "watch", one, "") for n, one in enumerate(bodies, 1)])


def test_a_request_is_opened_and_answered() -> None:
    event = asked()
    (one,) = folded(event)
    assert (one.name, one.kind, one.labels, one.parts, one.cameras) == ("R-0001", "retrain", 4, 2, ("cam-1",))
    assert (one.since, one.open, one.label) == (START, True, "")
    (one,) = folded(event, requests.answer("R-0001", "v1.1.0", "v1.1.0", 7))
    assert (one.open, one.answer, one.candidate, one.have) == (False, "v1.1.0", "v1.1.0", 7)


def test_an_answer_to_what_was_never_asked_has_no_effect_on_the_others() -> None:
    answers = [requests.answer("R-0099", "done"), requests.answer("R-0001", "v1.1.0", "v1.1.0", 7)]
    assert [(one.name, one.answer) for one in folded(asked(), *answers)] == [("R-0001", "v1.1.0")]


def test_one_open_request_for_each_incident_and_kind() -> None:
    known = folded(asked())
    needs = {"incident": "I-0001", "cameras": ["cam-1"], "since": None, "labels": 9, "parts": 1}
    assert requests.wish(known, "retrain", "x", needs) is None
    other = requests.wish(known, "retrain", "x", {**needs, "incident": "I-0002"})
    label = requests.wish(known, "label", "x", needs)
    assert other is not None and other["request"] == "R-0002"
    assert label is not None and label["request"] == "R-0002"
    answered = folded(asked(), requests.answer("R-0001", "done"))
    assert requests.wish(answered, "retrain", "x", needs) is not None


@given(st.lists(st.tuples(st.sampled_from(["I-1", "I-2", "burr"]), st.booleans(), st.booleans()), max_size=20))
def test_names_count_up_and_never_two_open_ones_for_one_matter(steps: list[tuple[str, bool, bool]]) -> None:
    """Any order of wishes and answers."""
    bodies: list[dict[str, Any]] = []
    for about, label, answer in steps:
        known = folded(*bodies)
        still = [one for one in known if one.open]
        if answer and still:
            bodies.append(requests.answer(still[0].name, "done"))
            continue
        matter = {"label": about} if about == "burr" else {"incident": about}
        needs = {**matter, "labels": 1, "parts": 1}
        event = requests.wish(known, "label" if label else "retrain", "x", needs)
        bodies += [event] if event else []
    known = folded(*bodies)
    matters = [(one.kind, one.incident, one.label) for one in known if one.open]
    assert len(matters) == len(set(matters))
    assert [one.name for one in known] == [f"R-{n:04d}" for n in range(1, len(known) + 1)]


@given(st.integers(0, 9), st.integers(0, 9), st.booleans())
def test_it_is_met_with_enough_images_and_parts_and_no_cool_down(labels: int, parts: int, cool: bool) -> None:
    (one,) = folded(asked())
    standing = Standing(one, labels, parts, NOON if cool else None)
    assert standing.met == (labels >= 4 and parts >= 2 and not cool)
    enough = labels >= 4 and parts >= 2
    assert ("waits for labels from cam-1" in standing.words) == (not enough)
    assert ("waits until 2026-11-02 12:00 UTC" in standing.words) == (enough and cool)
    assert "None" not in standing.words
    if not enough:
        assert f"{labels} of 4 images, {parts} of 2 parts" in standing.words
    assert ("7 are aside" in replace(standing, aside="7 are aside").words) == (not enough)


def test_the_words_name_the_class_or_the_cameras() -> None:
    (camera,) = folded(asked(cameras=["cam-1", "cam-2"]))
    (label,) = folded(asked(label="burr", incident=None, cameras=[], since=None))
    assert "from cam-1 and cam-2, captured since 2026-11-02 06:00 UTC" in Standing(camera, 0, 0, None).words
    assert "labels of burr: 1 of 4 images" in Standing(label, 1, 1, None).words
    assert "next scheduled retrain" in Standing(label, 9, 9, None).words


def test_after_a_refusal_it_asks_for_more_than_there_were() -> None:
    done = requests.answer("R-0001", "v1.1.0", "v1.1.0", 70)
    (one,) = folded(asked(labels=60), done)
    more = requests.again([one], Standing(one, 70, 30, None), SETTINGS)
    assert more is not None
    (_, second) = folded(asked(labels=60), more)
    assert (second.labels, second.parts, second.incident, second.since) == (100, 2, "I-0001", START)
    (new,) = folded(asked(label="burr", incident=None, cameras=[], since=None, labels=20), done)
    more = requests.again([new], Standing(new, 25, 5, None), SETTINGS)
    assert more is not None
    assert (more["label"], more["labels"]) == ("burr", 25 + SETTINGS.train.min_labels)
    assert not more.get("incident")


@pytest.mark.parametrize("refused", [True, False])
def test_answers_and_what_is_asked_again_are_written_at_once(refused: bool) -> None:
    other = requests.wish(folded(asked()), "retrain", "x", {"label": "burr", "labels": 20, "parts": 3})
    assert other is not None
    events = [Event(n, clock.stamp(START), "request", "watch", one, "") for n, one in enumerate((asked(), other), 1)]
    met = [Standing(one, 30, 9, None) for one in requests.fold(events)]
    bodies = requests.answers(events, met, "v1.1.0", refused, SETTINGS)
    after = folded(*(event.body for event in events), *bodies)
    assert [(one.candidate, one.have) for one in after[:2]] == [("v1.1.0", 30)] * 2
    assert [(one.name, one.label, one.open) for one in after[2:]] == (
        [("R-0003", "", True), ("R-0004", "burr", True)] if refused else []
    )
    (same, _) = requests.answers(events, met, None, False, SETTINGS)
    assert (same["answer"], same["candidate"]) == ("the same model again", None)


# what counts, on a small plant


def name(minute: int, serial: str, camera: str = "cam-1") -> str:
    return f"{camera}/{GREY.parts[0]}/{serial}/{START + minute * MINUTE:%Y%m%dT%H%M%S}000Z.png"


def label(layout: Layout, images: Sequence[str], what: str = "good") -> None:
    bodies = [{"image_id": one, "label": what, "labelled_at": clock.stamp(NOON), "spec": "1"} for one in images]
    ledger.append(layout, "label", "Tess", bodies)


@pytest.fixture
def images(repo: Layout) -> list[str]:
    """Captures at minutes -2 .. 9 (START is 0) of six parts, two images each; their image_ids."""
    shown = {name(minute, f"s-{(minute + 2) // 2}"): picture(minute + 50) for minute in range(-2, 10)}
    return list(add_batch(repo, "20261102-00000", shown)["image_id"])


@pytest.fixture
def catalog(repo: Layout, images: list[str]) -> Iterator[Catalog]:
    opened = open_catalog(repo)
    yield opened
    opened.close()


def standing(layout: Layout, now: datetime = NOON) -> Standing:
    catalog = open_catalog(layout)
    with clock.at(now):
        (one,) = requests.standings(layout, catalog, SETTINGS)
    catalog.close()
    return one


def test_only_labelled_images_since_then_of_these_cameras_count(repo: Layout, images: list[str]) -> None:
    ledger.append(repo, "request", "watch", [asked()])
    assert (standing(repo).labels, standing(repo).parts) == (0, 0)
    label(repo, images[:3])  # two from before, one of the very moment
    assert (standing(repo).labels, standing(repo).parts) == (0, 0)
    label(repo, images[3:6])
    assert (standing(repo).labels, standing(repo).parts) == (3, 2)
    assert not standing(repo).met
    label(repo, images[3:5], "scratch")  # another label for the same image is no other image
    assert standing(repo).labels == 3
    label(repo, images[6:7])
    assert standing(repo).met


def test_other_cameras_do_not_count(repo: Layout, images: list[str]) -> None:
    ledger.append(repo, "request", "watch", [asked(cameras=["cam-2"])])
    label(repo, images)
    assert standing(repo).labels == 0


def test_what_training_may_not_use_does_not_count(repo: Layout, images: list[str]) -> None:
    ledger.append(repo, "request", "watch", [asked()])
    label(repo, images[2:10])
    assert standing(repo).labels == 7
    label(repo, images[3:5], "no-such-class")
    assert standing(repo).labels == 5
    ledger.append(repo, "spec", "Tess", [{"spec": "2", "classes": ["good"], "why": "stricter"}])
    assert standing(repo).labels == 0  # all that is left was called good under the old one
    label(repo, images[6:9], "scratch")
    assert standing(repo).labels == 3
    ledger.append(repo, "batch-ruling", "Tess", [{"batch": "20261102-00000", "what": "held", "why": "blurred"}])
    assert standing(repo).labels == 0


def fault(camera: str = "cam-1", action: str = "repair") -> list[dict[str, Any]]:
    """An incident that began between the minutes 2 and 4."""
    finding = {"size": 1.0, "unit": "specks", "words": "Dust.", "strength": 2.0}
    onset = [clock.stamp(START + 2 * MINUTE), clock.stamp(START + 4 * MINUTE)]
    opened = {"line": "A", "cause": "dust", "camera": camera, "finding": finding, "onset": onset, "window": "w"}
    return [
        {"incident": "I-0001", "what": "opened", **opened},
        {"incident": "I-0001", "what": "routed", "action": action, "reasons": [], "cost": None},
    ]


@pytest.mark.parametrize(("camera", "action", "counted"), [("cam-1", "repair", 2), ("cam-1", "retrain", 9)])
def test_images_of_a_faulty_camera_do_not_count_until_a_person_says_so(
    repo: Layout, images: list[str], camera: str, action: str, counted: int
) -> None:
    ledger.append(repo, "request", "watch", [asked()])
    ledger.append(repo, "incident", "watch", fault(camera, action))
    label(repo, images)
    assert standing(repo).labels == counted
    kept = "7 were taken while their camera had a fault (I-0001): andon incidents rule I-0001 --images use --by NAME"
    assert (kept in standing(repo).words) == (counted == 2)
    ledger.append(repo, "incident", "Ines", [{"incident": "I-0001", "what": "ruled", "images": "use"}])
    assert standing(repo).labels == 9


def test_a_retrain_waits_for_the_cool_down_of_the_last(repo: Layout, images: list[str]) -> None:
    with clock.at(START):
        ledger.append(repo, "request", "watch", [asked(incident="I-0009")])
        ledger.append(repo, "request", "retrain", [requests.answer("R-0001", "v1.0.0", "v1.0.0", 4)])
        ledger.append(repo, "request", "watch", [{**asked(), "request": "R-0002"}])
    label(repo, images)
    end = START + SETTINGS.requests.cool_down_hours * HOUR
    assert (standing(repo, end - MINUTE).not_before, standing(repo, end - MINUTE).met) == (end, False)
    assert (standing(repo, end + MINUTE).not_before, standing(repo, end + MINUTE).met) == (None, True)


def test_labels_are_asked_for_without_cool_down_and_do_not_retrain(repo: Layout, images: list[str]) -> None:
    with clock.at(START):
        ledger.append(repo, "request", "watch", [asked()])
        ledger.append(repo, "request", "retrain", [requests.answer("R-0001", "v1.0.0", "v1.0.0", 4)])
        ledger.append(repo, "request", "watch", [{**asked("label"), "request": "R-0002"}])
    label(repo, images)
    assert standing(repo, START + MINUTE).met
    catalog = open_catalog(repo)
    assert requests.due(requests.standings(repo, catalog, SETTINGS)) == []
    catalog.close()


# classes that the live model does not know


@pytest.fixture
def live(repo: Layout, tmp_path: Path) -> Layout:
    """A live model that knows good and scratch; three labels of two parts are enough for another class."""
    package = fake_package(tmp_path / "package", "m")
    registry.install(repo, tmp_path / "package", package)
    body = {"version": "v1.0.0", "package": package, "action": "release", "reason": "first"}
    registry.release(repo, body, "Lena", 5)
    words = re.sub(r"min_labels: \d+ ", "min_labels: 3 ", repo.params.read_text()).replace(
        "min_parts: 3 ", "min_parts: 2 "
    )
    repo.params.write_text(words)
    settings: Params = read_params(repo.params)
    assert (settings.train.min_labels, settings.train.min_parts) == (3, 2)
    return repo


def opened(layout: Layout) -> list[Request]:
    catalog = open_catalog(layout)
    found = requests.ask_for_classes(layout, aside.sorted_out(layout, catalog))
    catalog.close()
    return found


def test_without_a_live_model_no_class_is_new(repo: Layout, images: list[str]) -> None:
    label(repo, images, "pit")
    assert opened(repo) == []


def test_a_class_is_asked_for_once_it_has_enough_images_and_parts(live: Layout, images: list[str]) -> None:
    label(live, images[:2], "pit")  # one part
    label(live, images[4:12], "scratch")  # known already
    assert opened(live) == []
    label(live, images[2:3], "pit")
    (one,) = opened(live)
    assert (one.kind, one.label, one.labels, one.parts, one.why) == ("retrain", "pit", 3, 2, "new class pit")
    assert opened(live) == []
    label(live, images[6:10], "crack")
    assert [(one.name, one.label) for one in opened(live)] == [("R-0002", "crack")]


def test_a_class_that_was_renamed_is_not_asked_for_as_a_new_one_and_its_request_follows(
    live: Layout, images: list[str]
) -> None:
    label(live, images[:6], "scratch")
    rename_class(live, "scratch", "groove", "Ute")
    assert opened(live) == []
    label(live, images[6:], "pit")
    (one,) = opened(live)
    rename_class(live, "pit", "hole", "Ute")
    assert [one.label for one in requests.fold(ledger.read(live))] == ["hole"]
    assert opened(live) == [] and one.label == "pit"


def test_three_images_of_one_part_are_not_two_parts(repo: Layout, live: Layout) -> None:
    rows = add_batch(repo, "20261103-00000", {name(n, "the-one"): picture(n) for n in range(4)})
    label(live, list(rows["image_id"]), "pit")
    assert opened(live) == []


def test_a_class_known_by_likeness_alone_is_asked_for_again_with_twice_the_labels(
    live: Layout, images: list[str], tmp_path: Path
) -> None:
    known = card(classes=["good", "pit", "scratch"], acceptable=[True, False, False], alike={"pit": 4})
    fake_package(tmp_path / "next", "n")
    (tmp_path / "next" / CARD).write_text(json.dumps(known), encoding="utf-8")
    package = package_hash(tmp_path / "next")
    registry.install(live, tmp_path / "next", package)
    body = {"version": "v1.1.0", "package": package, "action": "release", "reason": "pit"}
    registry.release(live, body, "Lena", 5)
    label(live, images[:7], "pit")
    label(live, images[8:12], "scratch")  # learned, and asked for no more
    assert opened(live) == []
    label(live, images[7:8], "pit")
    (one,) = opened(live)
    assert (one.kind, one.label, one.labels) == ("retrain", "pit", 8)
    assert one.why == "class pit, known by its likeness to few pictures"


def candidate(layout: Layout, version: str, promote: bool = True) -> None:
    live = registry.live(layout)
    request = approval.Request(
        version=version,
        package=version.replace(".", "").ljust(64, "0"),
        promote=promote,
        objections=() if promote else ("too many escapes",),
        reasons=(),
        champion=live.package if live else None,
        classes=("good", "scratch", "pit"),
        figures={},
        requested_by="Andon",
        reason="new class pit",
        at=clock.stamp(NOON),
    )
    git.commit(layout.home, [approval.write_request(layout, request)], "Request")


def answered_with(layout: Layout, version: str | None, have: int) -> None:
    ledger.append(layout, "request", "retrain", [requests.answer("R-0001", version or "same", version, have)])


def test_while_its_candidate_waits_a_class_is_not_asked_for_again(live: Layout, images: list[str]) -> None:
    label(live, images[:3], "pit")
    assert len(opened(live)) == 1
    candidate(live, "v2.0.0")
    answered_with(live, "v2.0.0", 3)
    label(live, images[3:], "pit")
    assert opened(live) == []
    request = approval.find_request(live, "v2.0.0")
    approval.put_on_record(live, request, "Lena", True, 14)
    assert opened(live) == []  # approved, not yet on the line


def test_after_a_rejection_a_class_needs_more_labels_and_does_not_go_round(live: Layout, images: list[str]) -> None:
    label(live, images[:3], "pit")
    assert len(opened(live)) == 1
    candidate(live, "v2.0.0")
    answered_with(live, "v2.0.0", 3)
    approval.put_on_record(live, approval.find_request(live, "v2.0.0"), "Lena", False, 14, "no")
    assert opened(live) == []
    label(live, images[3:5], "pit")
    assert opened(live) == []
    label(live, images[5:6], "pit")
    (again,) = opened(live)
    assert (again.name, again.labels) == ("R-0002", 6)


def test_what_was_opened_is_committed_so_that_a_cut_can_be_found_again(live: Layout, images: list[str]) -> None:
    git.commit(live.home, [live.params, *ledger.files(live)], "Before")
    label(live, images[:3], "pit")
    git.commit(live.home, ledger.files(live), "Labels")
    assert len(opened(live)) == 1
    assert git.changed(live.home, ["data/ledger"]) == []

"""From an incident to a decision, from a decision to a request, from labels to a candidate."""

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

import pytest
from sqlalchemy import select

from flows import decisions
from flows.commission import commission
from flows.ingest import ingest
from flows.promote import promote
from flows.retrain import retrain
from flows.tasks import run_here
from inspection import clock, git
from inspection.cameras import read_cameras
from inspection.errors import FixInput
from inspection.layout import Layout
from inspection.params import read_params
from inspection.records import incidents, ledger, sheets
from inspection.records.catalog import open_catalog, rebuild
from inspection.records.ledger import Cut
from inspection.records.schema import capture_table
from inspection.release import approval, aside, registry, requests
from inspection.release.requests import Request
from monitoring.cost.escapes import Estimate
from monitoring.cost.routing import Cost
from plant.faults import Fault
from plant.line import Plant
from plant.shot import drop
from tests.conftest import DAY, EASY, EVENING, draw, label, set_params
from tests.flows.test_watch import ONE_DAY, SMALL, evening, look, mails
from tests.inspection.world import add_batch, picture

NOT_KNOWN = Estimate(None, None, "unknown", 0, "")
pytestmark = pytest.mark.usefixtures("prefect_harness")
MINUTE = timedelta(minutes=1)
COSTLY = Cost(0.9, 0.6, 0.2, 0.4, 30, "seen")
HARMLESS = Cost(0.9, 0.9, -0.02, 0.02, 30, "rehearsed")


# decisions, on a plant whose ledger alone says that there is an incident


@pytest.fixture
def plant(tiny: Layout) -> Layout:
    """40 captures of 20 parts, one a minute, and a change of light that began with the tenth."""
    shown = {
        f"cam-1/bracket/s-{n // 2:02d}/{EVENING - (40 - n) * MINUTE:%Y%m%dT%H%M%S}000Z.png": picture(n)
        for n in range(40)
    }
    add_batch(tiny, "20261102-00000", shown)
    opened(tiny, "lighting")
    return tiny


def opened(layout: Layout, cause: str) -> None:
    finding = {"cause": cause, "statistic": "gain", "size": -0.2, "unit": "px", "words": "So.", "strength": 2.0}
    onset = [clock.stamp(EVENING - 31 * MINUTE), clock.stamp(EVENING - 30 * MINUTE)]
    body = {"line": "A", "cause": cause, "camera": "cam-1", "finding": finding, "onset": onset, "window": "w"}
    name = f"I-{len(incidents.fold(ledger.read(layout))) + 1:04d}"
    ledger.append(layout, "incident", "watch", [{"incident": name, "what": "opened", **body}])
    git.commit(layout.home, ledger.files(layout), "An incident")


Decide = Callable[..., list[str]]


@pytest.fixture
def decide(plant: Layout, monkeypatch: pytest.MonkeyPatch) -> Decide:
    """The decisions when a change costs `cost`, with or without a model on the line."""

    def decided(cost: Cost | None, live: bool = True) -> list[str]:
        release, line = SimpleNamespace(package="p"), SimpleNamespace(folder="p")
        fake = SimpleNamespace(live=lambda _: release if live else None, on_line=lambda _: line if live else None)
        monkeypatch.setattr(decisions, "registry", fake)
        monkeypatch.setattr(decisions, "Package", lambda _: object())
        monkeypatch.setattr(decisions.weighing, "weigh", lambda *_: (cost, NOT_KNOWN))
        catalog = open_catalog(plant)
        with clock.at(EVENING):
            names: list[str] = decisions.decide.fn(plant, read_params(plant.params), catalog)
        catalog.close()
        return names

    return decided


def asked(layout: Layout) -> list[Request]:
    return requests.fold(ledger.read(layout))


def actions(layout: Layout) -> list[str]:
    return [one.action for one in incidents.fold(ledger.read(layout))]


def give_labels(layout: Layout) -> None:
    """A label for every image."""
    catalog = open_catalog(layout)
    images = catalog.frame(select(capture_table.c.image_id))["image_id"]
    catalog.close()
    bodies = [{"image_id": one, "label": "good", "labelled_at": clock.stamp(EVENING), "spec": "1"} for one in images]
    ledger.append(layout, "label", "Tess", bodies)


@pytest.mark.parametrize(
    ("cost", "live", "action", "kind"),
    [
        (HARMLESS, True, "watch", None),
        (COSTLY, True, "retrain", "retrain"),
        (None, True, "label", "label"),
        (None, False, "watch", None),
    ],
)
def test_a_decision_is_made_once_and_opens_its_request(
    plant: Layout, decide: Decide, cost: Cost | None, live: bool, action: str, kind: str | None
) -> None:
    assert decide(cost, live) == (["R-0001"] if kind else [])
    assert actions(plant) == [action]
    assert [one.kind for one in asked(plant)] == ([kind] if kind else [])
    before = ledger.head(plant)
    assert decide(cost, live) == []
    assert ledger.head(plant) == before
    assert git.changed(plant.home, ["data/ledger"]) == []


def test_labels_of_images_that_training_may_not_use_tell_the_cost_all_the_same(plant: Layout, decide: Decide) -> None:
    """Dust on the same pictures keeps them out of training until somebody rules."""
    opened(plant, "dust")
    decide(None)
    assert actions(plant) == ["label", "repair"]
    give_labels(plant)
    catalog = open_catalog(plant)
    settings = read_params(plant.params)
    (one,) = requests.standings(plant, catalog, settings)
    learned = requests._standing(replace(one.request, kind="retrain"), aside.sorted_out(plant, catalog))
    catalog.close()
    assert one.request.kind == "label" and one.labels > 0
    assert (learned.labels, learned.parts) == (0, 0)
    assert "andon incidents rule I-0002 --images use --by NAME" in learned.words


def test_an_open_incident_is_weighed_again_once_enough_is_labelled(
    plant: Layout, decide: Decide, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also one that is repaired, whose images no training uses."""
    opened(plant, "dust")
    decide(HARMLESS)
    seen = {"escapes": {"value": 0.1, "low": 0, "high": 0.3, "parts": 16}, "false_rejects": None, "how": "seen"}
    told = SimpleNamespace(as_json=lambda: seen)
    weighed = []

    def weigh(incident: Any, *_: Any) -> Any:
        weighed.append(incident.name)
        return HARMLESS, told

    monkeypatch.setattr(decisions.weighing, "weigh", weigh)
    catalog = open_catalog(plant)
    for labelled in (14, 16, 31, 32):
        monkeypatch.setattr(decisions.weighing, "labelled_since", lambda *_, found=labelled: found)
        decisions.decide.fn(plant, read_params(plant.params), catalog)
    catalog.close()
    assert weighed == ["I-0001", "I-0002"] * 2, "with the 16th, and when they are twice as many"
    assert actions(plant) == ["watch", "repair"]
    assert [one.estimate["how"] for one in incidents.fold(ledger.read(plant))] == ["seen", "seen"]


def test_a_retrain_request_says_what_it_waits_for(plant: Layout, decide: Decide) -> None:
    decide(COSTLY)
    (one,) = asked(plant)
    settings = read_params(plant.params)
    assert (one.labels, one.parts) == (settings.requests.labels, settings.requests.parts)
    assert (one.cameras, one.incident, one.since) == (("cam-1",), "I-0001", EVENING - 30 * MINUTE)
    assert one.why == "lighting on cam-1 (I-0001)"


def test_a_fault_for_repair_asks_for_no_labels(plant: Layout, decide: Decide) -> None:
    opened(plant, "dust")
    decide(HARMLESS)
    assert actions(plant) == ["watch", "repair"]
    assert asked(plant) == []


def test_labels_that_were_asked_for_lead_to_the_next_decision(plant: Layout, decide: Decide) -> None:
    set_params(plant, routing__min_parts=10)
    decide(None)
    give_labels(plant)
    assert decide(COSTLY) == ["R-0002"]
    assert actions(plant) == ["retrain"]
    assert [(one.kind, one.open) for one in asked(plant)] == [("label", False), ("retrain", True)]
    assert decide(COSTLY) == []


def test_when_labels_do_not_tell_either_it_asks_for_more_and_not_at_every_run(plant: Layout, decide: Decide) -> None:
    """The labelled parts may have been judged by no model, or show other classes than before."""
    set_params(plant, routing__min_parts=10)
    decide(None)
    give_labels(plant)
    decide(None)
    open_ones = [one for one in asked(plant) if one.open]
    assert len(open_ones) == 1, "nobody is asked for anything any more"
    before = ledger.head(plant)
    decide(None)
    assert ledger.head(plant) == before


def test_once_a_model_is_on_the_line_the_cost_is_asked_for(plant: Layout, decide: Decide) -> None:
    decide(None, live=False)
    assert decide(COSTLY) == ["R-0001"]
    assert actions(plant) == ["retrain"]


def test_a_change_that_has_grown_is_weighed_again(plant: Layout, decide: Decide) -> None:
    decide(HARMLESS)
    finding = {**incidents.fold(ledger.read(plant))[0].finding, "size": -0.5, "strength": 5.0}
    ledger.append(plant, "incident", "watch", [{"incident": "I-0001", "what": "grew", "finding": finding}])
    assert decide(COSTLY) == ["R-0001"]
    assert actions(plant) == ["retrain"]


def test_what_has_recovered_waits_for_no_retrain_any_more(plant: Layout, decide: Decide) -> None:
    decide(COSTLY)
    over = {"incident": "I-0001", "what": "closed", "why": incidents.RECOVERED, "over": clock.stamp(EVENING)}
    ledger.append(plant, "incident", "watch", [over])
    decide(COSTLY)
    assert [one.open for one in asked(plant)] == [False]


# retrain without a reason


def test_too_few_labels_are_refused_before_anything_is_computed(plant: Layout, decide: Decide) -> None:
    opened(plant, "dust")
    decide(None)
    give_labels(plant)
    with pytest.raises(FixInput, match="labelled images may be trained on, and it takes 60") as refusal:
        run_here(retrain, "by hand", "Erik", root=plant.root)
    assert "30 labelled images are set aside: 30 were taken while their camera had a fault" in str(refusal.value)
    assert "andon incidents rule I-0002 --images use --by NAME" in str(refusal.value)


@pytest.mark.parametrize("reason", ["by hand", None])
def test_a_retrain_reads_the_labelled_images_once(
    plant: Layout, decide: Decide, monkeypatch: pytest.MonkeyPatch, reason: str | None
) -> None:
    """They are sorted for requests, for whether there are enough and for what is told of those set aside."""
    decide(COSTLY)
    give_labels(plant)
    real, read = aside.sorted_out, list[Layout]()
    monkeypatch.setattr(aside, "sorted_out", lambda layout, catalog: (read.append(layout), real(layout, catalog))[1])
    if reason:
        with pytest.raises(FixInput, match="it takes 60"):
            retrain.fn(reason, "Erik", root=plant.root)
    else:
        assert retrain.fn(root=plant.root)["aside"] == ""
    assert len(read) == 1


def test_without_a_request_a_retrain_ends_at_once(tiny: Layout) -> None:
    revision = git.run(tiny.home, "rev-parse", "HEAD")
    result = run_here(retrain, root=tiny.root)
    assert (result["version"], result["requests"], result["waits"]) == (None, [], [])
    assert git.run(tiny.home, "rev-parse", "HEAD") == revision
    assert git.run(tiny.home, "status", "--porcelain") == ""
    assert ledger.read(tiny) == []


def test_a_request_that_still_waits_is_said_and_nothing_is_done(plant: Layout, decide: Decide) -> None:
    decide(COSTLY)
    before = ledger.head(plant)
    result = run_here(retrain, root=plant.root)
    assert result["version"] is None
    (words,) = result["waits"]
    assert words.startswith("R-0001 (lighting on cam-1 (I-0001)) waits for labels from cam-1")
    assert "0 of 60 images, 0 of 25 parts" in words
    assert ledger.head(plant) == before


# the whole way round


def told(layout: Layout, kind: str) -> list[dict[str, Any]]:
    return [dict(event.body) for event in ledger.read(layout) if event.kind == kind]


@pytest.mark.slow
def test_a_costly_change_becomes_a_candidate_without_images_of_a_faulty_camera(
    tiny: Layout, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Release -> references -> a dark lamp on cam-1, hot pixels on cam-2 -> request -> labels -> candidate."""
    lenient = {"promotion__forgetting_budget": 1.0, "promotion__min_class_images": 50}
    set_params(tiny, **{**EASY, **SMALL, **lenient}, requests__labels=8, requests__parts=4, split__test_share=0.4)
    both = ["cam-1", "cam-2"]
    first = draw(tiny, 32)
    drop(first, tiny.home / "inbox")
    with clock.at(EVENING):
        run_here(ingest, root=tiny.root)
        label(tiny, first)
        result = run_here(retrain, "first", "Erik", root=tiny.root)
        assert result["promote"], result["objections"]
        path = approval.give(tiny, approval.find_request(tiny, "v1.0.0"), "Lena", True, 14)
        git.commit(tiny.home, [path], "Approval")
        run_here(promote, "v1.0.0", root=tiny.root)
        look(tiny, 0)
        run_here(commission, both, EVENING - ONE_DAY, EVENING, "Ines", root=tiny.root)

    faults = (Fault("lamp", -0.3, "cam-1", evening(0)), Fault("hot", 8, "cam-2", evening(0)))
    cameras = tuple(read_cameras(tiny.cameras).values())
    changed = list(Plant(1, cameras, faults).shots(DAY + ONE_DAY, 24))
    drop(changed, tiny.home / "inbox")
    monkeypatch.setattr(decisions.weighing, "weigh", lambda *_: (COSTLY, NOT_KNOWN))
    with clock.at(evening(1)):
        run_here(ingest, root=tiny.root)
    seen = look(tiny, 1)
    assert seen["scored"] == len(changed)
    by_cause = {one.cause: one for one in incidents.fold(ledger.read(tiny))}
    assert (by_cause["lighting"].action, by_cause["hot_pixels"].action) == ("retrain", "repair")
    assert by_cause["hot_pixels"].cameras == ("cam-2",)
    assert seen["requests"] == ["R-0001"]
    with clock.at(evening(1)):
        assert run_here(retrain, root=tiny.root)["version"] is None
        label(tiny, changed)
    letters = len(mails(tiny))
    with clock.at(evening(1) + timedelta(hours=1)):
        result = run_here(retrain, root=tiny.root)
    assert (result["version"], result["requests"]) == ("v1.1.0", ["R-0001"])
    one = asked(tiny)[0]
    assert not one.open and one.candidate == "v1.1.0" and one.have >= 8
    assert approval.find_request(tiny, "v1.1.0").reason == one.why
    mail = told(tiny, "mail")[-1]
    assert mail["key"] == "candidate/v1.1.0" and "v1.1.0" in mail["subject"]
    assert len(mails(tiny)) == letters + 1

    cut = Cut.model_validate_json(tiny.cut.read_text())
    catalog = open_catalog(tiny)
    captures = catalog.frame(select(capture_table))
    catalog.close()
    out = captures[captures["image_id"].isin(cut.exclusions)]
    since = by_cause["hot_pixels"].onset[0].replace(tzinfo=None)
    mine = captures[(captures["camera"] == "cam-2") & (captures["captured_at"] > since)]
    assert set(out["image_id"]) == set(mine["image_id"])
    assert len(out) > 0
    at_tag = [git.run(tiny.home, "show", f"model@v1.1.0:{path.relative_to(tiny.home)}") for path in ledger.files(tiny)]
    assert sum(len(text.splitlines()) for text in at_tag) >= cut.events
    assert json.loads(git.run(tiny.home, "show", "model@v1.1.0:data/cut.json"))["events"] == cut.events

    with clock.at(evening(2)):
        assert run_here(retrain, root=tiny.root)["requests"] == []
    live = registry.live(tiny)
    assert live is not None and live.version == "v1.0.0"  # nothing goes to the line without a person
    assert git.run(tiny.home, "status", "--porcelain") == ""
    assert all(rebuild(tiny).values())


# labels that contradict


def test_views_of_one_part_may_be_labelled_differently_and_the_last_word_counts(plant: Layout, tmp_path: Any) -> None:
    catalog = open_catalog(plant)
    keys = list(catalog.frame(select(capture_table.c.key))["key"])[:2]
    catalog.close()
    file = tmp_path / "labels.csv"
    for said in (("good", "scratch"), ("pit", "scratch"), ("good", "good")):
        rows = [f"{key},{name}" for key, name in zip(keys, said, strict=True)]
        file.write_text("\n".join(["key,label", *rows]) + "\n")
        assert sheets.import_labels(plant, file, "Ines").refused == ()
        now = sheets.export_labels(plant).set_index("key")["label"]
        assert [now[key] for key in keys] == list(said)
    assert len(told(plant, "label")) == 5  # scratch was known the second time
    with pytest.raises(FixInput, match="cannot be read"):
        sheets.import_labels(plant, tmp_path / "none.csv", "Ines")
    assert all(rebuild(plant).values())

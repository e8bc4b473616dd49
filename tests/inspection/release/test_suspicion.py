"""The list of suspect parts runs until the change was mended, or a model that has learned it is on the line."""

from collections.abc import Sequence
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import func, select

from inspection import chain, clock
from inspection.layout import Layout
from inspection.records import ledger
from inspection.records import verdicts as verdicts_of_run
from inspection.records.alarms import Glance
from inspection.records.catalog import open_catalog
from inspection.records.incidents import RECOVERED, find
from inspection.records.ledger import Cut, write_cut
from inspection.records.schema import capture_table, label_table, score_table
from inspection.release import rulings, suspicion
from tests.inspection.records.test_alarms import HOUR, START, glance, run_by_run
from tests.inspection.release.test_rulings import verdicts
from tests.inspection.world import git

NEW = "new references: this is how healthy pictures look from now on"


def watched(layout: Layout, *windows: Glance) -> None:
    body = [
        {
            "window": one.window,
            "camera": one.camera,
            "line": one.line,
            "first": clock.stamp(one.first),
            "last": clock.stamp(one.last),
            "images": one.images,
            "state": one.state,
            "findings": list(one.causes.values()),
            "reference": one.reference,
        }
        for one in windows
    ]
    run = verdicts_of_run.folder(layout, "2026-11") / f"r-{windows[0].window}"
    tables = (verdicts_of_run.SCORES, verdicts_of_run.LOOKS)
    files = verdicts_of_run.write({name: verdicts_of_run.empty(name) for name in tables}, run)
    told = {"run": run.name, "batches": [], "files": files, "windows": body}
    ledger.append(layout, "watch", "watch", [told])


def referenced(layout: Layout, hour: float, version: str = "v2") -> None:
    at = clock.stamp(START + hour * HOUR)
    body = {"camera": "cam-1", "version": version, "digest": "d", "first": at, "last": at, "images": 8, "windows": 1}
    ledger.append(layout, "reference", "Ines", [body])


@pytest.fixture
def stood(repo: Layout) -> Layout:
    """Dust from hour 1 on, to be repaired; a part was judged each hour by package p, another camera's too."""
    windows = [glance("cam-1", 0), *(glance("cam-1", n, ["dust"]) for n in (1, 2, 3))]
    watched(repo, *windows)
    ledger.append(repo, "incident", "watch", run_by_run([windows])[0])
    routed = {"incident": "I-0001", "what": "routed", "action": "repair", "reasons": ["so"]}
    ledger.append(repo, "incident", "watch", [routed])
    verdicts(repo, {f"s-{n}": ("cam-1", n + 0.5) for n in range(10)} | {"other": ("cam-2", 2)})
    judged_by(repo, "p", range(10))
    return repo


def judged_by(layout: Layout, package: str, hours: Sequence[int]) -> None:
    catalog = open_catalog(layout)
    with catalog.writing() as connection:
        s = score_table
        names = [f"s-{n}" for n in hours]
        connection.execute(s.update().where(s.c.capture_id.in_(names)).values(package=package))
    catalog.close()


def close(layout: Layout, why: str, hour: float, by: str = "watch") -> None:
    body = {"incident": "I-0001", "what": "closed", "why": why, "over": clock.stamp(START + hour * HOUR)}
    ledger.append(layout, "incident", by, [body])


def listed(layout: Layout) -> tuple[list[str], bool]:
    """The suspect parts, and whether none is added any more."""
    catalog = open_catalog(layout)
    doubt = suspicion.of(find(layout, "I-0001"), layout, catalog)
    c = capture_table.c
    query = select(c.serial).join(score_table, score_table.c.capture_id == c.capture_id, isouter=True)
    found = sorted(catalog.frame(query.where(doubt.captures))["serial"])
    catalog.close()
    return found, doubt.complete


def parts(*hours: int) -> list[str]:
    return [f"s-{n}" for n in hours]


def release(layout: Layout, package: str, version: str, hour: float, labels: int, cut: Cut | None = None) -> None:
    """A release whose model was trained on `labels` labelled parts of the hours 4, 5 ..."""
    catalog = open_catalog(layout)
    with catalog.writing() as connection:
        n = connection.scalar(select(func.count()).select_from(label_table)) or 0
        for number in range(labels):
            at = clock.stamp(START)
            row = {"n": n + number + 1, "image_id": f"s-{4 + number}", "label": "good", "by": "Ines", "at": at}
            more = {"labelled_at": at, "spec": "1", "latest": True, "stale": False}
            connection.execute(label_table.insert(), {**row, **more})
    catalog.close()
    layout.cut.parent.mkdir(exist_ok=True)
    write_cut(layout.cut, cut or Cut(events=n + labels, digest="d"))
    git(layout.home, "add", "--force", str(layout.cut))
    git(layout.home, "commit", "--quiet", "--allow-empty", "--message", version)
    git(layout.home, "tag", "--force", f"model@{version}")
    body = {"version": version, "package": package, "action": "release", "reason": "so"}
    events = list(chain.read([layout.history]))
    with clock.at(START + hour * HOUR):
        chain.append(layout.history, events[-1] if events else None, "done", "Ute", [body])


@pytest.fixture(autouse=True)
def _three_labels_teach(monkeypatch: pytest.MonkeyPatch) -> None:
    real = suspicion.read_params

    def few(path: Any) -> Any:
        settings = real(path)
        return settings.model_copy(update={"requests": settings.requests.model_copy(update={"labels": 3, "parts": 3})})

    monkeypatch.setattr(suspicion, "read_params", few)


def test_what_is_over_by_itself_ends_with_the_last_window_that_may_show_it(stood: Layout) -> None:
    assert listed(stood) == (parts(1, 2, 3, 4, 5, 6, 7, 8, 9), False)
    watched(stood, glance("cam-1", 4), glance("cam-1", 5))
    close(stood, RECOVERED, 3.99)
    assert listed(stood) == (parts(1, 2, 3), True)


@pytest.mark.parametrize(("why", "by"), [(NEW, "Ines"), ("we have got used to it", "Ines")])
def test_a_new_reference_does_not_shorten_the_list(stood: Layout, why: str, by: str) -> None:
    """The change is in the pictures still, whatever counts as healthy."""
    close(stood, why, 2.5, by)
    referenced(stood, 2.5)
    watched(stood, glance("cam-1", 4, reference="v2"), glance("cam-1", 5, reference="v2"))
    assert listed(stood) == (parts(1, 2, 3, 4, 5, 6, 7, 8, 9), False)


def test_a_planned_change_that_is_being_learned_does_not_either(stood: Layout) -> None:
    body = {"camera": "cam-1", "what": "announced", "reason": "a lens", "images": 8}
    ledger.append(stood, "renewal", "Ines", [{**body, "since": clock.stamp(START + 3 * HOUR)}])
    close(stood, "planned change on cam-1: a lens", 3)
    assert listed(stood) == (parts(1, 2, 3, 4, 5, 6, 7, 8, 9), False)


def test_what_a_person_closes_ends_there_or_with_the_last_window_that_shows_it(stood: Layout) -> None:
    close(stood, "cleaned", 2.6, "Ines")
    assert listed(stood) == (parts(1, 2), True)
    watched(stood, glance("cam-1", 4))
    assert listed(stood) == (parts(1, 2, 3), True), "the window of hour 3 showed it still"


def test_the_list_runs_until_the_model_that_learned_the_change_is_live(stood: Layout) -> None:
    close(stood, NEW, 2.5, "Ines")
    referenced(stood, 2.5)
    release(stood, "q", "v1.1.0", 6, labels=2)
    judged_by(stood, "q", range(6, 10))
    assert listed(stood) == (parts(1, 2, 3, 4, 5, 6, 7, 8, 9), False), "two labels do not teach it"
    release(stood, "r", "v1.2.0", 8, labels=3)
    judged_by(stood, "r", range(8, 10))
    assert listed(stood) == (parts(1, 2, 3, 4, 5, 6, 7), True)
    release(stood, "p", "v1.0.0", 9, labels=0, cut=Cut(events=0, digest="d"))
    judged_by(stood, "p", [9])
    assert listed(stood) == (parts(1, 2, 3, 4, 5, 6, 7, 9), False), "an earlier model is back"


def test_images_that_were_kept_from_a_training_did_not_teach_it(stood: Layout) -> None:
    kept = Cut(events=9, digest="d", exclusions=("s-4", "s-5", "s-6"))
    release(stood, "q", "v1.1.0", 6, labels=3, cut=kept)
    assert listed(stood)[1] is False
    git(stood.home, "tag", "--delete", "model@v1.1.0")
    assert listed(stood)[1] is False, "what nobody can read is not said to know"


def test_covers_says_the_same_as_the_list(stood: Layout) -> None:
    release(stood, "r", "v1.2.0", 8, labels=3)
    judged_by(stood, "r", range(8, 10))
    catalog = open_catalog(stood)
    doubt = suspicion.of(find(stood, "I-0001"), stood, catalog)
    catalog.close()
    told = [n for n in range(10) if doubt.covers("cam-1", START + (n + 0.5) * HOUR, "r" if n >= 8 else "p")]
    assert parts(*told) == listed(stood)[0]
    assert not doubt.covers("cam-2", START + 2 * HOUR, "p")
    assert [doubt.covers("cam-1", START + hour * HOUR, None) for hour in (7, 9)] == [True, False]


def test_parts_that_come_after_somebody_spoke_of_them_wait_again(stood: Layout) -> None:
    with clock.at(START + 5 * HOUR):
        rulings.close(stood, "I-0001", "Ines", "so it stays", "reinspected")
    referenced(stood, 4)
    catalog = open_catalog(stood)
    one = find(stood, "I-0001")
    assert (suspicion.waiting(one, stood, catalog), suspicion.unsettled(one, stood, catalog)) == (5, True)
    with clock.at(START + 11 * HOUR):
        rulings.close(stood, "I-0001", "Ines", "looked at the rest", "scrapped")
    one = find(stood, "I-0001")
    assert (one.parts, suspicion.unsettled(one, stood, catalog)) == ("scrapped", False)
    catalog.close()


def test_a_change_that_is_only_watched_leaves_no_part_open(stood: Layout) -> None:
    ledger.append(
        stood, "incident", "watch", [{"incident": "I-0001", "what": "routed", "action": "watch", "reasons": ["so"]}]
    )
    close(stood, NEW, 2.6, "Ines")
    referenced(stood, 2.5)
    catalog = open_catalog(stood)
    assert not suspicion.unsettled(find(stood, "I-0001"), stood, catalog)
    catalog.close()
    assert listed(stood) == (parts(1, 2), True)
    assert find(stood, "I-0001").closed == START + 2.6 * timedelta(hours=1)


def test_parts_of_two_kinds_that_share_a_serial_are_both_suspect(stood: Layout) -> None:
    catalog = open_catalog(stood)
    incident = find(stood, "I-0001")
    before = suspicion.judged(incident, stood, catalog), suspicion.waiting(incident, stood, catalog)
    with catalog.writing() as connection:
        c = capture_table
        connection.execute(c.update().where(c.c.serial == "s-6").values(serial="s-5", part="another"))
    assert (suspicion.judged(incident, stood, catalog), suspicion.waiting(incident, stood, catalog)) == before
    assert before[0] > 2
    catalog.close()

"""Labelled images that are set aside: each reason with its count and the command that brings them back."""

from collections.abc import Callable
from datetime import UTC, datetime, timedelta

import pandas as pd
import pytest

from inspection import clock
from inspection.layout import Layout
from inspection.records import ledger
from inspection.records.catalog import open_catalog
from inspection.release import aside
from tests.inspection.world import GREY, add_batch, picture

START = datetime(2026, 11, 2, 6, tzinfo=UTC)
MINUTE = timedelta(minutes=1)
BATCH = "20261102-00000"


@pytest.fixture
def images(repo: Layout) -> list[str]:
    """Ten labelled captures, a minute apart, of five parts: image_ids in their order."""
    shown = {
        f"cam-1/{GREY.parts[0]}/s-{n // 2}/{START + n * MINUTE:%Y%m%dT%H%M%S}000Z.png": picture(n) for n in range(10)
    }
    ids = list(add_batch(repo, BATCH, shown)["image_id"])
    label(repo, ids)
    return ids


def label(layout: Layout, ids: list[str], name: str = "good") -> None:
    bodies = [{"image_id": one, "label": name, "labelled_at": clock.stamp(START), "spec": "1"} for one in ids]
    ledger.append(layout, "label", "Tess", bodies)


def sorted_out(layout: Layout) -> pd.DataFrame:
    catalog = open_catalog(layout)
    rows = aside.sorted_out(layout, catalog)
    catalog.close()
    return rows


def hold(layout: Layout, what: str = "held") -> None:
    ledger.append(layout, "batch-ruling", "Tess", [{"batch": BATCH, "what": what, "why": "x"}])


def dust(layout: Layout) -> None:
    onset = [clock.stamp(START + 2 * MINUTE), clock.stamp(START + 4 * MINUTE)]
    finding = {"size": 1.0, "unit": "specks", "words": "Dust.", "strength": 2.0}
    opened = {"line": "A", "cause": "dust", "camera": "cam-1", "finding": finding, "onset": onset, "window": "w"}
    routed = {"incident": "I-0001", "what": "routed", "action": "repair", "reasons": [], "cost": None}
    ledger.append(layout, "incident", "watch", [{"incident": "I-0001", "what": "opened", **opened}, routed])


def spec(layout: Layout) -> None:
    ledger.append(layout, "spec", "Tess", [{"spec": "2", "classes": ["good"], "why": "stricter"}])


CASES: dict[str, tuple[Callable[[Layout, list[str]], None], str, int, str]] = {
    "held": (lambda layout, _: hold(layout), "held", 10, f"andon batch release {BATCH} --by NAME --why TEXT"),
    "discarded": (
        lambda layout, _: (hold(layout), hold(layout, "discarded"))[0],
        "discarded",
        10,
        f"andon batch hold {BATCH} --by NAME",
    ),
    "undeclared": (lambda layout, ids: label(layout, ids[:2], "gone"), "class", 2, "andon class rename gone NEW"),
    "stale": (lambda layout, _: spec(layout), "stale", 10, "andon label stale --out CSV"),
    "fault": (lambda layout, _: dust(layout), "excluded", 7, "andon incidents rule I-0001 --images use --by NAME"),
    "conflict": (lambda layout, ids: label(layout, ids[:1], "scratch"), "conflict", 2, "andon label conflicts"),
}


@pytest.mark.parametrize("case", CASES)
def test_each_reason_says_how_many_and_what_brings_them_back(repo: Layout, images: list[str], case: str) -> None:
    happens, reason, count, back = CASES[case]
    repo.cameras.write_text("cam-1: {line: A, width: 16, height: 12, mode: L, parts: [bracket]}\n")
    assert aside.in_words(sorted_out(repo)) == ""
    happens(repo, images)
    rows = sorted_out(repo)
    assert rows["reason"].value_counts().to_dict().get(reason) == count and len(rows) == 10
    words = aside.in_words(rows)
    assert words.startswith(f"{count} labelled images are set aside: ")
    assert back in words and aside.REASONS[reason].words in words


def test_several_incidents_are_named_and_an_unknown_reason_is_told_too() -> None:
    rows = pd.DataFrame({"reason": ["excluded", "excluded", "odd"], "of": ["I-0002", "I-0001", ""]})
    first, second = aside.sentences(rows)
    assert "(I-0001, I-0002)" in first and "rule I-0001 --images use --by NAME, and so on with the others" in first
    assert second.startswith("1 are marked odd")


def test_it_stands_behind_other_sentences_as_one_of_its_own() -> None:
    rows = pd.DataFrame({"reason": ["stale"], "of": [""]})
    assert f"Too few.{aside.behind(aside.in_words(rows))}".startswith("Too few. 1 labelled image is set aside: ")
    assert aside.behind(aside.in_words(rows)).endswith(".") and aside.behind("") == ""

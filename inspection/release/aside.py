"""Labelled images that are set aside: how many, why, and what brings them back. Not one of them trains a model."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import pandas as pd
from sqlalchemy import select

from inspection.cameras import Camera, read_cameras
from inspection.layout import Layout
from inspection.pictures import returned
from inspection.records import incidents, ledger
from inspection.records.batches import USABLE
from inspection.records.catalog import Catalog
from inspection.records.incidents import held_back
from inspection.records.labels import conflicts
from inspection.records.schema import batch_table, capture_table, label_table
from inspection.taxonomy import Taxonomy, read_taxonomy

NAMED = 3  # incidents, batches or classes that are named


@dataclass(frozen=True)
class Reason:
    """What is the matter with such images, and the command that brings them back, of one incident, batch or class."""

    words: str
    back: str


REASONS = {
    "held": Reason("are in a batch that is held back", "andon batch release {of} --by NAME --why TEXT"),
    "discarded": Reason(
        "are in a batch that was discarded",
        "andon batch hold {of} --by NAME --why TEXT, then andon batch release {of} --by NAME --why TEXT",
    ),
    "class": Reason(
        "bear a class that is not declared any more",
        "andon class rename {of} NEW --by NAME, or andon class add {of} --by NAME",
    ),
    "stale": Reason(
        "were labelled before the quality spec changed their class",
        "andon label stale --out CSV lists them; look at them again, then andon label import CSV",
    ),
    "returned": Reason(
        "bear a serial that came again after a long gap",
        "andon piece list names them; andon piece same or andon piece new says which piece they show",
    ),
    "excluded": Reason("were taken while their camera had a fault", "andon incidents rule {of} --images use --by NAME"),
    "conflict": Reason(
        "bear a label that contradicts another one of the same part",
        "andon label conflicts lists them; label them again, or set `sides` in cameras.yaml for a camera that sees "
        "several sides of a part",
    ),
}


def sorted_out(layout: Layout, catalog: Catalog) -> pd.DataFrame:
    """One row per labelled image (`image_id`, `label`, `serial`, `camera`, `part`, `captured_at`, `acceptable`) with
    the `reason` why it is set aside, "" where it may be trained on, and `of`: which incident, batch or class that is
    about. As the next retrain will see it: an image captured twice stands with its first capture in a usable batch."""
    c, s, b = capture_table.c, label_table.c, batch_table.c
    query = select(
        c.image_id, c.capture_id, c.serial, c.camera, c.part, c.captured_at, c.batch, b.state, s.label, s.stale
    )
    query = query.join(label_table, (s.image_id == c.image_id) & s.latest).join(batch_table, b.batch == c.batch)
    rows = catalog.frame(query)
    usable = rows["state"].isin(USABLE)
    rows = rows.assign(unusable=~usable).sort_values(["unusable", "captured_at", "capture_id"])
    rows = rows.drop_duplicates("image_id").sort_values("image_id", ignore_index=True)
    taxonomy = read_taxonomy(layout.taxonomy)
    passing = [name for name, one in taxonomy.classes.items() if one.acceptable]
    rows = rows.assign(acceptable=rows["label"].isin(passing), stale=rows["stale"].astype(bool))
    fault = held_back(incidents.fold(ledger.read(layout)), rows)
    why = set_aside(rows, fault != "", taxonomy, read_cameras(layout.cameras))
    return rows.assign(reason=why, of=about(rows, why, fault))


def set_aside(rows: pd.DataFrame, excluded: pd.Series, taxonomy: Taxonomy, cameras: Mapping[str, Camera]) -> pd.Series:
    """Why each labelled image is set aside, or "": the first of these that holds.

    "held" or "discarded", its batch; "class", its label is no longer declared; "stale"; "excluded";
    "returned", its serial came again and nobody has said which piece that is;
    "conflict", labels of one part differ among what is left, by more than its camera sees sides of it.

    Args:
        rows: `state` of its batch, `label`, `stale`, and what `labels.conflicts` looks at.
        excluded: whether a camera's fault keeps it out of training.
    """
    why = rows["state"].mask(rows["state"].isin(USABLE), "")
    for reason, holds in {
        "class": ~rows["label"].isin(taxonomy.classes),
        "stale": rows["stale"],
        "excluded": excluded,
        "returned": returned.waits(rows["serial"]),
    }.items():
        why = why.mask(holds & (why == ""), reason)
    return why.mask(why.index.isin(conflicts(rows[why == ""], cameras).index), "conflict")


def about(rows: pd.DataFrame, why: pd.Series, fault: pd.Series) -> pd.Series:
    """The incident, batch or class that each row's reason is about; "" for the other reasons."""
    of = pd.Series("", rows.index, object)
    of = of.mask(why.isin(["held", "discarded"]), rows["batch"].astype(object))
    of = of.mask(why == "class", rows["label"].astype(object))
    return of.mask(why == "excluded", fault)


def counted(rows: pd.DataFrame) -> list[tuple[int, str, str]]:
    """Those rows of `sorted_out` that are set aside, by reason: how many, why, and what brings them back."""
    told = []
    for name, some in rows[rows["reason"] != ""].groupby("reason", sort=True):
        reason = REASONS.get(str(name), Reason(f"are marked {name}", "andon status"))
        of = sorted(set(some["of"]) - {""}) if "of" in some else []
        named = f" ({_listed(of)})" if of else ""
        each = ", and so on with the others" if len(of) > 1 else ""
        told.append((len(some), f"{reason.words}{named}", reason.back.format(of=(of or ["NAME"])[0]) + each))
    return told


def sentences(rows: pd.DataFrame) -> list[str]:
    """`counted` in words."""
    return [f"{count} {words}: {back}" for count, words, back in counted(rows)]


def in_words(rows: pd.DataFrame) -> str:
    """`sentences` as one, with how many they are in all; "" where nothing is set aside."""
    count = int((rows["reason"] != "").sum())
    if not count:
        return ""
    are = "labelled image is" if count == 1 else "labelled images are"
    return f"{count} {are} set aside: {'; '.join(sentences(rows))}"


def behind(words: str) -> str:
    """`in_words` as it is said behind other sentences."""
    return f" {words}." if words else ""


def _listed(names: Iterable[str]) -> str:
    every = list(names)
    more = f" and {len(every) - NAMED} more" if len(every) > NAMED else ""
    return ", ".join(every[:NAMED]) + more

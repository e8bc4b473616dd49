"""Table + assignments -> train / val / test: no part and no picture in two of them, nothing ever moves."""

import hashlib
import json
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd

from inspection import fingerprint
from inspection.intake.likeness import components
from inspection.layout import Layout
from inspection.params import Split, read_params
from inspection.pictures import piece
from inspection.records.assignments import SPLITS, read_assignments
from inspection.tables import read_table, write_table

LEFT_OUT = "left out"
Stratum = tuple[str, str, str]  # class, camera, part type
Counts = dict[tuple[str, ...], Counter[str]]


def split(table: pd.DataFrame, assigned: Mapping[str, str], settings: Split, pairs: pd.DataFrame) -> pd.DataFrame:
    """`table` with the columns `assigned`, the side of the image's piece, `elsewhere`, a piece on another side as which
    the same picture was captured ("": none), and `split`, the side or "left out".

    Pieces that are assigned stay. New ones linked by near-duplicates stay together: on the side that they have most
    links to, otherwise where their classes, and within them their cameras and part types, lack most. Of two
    near-duplicates that then stand on two sides, the one further from the test set is left out, so it only grows. A
    picture that was captured as pieces of two sides is left out: which of its captures may be used can change, and it
    would go from one side to the other.

    Args:
        assigned: name of a piece (`piece.of`) -> its side.
        pairs: `a`, `b`: image_ids that are near-duplicates.
    """
    links, strata = _links(table, pairs), _strata(table)
    neighbours = _neighbours(links)
    placed = {one: assigned[one] for one in strata if one in assigned}
    counts: Counts = defaultdict(Counter)
    for one, side in placed.items():
        _count(counts, strata[one], side)
    for group in _groups(strata, placed, links, settings.seed):
        side = _linked_side(group, placed, neighbours) or _lacking(counts, [strata[one] for one in group], settings)
        for one in group:
            placed[one] = side
            _count(counts, strata[one], side)
    done = table.assign(assigned=piece.of(table).map(placed), elsewhere=_elsewhere(table, {**assigned, **placed}))
    out = done["image_id"].isin(crossing(done, links)["image_id"]) | (done["elsewhere"] != "")
    return done.assign(split=done["assigned"].mask(out, LEFT_OUT))


def _elsewhere(table: pd.DataFrame, sides: Mapping[str, str]) -> list[str]:
    return [
        next((one for one in pieces if sides.get(one, sides[own]) != sides[own]), "")
        for own, pieces in zip(piece.of(table), table["pieces"], strict=True)
    ]


def crossing(table: pd.DataFrame, links: pd.DataFrame) -> pd.DataFrame:
    """The images that are left out, one row per near-duplicate on another side: `image_id`, `piece`, `side`, `like`,
    `like_piece`, `like_side`, `correlation`.

    Args:
        table: with the column `assigned`.
    """
    side = dict(zip(piece.of(table), table["assigned"], strict=True))
    ends = links.assign(side_a=links["piece_a"].map(side), side_b=links["piece_b"].map(side))
    rank = {name: number for number, name in enumerate(SPLITS)}  # train gives way to val, and both to test
    first = ends["side_a"].map(rank).lt(ends["side_b"].map(rank))
    last = ends["side_a"].map(rank).gt(ends["side_b"].map(rank))
    names = ("image_id", "piece", "side", "like", "like_piece", "like_side", "correlation")
    parts = [
        ends[chosen][[out, f"piece_{out}", f"side_{out}", kept, f"piece_{kept}", f"side_{kept}", "correlation"]]
        for chosen, out, kept in ((first, "a", "b"), (last, "b", "a"))
    ]
    rows = [part.set_axis(names, axis=1) for part in parts]
    return pd.concat(rows).sort_values(["image_id", "correlation", "like"], ascending=[True, False, True])


def summary(table: pd.DataFrame, settings: Split, pairs: pd.DataFrame) -> dict[str, Any]:
    """Images and parts by split and class, what was left out and why, and how far each stratum is from its shares."""
    links = _links(table, pairs)
    out = crossing(table, links).drop_duplicates("image_id")
    own = piece.of(table)
    twice = table.assign(piece=own).loc[table["elsewhere"] != "", ["image_id", "piece", "assigned", "elsewhere"]]
    left_out = [
        *({**row, "why": _why(row)} for row in out.to_dict("records")),
        *({**row, "why": _why_twice(row)} for row in twice.to_dict("records")),
    ]
    linked = own.isin(links["piece_a"]) | own.isin(links["piece_b"])
    return {
        "splits": {name: _numbers(table[table["split"] == name]) for name in (*SPLITS, LEFT_OUT)},
        "linked_parts": int(own[linked].nunique()),
        "left_out": left_out[:100],
        "strata": _distances(table, settings),
    }


def _why(row: Mapping[str, Any]) -> str:
    return (
        f"near-duplicate of {row['like'][:12]} (part {row['like_piece']}, {row['like_side']}), but part "
        f"{row['piece']} is in {row['side']}"
    )


def _why_twice(row: Mapping[str, Any]) -> str:
    return (
        f"captured as part {row['piece']}, which is in {row['assigned']}, and as part {row['elsewhere']}, which is not"
    )


def _numbers(rows: pd.DataFrame) -> dict[str, Any]:
    return {
        "images": len(rows),
        "parts": int(piece.of(rows).nunique()),
        "by_class": {str(k): int(v) for k, v in rows["label"].value_counts().sort_index().items()},
    }


def _distances(table: pd.DataFrame, settings: Split) -> list[dict[str, Any]]:
    """Every stratum's parts by side, and by how many a side is over (+) or under its share; the furthest first."""
    side = dict(zip(piece.of(table), table["assigned"], strict=True))
    counts: dict[Stratum, Counter[str]] = defaultdict(Counter)
    for one, of in _strata(table).items():
        counts[of][side[one]] += 1
    rows = []
    for stratum, parts in sorted(counts.items()):
        over = {name: round(parts[name] - share * parts.total(), 1) for name, share in _shares(settings).items()}
        words = dict(zip(("class", "camera", "part"), stratum, strict=True))
        rows.append({**words, "parts": {name: parts[name] for name in SPLITS}, "over": over})
    return sorted(rows, key=lambda row: -max(map(abs, row["over"].values())))


def _links(table: pd.DataFrame, pairs: pd.DataFrame) -> pd.DataFrame:
    """The pairs of which both images are in the table, of different pieces `piece_a` and `piece_b`."""
    own = dict(zip(table["image_id"], piece.of(table), strict=True))
    links = pairs[pairs["a"].isin(own) & pairs["b"].isin(own)]
    links = links.assign(piece_a=links["a"].map(own), piece_b=links["b"].map(own))
    return links[links["piece_a"] != links["piece_b"]]


def _groups(
    strata: Mapping[str, Stratum], placed: Mapping[str, str], links: pd.DataFrame, seed: int
) -> list[list[str]]:
    """The pieces that have no side yet, those that near-duplicates link together; the largest group first, those
    of one size shuffled by `seed`."""
    new = sorted(strata.keys() - placed.keys(), key=lambda one: _order(one, seed))
    number = {one: n for n, one in enumerate(new)}
    both = links[links["piece_a"].isin(number) & links["piece_b"].isin(number)]
    ends = [both[name].map(number).to_numpy(np.int64) for name in ("piece_a", "piece_b")]
    groups: dict[int, list[str]] = defaultdict(list)
    for one, group in zip(new, components(ends[0], ends[1], len(new)), strict=True):
        groups[int(group)].append(one)
    return sorted(groups.values(), key=len, reverse=True)


def _neighbours(links: pd.DataFrame) -> dict[str, list[str]]:
    """Piece -> the pieces that its links lead to, as often as they do."""
    neighbours: dict[str, list[str]] = defaultdict(list)
    for one, other in zip(links["piece_a"], links["piece_b"], strict=True):
        neighbours[one].append(other)
        neighbours[other].append(one)
    return neighbours


def _linked_side(
    group: Sequence[str], placed: Mapping[str, str], neighbours: Mapping[str, Sequence[str]]
) -> str | None:
    """The side that most links of the group lead to."""
    votes = Counter(placed[other] for one in group for other in neighbours.get(one, ()) if other in placed)
    return max(SPLITS, key=lambda name: votes[name]) if votes else None


def _shares(settings: Split) -> dict[str, float]:
    train = 1 - settings.val_share - settings.test_share
    return dict(zip(SPLITS, (train, settings.val_share, settings.test_share), strict=True))


def _strata(table: pd.DataFrame) -> dict[str, Stratum]:
    """Piece -> (its rarest class, camera, part type)."""
    rarity = table["label"].value_counts()
    rarest = table.assign(rarity=table["label"].map(rarity)).sort_values(["rarity", "label", "image_id"])
    first = rarest.assign(piece=piece.of(rarest)).drop_duplicates("piece")
    keys = zip(first["label"], first["camera"], first["part"], strict=True)
    return dict(zip(first["piece"], keys, strict=True))


def _count(counts: Counts, stratum: Stratum, side: str) -> None:
    counts[stratum[:1]][side] += 1
    counts[stratum][side] += 1


def _lacking(counts: Counts, strata: Sequence[Stratum], settings: Split) -> str:
    """The side that is most short of its share, in parts: of each class and half as much of each stratum, weighted
    by the parts that the group has of it. No other side would leave smaller squared distances behind."""
    weights: Counter[tuple[str, ...]] = Counter()
    for stratum in strata:
        weights[stratum[:1]] += 1
        weights[stratum] += 1

    def lack(name: str, share: float) -> float:
        return sum(
            parts * (1 if len(key) == 1 else 0.5) * ((counts[key].total() + parts) * share - counts[key][name])
            for key, parts in weights.items()
        )

    short = {name: lack(name, share) for name, share in _shares(settings).items()}
    return max(SPLITS, key=lambda name: short[name])


def _order(named: str, seed: int) -> tuple[str, str]:
    """By chance; pieces of several kinds that bear one serial come one after the other."""
    return hashlib.sha256(f"{seed}/{piece.serial(named)}".encode()).hexdigest(), named


def main() -> None:
    layout = Layout.find()
    settings, pairs = read_params(layout.params).split, read_table(layout.alike)
    snapshot, assigned = read_table(layout.snapshot), read_assignments(layout.assignments)
    known = assigned.of([*piece.of(snapshot), *(one for pieces in snapshot["pieces"] for one in pieces)])
    table = split(snapshot, known, settings, pairs)
    write_table(table, layout.split)
    report = summary(table, settings, pairs)
    (layout.reports / "split.json").write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    print(
        ", ".join(f"{name}: {one['images']} images of {one['parts']} parts" for name, one in report["splits"].items())
    )


if __name__ == "__main__":
    fingerprint.run("split", main)

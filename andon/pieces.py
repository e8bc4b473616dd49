"""Pieces' stories: the images of a single part in the order in which they were taken, each with what came after."""

from typing import Any

import pandas as pd

from andon import images, verdicts
from inspection import clock
from inspection.layout import Layout
from inspection.pictures.returned import borne
from inspection.records.catalog import Catalog


def stories(layout: Layout, catalog: Catalog, captures: pd.DataFrame) -> list[dict[str, Any]]:
    """One for each piece of `captures` (rows of the catalog in the order of capture): part, serial, split, whether it
    waits for a word, and the stories of its images, with the verdicts of when they came. A piece is a part (a kind) and
    a serial."""
    told = []
    for (part, serial), own in captures.groupby(["part", "serial"]):
        of_images, split, waits = images.stories(layout, catalog, own), None, False
        for one in of_images:
            split, waits = one.pop("split"), one["waits"]
        told.append({"part": part, "serial": serial, "split": split, "waits": waits, "images": of_images})
    return told


def lines(told: list[dict[str, Any]]) -> list[str]:
    """`stories` of one serial in sentences."""
    said = []
    parts = [one["part"] for one in told]
    if len(set(parts)) < len(parts):
        named = " and ".join(f"{one['part']} {one['serial']}" for one in told)
        said.append(f"{len(told)} pieces bear the serial {borne(told[0]['serial'])}: {named} (andon piece list --all).")
    elif len(told) > 1:
        said.append(f"{len(told)} pieces bear the serial {told[0]['serial']}, one of each part: {' and '.join(parts)}.")
    for piece in told:
        count = len(piece["images"])
        said.append(
            f"{piece['part']} {piece['serial']}: {count} {'image' if count == 1 else 'images'}, "
            f"used for {images.used_for(piece['split'], piece['waits'])}"
        )
        for one in piece["images"]:
            said.append(f"  image {one['image']['image_id'][:16]}  {one['captures'][0]['path']}")
            said += [f"    {at:<23}  {words}" for at, words in _events(one)]
            said += [f"    {'suspect':<23}  {images.because_of(row)}" for row in one["incidents"]]
    return said


def _events(told: dict[str, Any]) -> list[tuple[str, str]]:
    """What happened to one image, in time order: when, and what. What has no time comes last."""
    happened = [
        (
            row["captured_at"],
            f"captured  by {row['camera']} on line {row['line']}" + images.DOUBTFUL * row["time_doubtful"],
        )
        for row in told["captures"]
    ]
    happened += [
        (
            row["labelled_at"] or row["at"],
            f"labelled  {row['label']} by {row['by']} under quality spec {row['spec']}" + images.taken_back(row),
        )
        for row in told["labels"]
    ]
    happened += [(row["at"], f"verdict   {verdicts.in_words(row)} ({row['what']})") for row in told["verdicts"]]
    timed = sorted((clock.parse(at), words) for at, words in happened if at)
    return [
        *((f"{at:%Y-%m-%d %H:%M:%S} UTC", words) for at, words in timed),
        *(("", words) for at, words in happened if not at),
    ]

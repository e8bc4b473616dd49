"""The champion: which released package a training run is compared with.

`models/champion.json` names it. `models/champion` is a copy under DVC, so that a clone has it after `dvc pull`.
"""

from pathlib import Path

from inspection.errors import FetchData, FixSettings
from inspection.layout import Layout
from inspection.model.package import package_hash
from inspection.record import Record, read_json


class Champion(Record):
    """Version and package hash of what was live when the cut was made; empty before the first release."""

    version: str | None = None
    package: str | None = None


def read_champion(path: Path) -> Champion:
    """The pointer in a file.

    Raises:
        FixSettings: the file is missing or is not a pointer.
    """
    return read_json(Champion, path, FixSettings(f"{path} does not name a champion: restore it with git."))


def write_champion(path: Path, champion: Champion) -> None:
    path.write_text(champion.model_dump_json() + "\n", encoding="utf-8")


def champion_package(layout: Layout, champion: Champion) -> Path:
    """The champion's folder, checked against its hash: of the releases, or what `dvc pull` brought.

    Raises:
        FetchData: it is not on this disk, or was changed.
    """
    release, copy = layout.releases / str(champion.package), champion_copy(layout)
    folder = release if release.is_dir() else copy
    if not folder.is_dir():
        raise FetchData(
            f"The champion {champion.version} is not on this disk: run `dvc pull`, or "
            f"`dvc get . models/candidate --rev model@{champion.version} -o {release}`."
        )
    if package_hash(folder) != champion.package:
        raise FetchData(f"{folder} is not the package it is named after: delete the folder and fetch it again.")
    return folder


def champion_copy(layout: Layout) -> Path:
    """Where DVC keeps the champion's package."""
    return layout.champion.with_suffix("")

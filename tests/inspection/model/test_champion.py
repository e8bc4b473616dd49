from pathlib import Path

import pytest

from inspection.errors import FetchData, FixSettings
from inspection.layout import Layout
from inspection.model.champion import Champion, champion_package, read_champion, write_champion
from inspection.model.package import MODEL, package_hash
from tests.conftest import ROOT
from tests.inspection.world import fake_package


@pytest.fixture
def layout(tmp_path: Path) -> Layout:
    return Layout(tmp_path, tmp_path)


@pytest.fixture
def champion(layout: Layout) -> Champion:
    """A champion whose package lies in releases/."""
    package = fake_package(layout.root / "made", "x")
    fake_package(layout.releases / package, "x")
    return Champion(version="v1.0.0", package=package)


def test_a_pointer_is_read_as_it_was_written(tmp_path: Path) -> None:
    for champion in (Champion(), Champion(version="v1.0.0", package="a" * 64)):
        write_champion(tmp_path / "champion.json", champion)
        assert read_champion(tmp_path / "champion.json") == champion


@pytest.mark.parametrize("content", [None, b"", b"[]", b'{"versoin": "v1.0.0"}', b"\xff\xfe"])
def test_what_is_no_pointer_is_refused_with_the_remedy(tmp_path: Path, content: bytes | None) -> None:
    if content is not None:
        (tmp_path / "champion.json").write_bytes(content)
    with pytest.raises(FixSettings, match="does not name a champion: restore it with git"):
        read_champion(tmp_path / "champion.json")


def test_this_checkout_has_no_champion() -> None:
    assert read_champion(ROOT / "models" / "champion.json") == Champion()


def test_the_champion_s_package_is_found_and_checked(layout: Layout, champion: Champion) -> None:
    assert package_hash(champion_package(layout, champion)) == champion.package


def test_a_champion_that_is_not_on_this_disk_says_how_to_fetch_it(layout: Layout) -> None:
    with pytest.raises(
        FetchData, match=r"v1\.0\.0 is not on this disk: run `dvc pull`, or `dvc get \. models/candidate --rev model@v1"
    ):
        champion_package(layout, Champion(version="v1.0.0", package="a" * 64))


def test_a_champion_that_was_changed_is_refused(layout: Layout, champion: Champion) -> None:
    (layout.releases / str(champion.package) / MODEL).write_text("y")
    with pytest.raises(FetchData, match="is not the package it is named after"):
        champion_package(layout, champion)


def test_a_champion_that_lost_a_file_is_refused(layout: Layout, champion: Champion) -> None:
    (layout.releases / str(champion.package) / MODEL).unlink()
    with pytest.raises(FetchData, match="is not the package it is named after"):
        champion_package(layout, champion)

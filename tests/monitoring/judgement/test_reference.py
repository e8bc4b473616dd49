"""A reference is made once, kept as bytes and read back; what is damaged or missing is said in words."""

import json
from pathlib import Path

import numpy as np
import pytest

from inspection.errors import CheckHistory, FetchData, FixInput
from monitoring.camera.health import measure
from monitoring.judgement.reference import FACTS, MAPS, Learning, Reference, load, save
from tests.monitoring.camera.test_health import LEAST, PARAMS, filled, learned, pictures


@pytest.fixture(scope="module")
def reference() -> Reference:
    return learned()


def test_the_clean_windows_are_measured_against_the_others(reference: Reference) -> None:
    assert [one.images for one in reference.clean] == [40, 40, 40, 40]
    assert all(0 < abs(one.values["gain"]) < 0.02 for one in reference.clean)
    assert set(reference.parts) == {"a", "b"}
    assert sum(part.images for part in reference.parts.values()) == 160


def test_there_and_back_is_the_same_to_the_byte(reference: Reference, tmp_path: Path) -> None:
    digest = save(reference, tmp_path / "one")
    again = load(tmp_path / "one", digest)
    assert save(again, tmp_path / "two") == digest
    for name in (MAPS, FACTS):
        assert (tmp_path / "one" / name).read_bytes() == (tmp_path / "two" / name).read_bytes()
    window = filled(pictures(5, 20))
    assert measure(window, again, LEAST) == measure(window, reference, LEAST)
    assert again.clean == reference.clean
    assert again.limits == reference.limits


def test_the_same_pictures_give_the_same_bytes(reference: Reference, tmp_path: Path) -> None:
    assert save(learned(), tmp_path / "one") == save(reference, tmp_path / "two")


@pytest.mark.parametrize("name", [MAPS, FACTS])
def test_a_damaged_file_is_named_with_its_remedy(reference: Reference, tmp_path: Path, name: str) -> None:
    digest = save(reference, tmp_path)
    content = bytearray((tmp_path / name).read_bytes())
    content[len(content) // 2] ^= 0xFF
    (tmp_path / name).write_bytes(content)
    with pytest.raises(CheckHistory, match="dvc checkout"):
        load(tmp_path, digest)
    with pytest.raises(CheckHistory, match=name):
        load(tmp_path)


@pytest.mark.parametrize("content", [b"", b"[]", b"{}", b'{"maps_sha256": 1}'])
def test_facts_that_are_none_are_refused(reference: Reference, tmp_path: Path, content: bytes) -> None:
    save(reference, tmp_path)
    (tmp_path / FACTS).write_bytes(content)
    with pytest.raises(CheckHistory, match=r"damaged.*dvc checkout"):
        load(tmp_path)


def test_a_missing_file_asks_for_a_pull(tmp_path: Path) -> None:
    with pytest.raises(FetchData, match="dvc pull"):
        load(tmp_path)


def test_too_few_images_are_refused() -> None:
    learning = Learning("cam-1", PARAMS.health, PARAMS.watch)
    for picture in pictures(1, 5):
        learning.add(*picture)
    with pytest.raises(FixInput, match=r"at least 10 images.*there are 5"):
        learning.finish("v1")
    with pytest.raises(FixInput):
        Learning("cam-1", PARAMS.health, PARAMS.watch).finish("v1")


@pytest.mark.parametrize("count", [10, 41, 60])
def test_one_window_and_a_rest_are_enough(count: int) -> None:
    learning = Learning("cam-1", PARAMS.health, PARAMS.watch)
    for picture in pictures(1, count):
        learning.add(*picture)
    made = learning.finish("v1")
    assert made.clean
    assert all(limit.provisional for limit in made.limits.values())


def test_the_healthy_picture_is_mixed_as_the_window_is(reference: Reference) -> None:
    window = filled(picture for picture in pictures(3, 30) if picture[1] == "a")
    expected = reference.expected(window)
    assert expected is not None
    assert np.allclose(expected[:, :, 0], reference.parts["a"].map, rtol=1e-5)
    assert window.mean().shape == expected.shape


def test_the_facts_are_plain_json(reference: Reference, tmp_path: Path) -> None:
    save(reference, tmp_path)
    facts = json.loads((tmp_path / FACTS).read_text(encoding="utf-8"))
    assert (facts["camera"], facts["version"], facts["height"], facts["width"]) == ("cam-1", "v1", 96, 96)

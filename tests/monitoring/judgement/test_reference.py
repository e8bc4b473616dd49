"""A reference is made once, kept as bytes and read back; what is damaged or missing is said in words."""

import json
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import numpy as np
import pytest

from inspection.errors import CheckHistory, FetchData
from monitoring.camera.health import measure
from monitoring.judgement.calibration import limits
from monitoring.judgement.reference import FACTS, MAPS, METHOD, Reference, load, save
from tests.monitoring.camera.test_health import LEAST, PARAMS, filled, learned, pictures


@pytest.fixture(scope="module")
def reference() -> Reference:
    return learned()


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


def test_a_grey_camera_leaves_provisional_limits_though_it_never_has_a_colour(reference: Reference) -> None:
    assert reference.provisional
    days = [
        replace(one, last=one.last and one.last + timedelta(days=n)) for n, one in enumerate([*reference.clean] * 6)
    ]
    grown = replace(reference, limits=limits(days, PARAMS.health))
    assert grown.limits["colour"].provisional and not grown.limits["gain"].provisional
    assert not grown.provisional


def test_a_reference_of_an_earlier_method_is_read_and_says_so(reference: Reference, tmp_path: Path) -> None:
    save(reference, tmp_path)
    facts = json.loads((tmp_path / FACTS).read_text())
    for name in ("method", "torn", "grain", "scatter_images", "daylight"):
        del facts[name]
    (tmp_path / FACTS).write_text(json.dumps(facts))
    old = load(tmp_path)
    assert (old.method, old.scatter, reference.method) == (1, None, METHOD)
    assert "Dust was not looked for" in " ".join(measure(filled(pictures(5, 20)), old, LEAST).notes)

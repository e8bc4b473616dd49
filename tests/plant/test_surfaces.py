from itertools import combinations

import numpy as np
import pytest

from inspection.errors import FixSettings
from plant import defects, surfaces
from plant.chance import generator


def drawn(kind: str, *words: object) -> np.ndarray:
    return surfaces.draw(kind, generator("test", *words), 64, 80)


@pytest.mark.parametrize("kind", surfaces.KINDS)
def test_reflectance_is_in_range_and_textured(kind: str) -> None:
    surface = drawn(kind, 0)
    assert surface.shape == (64, 80) and surface.dtype == np.float32
    assert surface.min() > 0 and surface.max() < 1 and surface.std() > 0.005


@pytest.mark.parametrize("kind", surfaces.KINDS)
def test_no_two_parts_alike_but_one_part_always_the_same(kind: str) -> None:
    parts = [drawn(kind, i) for i in range(6)]
    alike = [abs(np.corrcoef(a.ravel(), b.ravel())[0, 1]) for a, b in combinations(parts, 2)]
    assert max(alike) < 0.8
    assert np.array_equal(parts[3], drawn(kind, 3))


def test_a_part_name_keeps_its_surface() -> None:
    assert surfaces.kind_of("bracket") == "brushed" and surfaces.kind_of("mesh") == "woven"
    assert surfaces.kind_of("gear-77") == "woven"  # in every process
    assert len({surfaces.kind_of(f"part-{i}") for i in range(40)}) > 3


@pytest.mark.parametrize("kind", defects.KINDS)
def test_a_defect_shows_locally_and_more_when_stronger(kind: str) -> None:
    clean = drawn("painted", "defect")
    change = [np.abs(defects.add(kind, generator("d"), clean, s) - clean) for s in (0.5, 1.0)]
    assert change[1].max() > 0.02 and change[1].sum() > 1.5 * change[0].sum()
    assert (change[1] > 0.02).mean() < 0.35


def test_only_stain_and_corrosion_and_inclusion_have_a_colour() -> None:
    grey = np.full((64, 64, 3), 0.5, np.float32)
    coloured = {kind for kind in defects.KINDS if np.ptp(defects.add(kind, generator("d"), grey), axis=2).max() > 1e-3}
    assert coloured == {"stain", "corrosion", "inclusion"}


def test_unknown_names_are_refused_with_the_choices() -> None:
    with pytest.raises(FixSettings, match="scratch"):
        defects.add("skratch", generator(1), np.ones((8, 8), np.float32))
    with pytest.raises(FixSettings, match="brushed"):
        surfaces.draw("velvet", generator(1), 8, 8)

from typing import Any

import pytest

from inspection.scale import badge


def other(**changed: Any) -> dict[str, Any]:
    return {**badge.told(), **changed}


@pytest.mark.parametrize(
    ("theirs", "words"),
    [
        ({"libraries": {**badge.told()["libraries"], "numpy": "1.0"}}, "numpy is 1.0 there and"),
        ({"libraries": {}}, "torch is not there there and"),
        ({"python": "3.9"}, "Python is 3.9 there and"),
        ({"code": "0" * 32}, "install the same Andon there"),
    ],
)
def test_other_code_or_libraries_wear_another_badge_and_are_told_in_words(theirs: dict[str, Any], words: str) -> None:
    there = other(**theirs)
    assert badge.badge(there) != badge.badge(badge.told())
    assert words in badge.difference(there, "f32")


def test_what_the_processor_can_do_is_a_badge_of_its_own() -> None:
    assert badge.badge(other(bf16=False)) == badge.badge(other(bf16=True))
    assert "set features.precision to f32" in badge.difference(other(bf16=False), "bf16")
    assert badge.wanted("bf16") == [*badge.wanted("f32"), badge.BF16]


def test_one_without_andon_and_one_that_claims_nothing_are_told_in_words() -> None:
    assert "has no Andon, or another one (ModuleNotFoundError)" in badge.difference(ModuleNotFoundError("x"), "f32")
    assert "not started by `andon scale worker`" in badge.difference(badge.told(), "f32")


def test_the_code_that_looks_at_pictures_is_all_in_it() -> None:
    for room in badge.ROOMS:
        names = {path.name for path in badge._code(room)}
        assert {"inspection": "reading.py", "monitoring": "image_stats.py"}[room] in names

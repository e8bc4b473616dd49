"""What is no inbox is refused before anything is taken from it."""

from pathlib import Path
from typing import Any

import pytest

from inspection.errors import FixSettings
from inspection.intake.arrivals import look_in
from inspection.intake.folder import Folder
from inspection.intake.foreign import refuse_foreign
from tests.inspection.intake.test_reading import INGEST, Box
from tests.inspection.world import key

SIDECARS = INGEST.model_copy(update={"sidecar": "*.csv", "sidecar_wait": 0})
KEYS = {"id_rsa": b"x", "id_rsa.pub": b"x", "known_hosts": b"x", "notes.txt": b"x", "letter.docx": b"x"}
SHOTS: dict[str, bytes] = {key(n): b"x" for n in range(3)}


def look(box: Any, settings: Any = INGEST) -> None:
    refuse_foreign(box, look_in(box, settings), ["cam-1", "cam-2"], settings)


@pytest.mark.parametrize(
    ("held", "words"),
    [
        (KEYS, "5 of its 5 files are neither pictures nor sheets"),
        ({**KEYS, **dict(list(SHOTS.items())[:2])}, "5 of its 7 files are neither"),
        ({f"holiday/{n}.jpg": b"x" for n in range(9)}, "none of its 9 files is named by ingest.key_pattern"),
        ({"cam-9/a/b/20261102T061512Z.png": b"x"}, "cam-1, cam-2"),
        ({"Documents/2026/tax/20261102.pdf": b"x"}, "neither pictures nor sheets"),
    ],
)
def test_other_people_s_files_are_refused(held: dict[str, bytes], words: str) -> None:
    with pytest.raises(FixSettings) as refusal:
        look(Box(held))
    assert words in str(refusal.value) and "Nothing was touched" in str(refusal.value)


def test_documents_that_are_sheets_of_something_else_count_as_strange() -> None:
    with pytest.raises(FixSettings, match="neither pictures nor sheets"):
        look(Box({f"budget-{n}.csv": b"month,euro\n1,2\n" for n in range(3)}), SIDECARS)


@pytest.mark.parametrize(
    "held",
    [
        {},
        SHOTS,
        {**SHOTS, "notes.txt": b"x", "letter.docx": b"x"},
        {**SHOTS, "holiday/1.jpg": b"x"},
        {name.replace(".png", ".dat"): b"x" for name in SHOTS},
    ],
)
def test_an_inbox_with_a_few_strange_files_is_one(held: dict[str, bytes]) -> None:
    look(Box(held))


def test_pictures_that_a_sheet_describes_are_named() -> None:
    sheet = b"file,camera,part,serial,captured_at\na.png,cam-1,bracket,1,20261102T061512Z\n"
    look(Box({"a.png": b"x", "b.png": b"x", "s.csv": sheet}), SIDECARS)


@pytest.mark.parametrize("sign", [".ssh", ".git", ".bashrc"])
def test_a_home_or_a_repository_is_none_whatever_it_holds(tmp_path: Path, sign: str) -> None:
    (tmp_path / sign).mkdir()
    with pytest.raises(FixSettings, match=f"it holds {sign}"):
        look(Folder(tmp_path, 0))


def test_nobody_s_home_is_one() -> None:
    for folder in (Path.home(), Path.home().parent):
        folder.mkdir(exist_ok=True)
        with pytest.raises(FixSettings, match="somebody's home"):
            refuse_foreign(Folder(folder, 0), look_in(Box({}), INGEST), ["cam-1"], INGEST)

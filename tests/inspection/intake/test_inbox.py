from pathlib import Path

import pytest

from inspection.errors import FixSettings
from inspection.intake.inbox import Inbox, open_inbox
from inspection.params import Ingest

SETTINGS = Ingest(
    inbox="inbox",
    key_pattern="",
    sidecar="",
    sidecar_wait=60,
    settle=2,
    downloads=4,
    max_future=10,
    max_past=60,
    max_megapixels=40,
)


def keys(box: Inbox) -> list[str]:
    return [file.key for file in box.list().files]


def read(box: Inbox) -> dict[str, bytes | None]:
    return {file.key: content for file, content in box.contents(box.list().files)}


@pytest.mark.parametrize("uri", ["gs://bucket/x", "https://server/x", "S3://bucket"])
def test_an_inbox_of_another_kind_is_refused(tmp_path: Path, uri: str) -> None:
    with pytest.raises(FixSettings, match=r"neither a folder nor s3://bucket/prefix"):
        open_inbox(uri, tmp_path, SETTINGS)


def test_a_folder_is_meant_from_the_plant_s(tmp_path: Path) -> None:
    assert open_inbox("inbox", tmp_path, SETTINGS).uri == str(tmp_path / "inbox")
    assert open_inbox("/srv/inbox", tmp_path, SETTINGS).uri == "/srv/inbox"

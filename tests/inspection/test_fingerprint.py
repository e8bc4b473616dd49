"""What is installed is compared with what a plant's models were made by."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from inspection import fingerprint
from inspection.errors import FixSettings
from inspection.layout import Layout
from tests.conftest import ROOT


def record(layout: Layout, **changes: object) -> None:
    layout.stages.write_text(json.dumps({**fingerprint.current(), **changes}))


def test_a_new_plant_is_as_what_is_installed(tiny: Layout) -> None:
    assert fingerprint.difference(tiny) is None
    fingerprint.require(tiny)


def test_other_code_is_named_by_its_stages(tiny: Layout) -> None:
    record(tiny, code={**fingerprint.current()["code"], "train": "0" * 32})
    with pytest.raises(FixSettings, match=r"other code than stages\.json records \(train\): run `andon upgrade`"):
        fingerprint.require(tiny)


def test_a_stage_that_is_gone_is_said(tiny: Layout) -> None:
    record(tiny, code={**fingerprint.current()["code"], "bake": "0" * 32})
    assert "a stage is gone" in str(fingerprint.difference(tiny))


def test_another_library_is_named_with_both_versions(tiny: Layout) -> None:
    record(tiny, libraries={**fingerprint.current()["libraries"], "torch": "1.0.0"})
    here = fingerprint.current()["libraries"]["torch"]
    assert f"torch is {here} here and 1.0.0 in stages.json: run `andon upgrade`" in str(fingerprint.difference(tiny))


def test_a_newer_plant_asks_for_its_own_version(tiny: Layout) -> None:
    record(tiny, andon="99.1")
    assert "andon==99.1" in str(fingerprint.difference(tiny))


@pytest.mark.parametrize(
    "text", ["", "{", "[]", "{}", '{"andon": "x y", "code": {}, "libraries": {}}', '{"andon": "1", "code": 3}']
)
def test_a_damaged_record_is_refused_with_the_remedy(text: str, tiny: Layout) -> None:
    tiny.stages.write_text(text)
    with pytest.raises(FixSettings, match=r"stages\.json is damaged.*andon upgrade"):
        fingerprint.recorded(tiny.stages)


def test_a_plant_without_a_record_is_an_older_one(tiny: Layout) -> None:
    tiny.stages.unlink()
    with pytest.raises(FixSettings, match="older Andon made it: run `andon upgrade`"):
        fingerprint.require(tiny)


def test_a_stage_does_not_run_as_code_that_is_not_recorded(tiny: Layout) -> None:
    record(tiny, code={**fingerprint.current()["code"], "snapshot": "0" * 32})
    done = subprocess.run(
        [sys.executable, "-P", "-m", "stages.snapshot"], cwd=tiny.root, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    assert "andon upgrade" in done.stderr
    assert not tiny.snapshot.exists()


def test_the_hash_follows_names_and_contents(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(fingerprint, "CODE", tmp_path)
    for name in ("a.py", "b.py"):
        (tmp_path / name).write_text("x = 1\n")
    first = fingerprint.digest(["a.py"])
    assert fingerprint.digest(["b.py"]) != first
    (tmp_path / "a.py").write_text("x = 2\n")
    assert fingerprint.digest(["a.py"]) != first
    with pytest.raises(FixSettings, match=r"c\.py of Andon is missing: install Andon again"):
        fingerprint.digest(["c.py"])


def test_two_installed_versions_are_one_clear_line(monkeypatch: pytest.MonkeyPatch) -> None:
    class Installed:
        def __init__(self, version: str, kind: str = "METADATA") -> None:
            self.version, self.kind = version, kind

        def read_text(self, name: str) -> str | None:
            return "Name: andon" if name == self.kind else None

    monkeypatch.setattr(fingerprint, "distributions", lambda name: [Installed("0.1.0"), Installed("0.2.0")])
    with pytest.raises(FixSettings, match=r"Two versions of Andon are installed \(0\.1\.0 and 0\.2\.0\): run `pip"):
        fingerprint.installed()
    monkeypatch.setattr(fingerprint, "distributions", lambda name: [Installed("0.1.0", "PKG-INFO"), Installed("0.2.0")])
    assert fingerprint.installed() == "0.2.0"


def test_templates_that_a_stage_fills_in_are_its_code() -> None:
    sources = json.loads(fingerprint.SOURCES.read_text())
    assert "stages/templates/dataset.html.j2" in sources["validate"]
    assert "stages/templates/dataset.html.j2" not in sources["train"]
    assert all((ROOT / name).is_file() for names in sources.values() for name in names)

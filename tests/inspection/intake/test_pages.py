import re
from pathlib import Path

from inspection.intake.pages import write_docs
from tests.inspection.intake.test_contract import STRICT, judged, some


def test_the_pages_of_a_batch_name_the_cameras_and_what_they_broke(tmp_path: Path) -> None:
    rows = some(30)
    rows.loc[:9, "part"] = "bolt"
    first = write_docs(tmp_path / "docs", "20261102T1200-1", judged(rows, {"x": "not an image"}, STRICT))
    assert first == tmp_path / "docs" / "20261102T1200-1" / "index.html"
    overview = first.read_text()
    assert "31 files came, 11 of them are refused" in overview and "Held: 11 of 31" in overview
    links = dict(re.findall(r"<a href='(\d\.html)'>([^<]+)</a>", overview))
    assert sorted(links.values()) == ["cam-1", "cam-2", "every capture", "the batch"]
    pages = {name: (first.parent / link).read_text() for link, name in links.items()}
    assert "bolt" in pages["cam-1"] and "5 unexpected values found" in pages["cam-1"]
    assert "Content-Security-Policy" in pages["cam-1"] and "20261102T1200-1/index.html" in index(tmp_path)


def index(folder: Path) -> str:
    return (folder / "docs" / "index.html").read_text()


def test_the_pages_load_nothing_and_lead_only_to_pages_that_are_there(tmp_path: Path) -> None:
    first = write_docs(tmp_path, "b", judged(some(4).assign(part="<script>alert(1)</script>")))
    for page in tmp_path.rglob("*.html"):
        text = page.read_text()
        policy = text.index("default-src 'none'; style-src 'unsafe-inline'")
        assert all(policy < text.index(word) for word in ("<link", "<script", "src=", "https:") if word in text)
        for link in re.findall(r"<a [^>]*href=[\"']([^#\"'][^\"']*)", text):
            assert (page.parent / link).is_file(), (page, link)
    assert first.is_file()


def test_the_pages_of_old_batches_go_and_a_batch_that_is_judged_again_is_replaced(tmp_path: Path) -> None:
    sound, broken = judged(some(4)), judged(some(4).assign(width=7))
    for name in ("b-1", "b-2", "b-3", "b-4"):
        write_docs(tmp_path, name, sound, keep=3)
    (tmp_path / ".b-4").mkdir()  # as a killed run leaves it
    write_docs(tmp_path, "b-4", broken, keep=3)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["b-2", "b-3", "b-4", "index.html"]
    assert "4 of them are refused" in (tmp_path / "b-4" / "index.html").read_text()
    assert re.findall(r"b-\d(?=/)", (tmp_path / "index.html").read_text()) == ["b-4", "b-3", "b-2"]

import hashlib
import os
from pathlib import Path

import pytest

from inspection.errors import FixSettings
from inspection.network.shelf import OwnAndShelf, Shelf


def test_what_is_kept_is_found_by_key_or_by_hash_from_anywhere(tmp_path: Path) -> None:
    Shelf(tmp_path).set("a key", b"content")
    digest = Shelf(tmp_path).keep(b"a network")
    other = Shelf(tmp_path)
    assert other.get("a key") == b"content" and other.get("another") is None
    assert digest == hashlib.sha256(b"a network").hexdigest() and other.kept(digest) == b"a network"
    assert not list(tmp_path.rglob("*.part"))


@pytest.mark.parametrize("damage", [b"", b"short", b"x" * 39])
def test_a_damaged_feature_is_taken_off_and_computed_again(tmp_path: Path, damage: bytes) -> None:
    shelf = Shelf(tmp_path)
    shelf.set("a key", b"content")
    shelf._at("a key").write_bytes(damage)
    assert shelf.get("a key") is None and not shelf._at("a key").exists()


def test_the_content_of_one_key_is_not_taken_for_that_of_another(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path)
    shelf.set("a key", b"content")
    shelf._at("b key").parent.mkdir(parents=True, exist_ok=True)
    os.replace(shelf._at("a key"), shelf._at("b key"))
    assert shelf.get("b key") is None


def test_bytes_that_are_not_those_of_the_hash_or_not_there_are_refused(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path)
    digest = shelf.keep(b"a network")
    shelf._named(digest).write_bytes(b"another")
    with pytest.raises(FixSettings, match="is not what the plant's computer put there"):
        shelf.kept(digest)
    with pytest.raises(FixSettings, match=r"set scale.shared to a folder that"):
        Shelf(tmp_path / "elsewhere").kept(digest)


def test_what_was_written_longest_ago_goes_first_and_what_is_in_use_stays(tmp_path: Path) -> None:
    shelf = Shelf(tmp_path)
    digest = shelf.keep(bytes(100))
    os.utime(shelf._named(digest), (1, 1))
    for number in range(5):
        shelf.set(f"key {number}", bytes(68))
        os.utime(shelf._at(f"key {number}"), (10 + number, 10 + number))
    assert shelf.keep(bytes(100)) == digest
    shelf.trim(300)
    assert [number for number in range(5) if shelf.get(f"key {number}")] == [3, 4]
    assert shelf.kept(digest)


class Memory(dict[str, bytes]):
    """In the place of a computer's own store."""

    def set(self, key: str, content: bytes) -> None:
        self[key] = content

    def delete(self, key: str) -> None:
        self.pop(key, None)

    def close(self) -> None:
        self["closed"] = b""


def test_a_computer_s_own_store_keeps_what_it_found_on_the_shelf(tmp_path: Path) -> None:
    own, shelf = Memory(), Shelf(tmp_path)
    both = OwnAndShelf(own, shelf)
    shelf.set("a key", b"content")
    assert both.get("a key") == b"content" == own["a key"]
    both.set("mine", b"content")
    assert shelf.get("mine") is None and both.get("mine") == b"content"
    both.delete("a key")
    assert both.get("a key") is None and shelf.get("a key") is None
    both.close()
    assert "closed" in own

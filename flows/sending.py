"""Objects -> the remote of today, and what it holds: asked of the remote itself, never of what DVC remembers of it."""

import re
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from inspection import files
from inspection.anchor import identity, named
from inspection.errors import FetchData
from inspection.progress import progress

if TYPE_CHECKING:
    from dvc.repo import Repo

_AT_ONCE = 200  # objects that are handed to DVC together


class Remote:
    """The plant's remote, through DVC: a folder, a bucket, or whatever else DVC can send to."""

    def __init__(self, repo: "Repo") -> None:
        place = repo.cloud.get_remote(None, "push")
        self._fs, self._mark = place.fs, place.fs.join(place.path, identity.MARK)
        self._cache, self._store = repo.cache.local, repo.cloud.get_remote_odb(None, "push")
        self._lists: dict[str, dict[str, str] | None] = {}
        self.name = re.sub(r"^[^/@]*@", "", str(place.path))  # without a key that somebody wrote into the address

    def mark(self) -> str | None:
        """The plant whose mark lies there; None: there is none."""
        try:
            with self._fs.open(self._mark, "rb") as file:
                return identity.marked_by(file.read())
        except FileNotFoundError:
            return None

    def write_mark(self, plant: str) -> None:
        """Make it that plant's."""
        if self._fs.protocol == "local":
            files.write(Path(self._mark), identity.mark(plant))
        else:
            self._fs.fs.pipe_file(self._mark, identity.mark(plant))

    def listed(self, folder: str) -> dict[str, str] | None:
        """A folder's files, path -> object, by the object that lists it; None where that is neither here nor there."""
        if folder not in self._lists:
            self._lists[folder] = None
            for store in (self._cache, self._store):
                try:
                    with store.fs.open(store.oid_to_path(folder), "rb") as file:
                        self._lists[folder] = named.listed(file.read())
                    break
                except (FileNotFoundError, NotADirectoryError, ValueError):
                    continue
        return self._lists[folder]

    def whole(self, objects: Collection[str]) -> set[str]:
        """These objects, and the files of those that list a folder."""
        folders = (self.listed(one) for one in objects if one.endswith(named.FOLDER))
        return {*objects, *(file for entries in folders if entries for file in entries.values())}

    def there(self, objects: Collection[str]) -> set[str]:
        """Those of them that the remote holds now."""
        if not objects:
            return set()
        self._fs.fs.invalidate_cache()  # a listing from an earlier run of this process
        with progress("Files asked for at the remote", len(objects)) as advance:
            told = 0

            def tell(phase: str, total: int | None, done: int) -> None:
                nonlocal told
                share = min(1.0, done / total) if phase == "querying" and total else 0.0
                steps = int(len(objects) * share) - told
                told += max(steps, 0)
                advance(max(steps, 0))

            return set(self._store.oids_exist(set(objects), progress=tell))

    def send(self, objects: Collection[str]) -> None:
        """Send what lies here and not there; a list of a folder only behind those of its files that are sent with it.

        Raises:
            FetchData: some did not arrive.
        """
        new = set(objects) - self.there(objects)
        here = sorted(one for one in new if self._cache.exists(one))
        apart = [one for one in here if not one.endswith(named.FOLDER)]
        failed = 0
        with progress("Files sent to the remote", len(here)) as advance:
            for some in _parts(apart):
                failed += self._transfer(some)
                advance(len(some))
            lacking = (new - set(here)) if not failed else new - self.there(apart)
            lists = [one for one in here if one.endswith(named.FOLDER) and not self._lacks(one, lacking)]
            for some in _parts(lists):
                failed += self._transfer(some)
                advance(len(some))
        if failed:
            raise FetchData(f"{failed} files did not arrive at the remote: run `andon push` again.")

    def _lacks(self, folder: str, lacking: set[str]) -> bool:
        return bool(lacking.intersection((self.listed(folder) or {}).values()))

    def _transfer(self, objects: Collection[str]) -> int:
        """How many did not arrive."""
        from dvc_data.hashfile.hash_info import HashInfo
        from dvc_data.hashfile.transfer import transfer

        done = transfer(self._cache, self._store, {HashInfo("md5", one) for one in objects}, shallow=True)
        return len(done.failed)


def _parts(objects: list[str]) -> Iterator[list[str]]:
    for start in range(0, len(objects), _AT_ONCE):
        yield objects[start : start + _AT_ONCE]

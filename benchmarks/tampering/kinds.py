"""Every kind of thing that Andon believes, and how one of it is tampered with."""

import shutil
import sqlite3
import zlib
from collections.abc import Callable, Mapping
from contextlib import closing
from functools import partial
from random import Random

from benchmarks.tampering import line, record
from benchmarks.tampering.edits import edited
from benchmarks.tampering.record import run
from inspection.layout import Layout
from inspection.release import warrant

Tamper = Callable[[Layout, Random], str | None]  # the name by which it has to be found; None: there is nothing of it

COLUMNS = {  # table of the catalog -> a column by which people decide
    "captures": "serial",
    "labels": "label",
    "batches": "state",
    "scores": "reject_probability",
}


def file(*patterns: str) -> Tamper:
    """One file of those, changed."""
    return partial(_file, patterns)


def _file(patterns: tuple[str, ...], layout: Layout, rng: Random) -> str | None:
    found = sorted(path for one in patterns for path in layout.home.glob(one) if path.is_file())
    if not found:
        return None
    path = rng.choice(found)
    edited(path, rng)
    return path.relative_to(layout.home).as_posix()


def added(*places: str) -> Tamper:
    """A file or folder that nobody recorded, like one that is there."""
    return partial(_added, places)


def _added(places: tuple[str, ...], layout: Layout, rng: Random) -> str | None:
    like = sorted(path for one in places for path in layout.home.glob(one))
    if not like:
        return None
    path = rng.choice(like)
    name = path.name.replace(path.name.split(".")[0], f"{path.name.split('.')[0]}-9", 1)
    new = path.with_name(name)
    if path.is_dir():
        shutil.copytree(path, new, symlinks=True)
    else:
        shutil.copyfile(path, new)
    return new.relative_to(layout.home).as_posix()


def cached(layout: Layout, rng: Random) -> str | None:
    """A file of DVC's cache."""
    return _file((".dvc/cache/files/md5/*/*",), layout, rng)


def result(layout: Layout, rng: Random) -> str | None:
    """Something that the last retrain made, as it lies in the plant."""
    outs = sorted(warrant.outputs(layout))
    return _file(tuple(pattern for one in outs for pattern in (one, f"{one}/*")), layout, rng)


def catalog(layout: Layout, rng: Random) -> str | None:
    """A value or a row of the catalog."""
    table = rng.choice(sorted(COLUMNS))
    if not layout.catalog.is_file():
        return None
    with closing(sqlite3.connect(layout.catalog)) as database:
        rows = [one for (one,) in database.execute(f"SELECT rowid FROM {table} ORDER BY rowid")]  # noqa: S608
        if not rows:
            return None
        row = rng.choice(rows)
        if rng.random() < 0.3:
            database.execute(f"DELETE FROM {table} WHERE rowid = ?", (row,))  # noqa: S608
        else:
            value = 0.999 if table == "scores" else "other"
            database.execute(f"UPDATE {table} SET {COLUMNS[table]} = ? WHERE rowid = ?", (value, row))  # noqa: S608
        database.commit()
    return layout.catalog.relative_to(layout.home).as_posix()


def feature(layout: Layout, rng: Random) -> str | None:
    """A bit of what is kept of a picture, in the store's index or in a file of its own."""
    folder = layout.state / "features"
    if not (folder / "cache.db").is_file():
        return None
    with closing(sqlite3.connect(folder / "cache.db")) as database:
        rows = database.execute("SELECT rowid, filename, value FROM Cache ORDER BY rowid").fetchall()
        if not rows:
            return None
        row, name, value = rng.choice(rows)
        if name:
            edited(folder / name, rng)
        else:
            at = rng.randrange(len(value))
            value = value[:at] + bytes([value[at] ^ 1]) + value[at + 1 :]
            database.execute("UPDATE Cache SET value = ? WHERE rowid = ?", (value, row))
            database.commit()
    return ".andon/features"


def forged(layout: Layout, rng: Random) -> str | None:
    """Other content under the name that git has for a file of the last commit."""
    lines = run(layout, "ls-tree", "-r", "HEAD", "--", "approvals", "data", "models", "references").splitlines()
    blob = rng.choice(lines).split()[2]
    path = layout.home / ".git" / "objects" / blob[:2] / blob[2:]
    if not path.is_file():
        return None
    content = zlib.decompress(path.read_bytes())
    path.chmod(0o644)
    path.write_bytes(zlib.compress(content[:-2] + bytes([content[-2] ^ 1]) + content[-1:]))
    return path.relative_to(layout.home).as_posix()


KINDS: Mapping[str, Tamper] = {
    "ledger: its file": file("data/ledger/*/*.jsonl"),
    "ledger: lines written behind its end": record.appended,
    "ledger: rewritten from a line on, committed": record.rewritten,
    "history: its file": file("releases/history.jsonl"),
    "history: a release written behind its end": record.released,
    "approvals and rejections": file("approvals/v*.[0-9].json"),
    "requests": file("approvals/*.request.json"),
    "approvals: one by hand": record.approved,
    "part of the record, changed in a commit by hand": record.committed,
    "the last commit amended": record.amended,
    "settings, masks, fingerprints": file("*.yaml", "stages.json", "models/costs.json", "masks/*", ".dvc/config"),
    "masks, assignments: a file that was added": added("masks/*", "data/assignments/*.csv"),
    "cut, assignments, champion.json, decision": file(
        "data/cut.json", "data/assignments/*.csv", "models/champion.json", "reports/decision.json"
    ),
    "DVC's pointers and dvc.lock": file("*/*.dvc", "data/ledger/*/*.dvc", "data/batches/*.dvc", "dvc.lock"),
    "tag of a version: moved": record.moved("model@*"),
    "tag of a version: deleted": record.deleted("model@*"),
    "tag of a version: made": record.version_made,
    "tag of the index of releases": record.index,
    "tag of a day: moved": record.day_moved,
    "tag of a day: deleted": record.deleted("heads/*"),
    "tag of a day: made": record.day_made,
    "refs/andon/recorded": record.recorded,
    "git: a replacement": record.replaced,
    "git: an object": forged,
    "git: another branch": record.branched,
    "models/live: the link": line.link,
    "models/live: the package": line.package,
    "releases/: an earlier package": line.earlier,
    "releases/: a package that was added": line.added,
    "models/candidate": file("models/candidate/*"),
    "models/champion": file("models/champion/*"),
    "what the last retrain made": result,
    "pictures": file("data/batches/*/*/*.png"),
    "manifests": file("data/batches/*/*/manifest.parquet"),
    "what the contract said of a batch": file("data/batches/*/*/verdict.json"),
    "batches: one that was added": added("data/batches/*/*"),
    "verdicts and windows": file("data/ledger/*/watch/*/*"),
    "verdicts and windows: a watch that was added": added("data/ledger/*/watch/*"),
    "references": file("references/*/*/*"),
    "references: one that was added": added("references/*/*"),
    "DVC's cache": cached,
    "the remote": file(".remote/files/md5/*/*"),
    "catalog": catalog,
    "store of features": feature,
    "pretrained network": file(".andon/backbones/*.onnx"),
}

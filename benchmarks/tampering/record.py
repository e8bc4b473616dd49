"""What git holds of the record, tampered with: chains that are whole again, commits, tags, references."""

import json
import subprocess
from collections.abc import Callable, Sequence
from pathlib import Path
from random import Random

from benchmarks.tampering.edits import edited
from inspection import chain, git
from inspection.layout import Layout
from inspection.records import ledger

SOMEBODY = ("-c", "user.name=Somebody", "-c", "user.email=somebody@andon.invalid")


def run(layout: Layout, *arguments: str) -> str:
    done = subprocess.run(["git", *SOMEBODY, *arguments], cwd=layout.home, check=True, capture_output=True, text=True)
    return done.stdout.strip()


def appended(layout: Layout, rng: Random) -> str | None:
    """A label that nobody gave, in a line that follows the last one."""
    events = ledger.read(layout)
    given = rng.choice([one for one in events if one.kind == "label"])
    body = {key: value for key, value in given.body.items() if key != "prev"}
    path = ledger.files(layout)[-1]
    chain.append(path, events[-1], "label", "Ines", [body | {"label": "scratch"}])
    return _name(layout, path)


def released(layout: Layout, rng: Random) -> str | None:
    """A release that never was, in lines that follow the last one."""
    events = list(chain.read([layout.history]))
    done = rng.choice([one for one in events if one.kind == "done"])
    body = {key: value for key, value in done.body.items() if key != "prev"}
    chain.append(layout.history, events[-1], "done", "Lena", [body])
    return _name(layout, layout.history)


def rewritten(layout: Layout, rng: Random) -> str | None:
    """A label that was given otherwise, every hash behind it computed anew, and the whole committed."""
    path = rng.choice(ledger.files(layout))
    lines = [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]
    mine = [number for number, one in enumerate(lines) if one["kind"] == "label"]
    if not mine:
        return None
    lines[rng.choice(mine)]["label"] = "scratch"
    before = list(chain.read([one for one in ledger.files(layout) if one < path]))
    path.unlink()
    last = before[-1] if before else None
    for one in lines:
        body = {key: value for key, value in one.items() if key not in ("n", "at", "kind", "by", "prev")}
        last = chain.append(path, last, one["kind"], one["by"], [body])[-1]
    _commit(layout, [path])
    return _name(layout, path)


def approved(layout: Layout, rng: Random) -> str | None:
    """An approval that nobody committed, of a version that there is or is not."""
    given = rng.choice([one for one in layout.approvals.glob("*.json") if ".request" not in one.name])
    new = layout.approvals / rng.choice(["v1.2.0.json", "v9.0.0.json", "v9.0.0.request.json"])
    new.write_bytes(given.read_bytes())
    return _name(layout, new)


def committed(layout: Layout, rng: Random) -> str | None:
    """An approval, request, cut, pointer or the like, changed and committed."""
    patterns = ("approvals/*", "data/cut.json", "data/assignments/*", "models/champion.*", "dvc.lock", "*/*/*.dvc")
    path = rng.choice(sorted(one for pattern in patterns for one in layout.home.glob(pattern) if one.is_file()))
    edited(path, rng)
    _commit(layout, [path])
    return _name(layout, path)


def amended(layout: Layout, rng: Random) -> str | None:
    """The last commit under another's name, or with other words."""
    run(layout, "commit", "--quiet", "--amend", "--allow-empty", "--reset-author", "--message", "Something else")
    return git.RECORDED


def moved(pattern: str) -> Callable[[Layout, Random], str]:
    """A tag at another commit."""

    def act(layout: Layout, rng: Random) -> str:
        tag = rng.choice(_tags(layout, pattern))
        run(layout, "tag", "--force", tag, _other(layout, rng, tag))
        return tag

    return act


def deleted(pattern: str) -> Callable[[Layout, Random], str]:
    """A tag that is gone."""

    def act(layout: Layout, rng: Random) -> str:
        tag = rng.choice(_tags(layout, pattern))
        run(layout, "tag", "--delete", tag)
        return tag

    return act


def version_made(layout: Layout, rng: Random) -> str | None:
    tag = f"model@v{rng.randrange(3, 99)}.0.0"
    run(layout, "tag", tag, _commit_of(layout, rng))
    return tag


def index(layout: Layout, rng: Random) -> str | None:
    """A tag of GTO's index of releases: moved, deleted or made."""
    pattern = "model#live#*"
    return rng.choice([moved(pattern), deleted(pattern), _index_made])(layout, rng)


def _index_made(layout: Layout, rng: Random) -> str:
    tag = "model#live#99"
    run(layout, "tag", tag, _commit_of(layout, rng))
    return tag


def day_moved(layout: Layout, rng: Random) -> str | None:
    """The same words at another commit, or a tag without words."""
    tag = rng.choice(_tags(layout, "heads/*"))
    words = run(layout, "for-each-ref", "--format=%(contents)", f"refs/tags/{tag}")
    other = _other(layout, rng, tag)
    how = ("--annotate", "--message", words) if rng.random() < 0.5 else ()
    run(layout, "tag", "--force", *how, tag, other)
    return tag


def day_made(layout: Layout, rng: Random) -> str | None:
    tag, said = "heads/2026-11-20", f"ledger {rng.randrange(1, 40)} {rng.randbytes(32).hex()}"
    run(layout, "tag", "--annotate", "--message", f"Heads\n\n{said}", tag, _commit_of(layout, rng))
    return tag


def recorded(layout: Layout, rng: Random) -> str | None:
    """The note of what Andon recorded last: gone, or put back."""
    if rng.random() < 0.3:
        run(layout, "update-ref", "-d", git.RECORDED)
    else:
        run(layout, "update-ref", git.RECORDED, _commit_of(layout, rng))
    return git.RECORDED


def replaced(layout: Layout, rng: Random) -> str | None:
    """Git shows one approval's content under the name of another."""
    lines = run(layout, "ls-tree", "-r", "HEAD", "--", "approvals", "data", "models").splitlines()
    one, other = rng.sample(sorted({line.split()[2] for line in lines}), 2)
    run(layout, "replace", one, other)
    return f"refs/replace/{one}"


def branched(layout: Layout, rng: Random) -> str | None:
    """Git stands on another branch, or on none, perhaps at an earlier commit."""
    at = rng.choice(["HEAD", "HEAD~1"])
    run(layout, "checkout", "--quiet", *(("--detach",) if rng.random() < 0.5 else ("-b", "other")), at)
    return "HEAD"


def _commit(layout: Layout, paths: Sequence[Path]) -> None:
    run(layout, "add", "--all", "--", *(_name(layout, one) for one in paths))
    run(
        layout,
        "commit",
        "--quiet",
        "--no-verify",
        "--message",
        "Something",
        "--",
        *(_name(layout, one) for one in paths),
    )


def _tags(layout: Layout, pattern: str) -> list[str]:
    return run(layout, "tag", "--list", pattern).splitlines()


def _other(layout: Layout, rng: Random, tag: str) -> str:
    """Another commit of the history than the tag names."""
    now = run(layout, "rev-parse", f"refs/tags/{tag}^{{commit}}")
    return rng.choice([one for one in run(layout, "rev-list", "HEAD").splitlines() if one != now])


def _commit_of(layout: Layout, rng: Random) -> str:
    return rng.choice(run(layout, "rev-list", "HEAD").splitlines()[1:])


def _name(layout: Layout, path: Path) -> str:
    return path.relative_to(layout.home).as_posix()

"""How a file is tampered with: a bit, a line, the whole of it; in place, as an editor that writes into the same file,
or as one that puts another in its place."""

import os
from pathlib import Path
from random import Random

TEXT = (".json", ".jsonl", ".yaml", ".csv", ".dvc", ".lock", "config")


def edited(path: Path, rng: Random) -> str:
    """Change the file somehow; how, in a word or two."""
    ways = ["a bit", "cut off", "gone"]
    if path.name.endswith(TEXT):
        ways += ["a line removed", "a line doubled", "a line changed", "two lines swapped"] * 2
    before = path.read_bytes()
    way = rng.choice(ways)
    while (now := _changed(before, way, rng)) == before:
        way = rng.choice(ways)
    if now is None:
        path.unlink()
    elif rng.random() < 0.5:
        with path.open("r+b") as file:  # the same file on the disk, and so in DVC's cache, if it is linked
            file.write(now)
            file.truncate()
    else:
        part = path.with_name(f".{path.name}.part")
        part.write_bytes(now)
        os.replace(part, path)
    return way


def _changed(content: bytes, way: str, rng: Random) -> bytes | None:
    """What the file holds then; None: it is gone."""
    if way == "gone":
        return None
    if way == "cut off" or not content:
        return content[: rng.randrange(len(content))] if content else b"\n"
    if way == "a bit":
        at = rng.randrange(len(content))
        return content[:at] + bytes([content[at] ^ (1 << rng.randrange(8))]) + content[at + 1 :]
    lines = content.splitlines(keepends=True)
    one, other = rng.randrange(len(lines)), rng.randrange(len(lines))
    if way == "a line removed":
        del lines[one]
    elif way == "a line doubled":
        lines.insert(one, lines[one])
    elif way == "two lines swapped":
        lines[one], lines[other] = lines[other], lines[one]
    else:
        digits = [at for at, byte in enumerate(lines[one]) if chr(byte).isalnum()] or [0]
        at = rng.choice(digits)
        lines[one] = lines[one][:at] + rng.choice(b"0123456789abcdef").to_bytes(1) + lines[one][at + 1 :]
    return b"".join(lines)

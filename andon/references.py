"""The references of the cameras, for people."""

from typing import Any

from inspection.errors import FixInput
from inspection.layout import Layout
from inspection.outside.quoted import quoted
from inspection.records import commissions, ledger


def rows(layout: Layout) -> list[dict[str, Any]]:
    """Every version of every camera's reference, oldest first, and each planned change that is under way."""
    events = ledger.read(layout)
    holds, learning = commissions.current(events), commissions.under_way(events)
    found = [
        {
            "camera": one.camera,
            "version": one.version,
            "state": "holds" if holds.get(one.camera) == one else "past",
            "first": f"{one.first:%Y-%m-%d %H:%M}",
            "last": f"{one.last:%Y-%m-%d %H:%M}",
            "images": one.images,
            "windows": one.windows,
            "by": one.by,
            "reason": one.reason,
        }
        for every in commissions.fold(events).values()
        for one in every
    ]
    coming = [
        {
            "camera": one.camera,
            "version": None,
            "state": "learning",
            "first": f"{one.since:%Y-%m-%d %H:%M}",
            "last": None,
            "images": None,
            "windows": None,
            "by": one.by,
            "reason": one.reason,
        }
        for one in learning.values()
    ]
    return sorted([*found, *coming], key=lambda row: str(row["camera"]))


def story(layout: Layout, camera: str, version: str | None) -> dict[str, Any]:
    """One reference with its parts and its limits.

    Raises:
        FixInput: there is no such reference. FetchData, CheckHistory: as `reference.load`.
    """
    from dataclasses import asdict

    from monitoring.camera.measurement import UNITS
    from monitoring.content import drift
    from monitoring.judgement import reference

    units = UNITS | drift.UNITS
    every = {one.version: one for one in commissions.fold(ledger.read(layout)).get(camera, [])}
    if not every:
        raise FixInput(f"{camera} has no reference yet; `andon reference list` names those there are.")
    if version is not None and version not in every:
        raise FixInput(f"{camera} has no reference {version!r}; it has {', '.join(every)}.")
    one = every[version or list(every)[-1]]
    held = reference.load(one.folder(layout), one.digest)
    return {
        **asdict(one),
        **{name: str(getattr(one, name)) for name in ("first", "last", "at")},
        "parts": {name: part.images for name, part in held.parts.items()},
        "provisional": held.provisional,
        "limits": {name: {**asdict(limit), "unit": units.get(name, "")} for name, limit in held.limits.items()},
    }


def lines(told: dict[str, Any]) -> list[str]:
    """The reference in sentences."""
    said = f"declared by {told['by']}" + (f", because of {quoted(told['reason'], 80)}" if told["reason"] else "")
    if told["by"] == commissions.BY:
        said = f"made by {told['by']}: {told['reason']}"
    parts = ", ".join(f"{name} ({count})" for name, count in told["parts"].items())
    return [
        f"{told['camera']} {told['version']}: {told['images']} images from {told['first'][:16]} to {told['last'][:16]} "
        f"UTC in {told['windows']} windows, {said}",
        f"  parts: {parts}",
        *(
            f"  {name:<10} healthy from {limit['low']:.3g} to {limit['high']:.3g} {limit['unit'].split(',')[0]}"
            for name, limit in told["limits"].items()
        ),
        *(["  few windows: limits are provisional"] if told["provisional"] else []),
    ]

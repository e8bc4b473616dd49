"""A reference -> what can be found with it, in words."""

from collections.abc import Sequence

from inspection.params import Health
from monitoring.judgement.reference import Reference

FINDS = (("gain", "lighting"), ("blur", "focus"), ("shift", "framing"))  # statistics, and what they find


def reach(made: Reference, health: Health) -> list[str]:
    """Whether something stands still in view, and how small a change can be found."""
    zones, light = made.zones, made.limits.get("gain")
    if zones is None:
        fixed = "pictures change in size, so no place in them is fixed: framing, pixels and dust are not looked for"
        return [f"{fixed}; found are {_found(made, FINDS)}"]
    if zones.split:
        return [f"{100 * zones.still.mean():.0f} % of the view stands still; found are {_found(made, FINDS)}"]
    if light is None or not light.windows or light.high <= health.least.gain:
        return [f"nothing stands still in view; found are {_found(made, FINDS)}"]
    least = _size("gain", health.least.gain)
    words = f"so light is found from {_size('gain', light.high)} only; a grey patch in view would give {least}"
    return [f"nothing stands still in view, {words}; found are {_found(made, FINDS[1:])} as well"]


def _found(made: Reference, finds: Sequence[tuple[str, str]]) -> str:
    """From which size on each is found; what no clean window could tell is not."""
    known = {name: limit for name, limit in made.limits.items() if limit.windows}
    found = [f"{what} from {_size(name, known[name].high)}" for name, what in finds if name in known]
    missing = [what for name, what in finds if name not in known]
    words = [", ".join(found)] if found else []
    words += [f"not {' or '.join(missing)}, of which these pictures tell nothing"] if missing else []
    return ", but ".join(words)


def _size(name: str, limit: float) -> str:
    return f"{100 * limit:.2g} %" if name == "gain" else f"{limit:.2g} px"

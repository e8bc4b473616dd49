"""Whether the pictures taken since a planned change agree with each other, so that they can make a reference."""

from inspection.params import Health
from monitoring.camera.measurement import UNITS
from monitoring.judgement.reference import Reference

APART = 4.0  # times the smallest change that counts: clean windows may lie so far from each other
MOVED = ("gain", "gradient", "colour", "shift", "rotation", "blur", "dust")  # by work on a camera


def disagreements(made: Reference, health: Health) -> tuple[str, ...]:
    """In words, each statistic in which the reference's own windows lie too far apart; none: it can be used."""
    said = []
    for name in MOVED:
        sizes = [one.values[name] for one in made.clean if name in one.values]
        room = APART * float(getattr(health.least, name))
        if sizes and max(sizes) - min(sizes) > room:
            apart = f"{name} {min(sizes):.3g} to {max(sizes):.3g} {UNITS[name]}"
            said.append(f"{apart}, which may lie {room:.3g} apart")
    return tuple(said)

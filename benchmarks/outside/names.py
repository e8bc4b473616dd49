"""The names of FAULTS and CONTENT, and which causes of the product count as each: the one table of it."""

from collections.abc import Collection

CAUSES = {
    "lighting": {"lighting"},
    "blur": {"blur"},
    "framing": {"framing", "wrong_view"},
    "dust": {"dust"},
    "dead_pixels": {"dead_pixels"},
    "hot_pixels": {"hot_pixels"},
    "stuck_pixels": {"stuck_pixels"},
    "noise": {"noise"},
    "frozen": {"frozen"},
    "processing": {"processing"},
    "transfer": {"transfer"},
    "unknown": {"unknown"},
    "new_product": {"new_product"},
    "changed_mix": {"changed_mix"},
    "changed_surface": {"changed_surface"},
    "defect_rate": {"defect_rate"},
    "silent": {"silent"},
    "unjudged": {"unjudged"},
}
OF_THE_PARTS = {"new_product", "changed_mix", "changed_surface", "defect_rate"}  # names of no fault of the camera

_NAMES = {cause: name for name, causes in CAUSES.items() for cause in causes}


def name(cause: str) -> str:
    """What a cause counts as; one that the table lacks counts as itself, and so as wrong."""
    return _NAMES.get(cause, cause)


def right(causes: Collection[str], names: Collection[str]) -> bool:
    """Whether any of the causes counts as any of the names."""
    return any(name(cause) in names for cause in causes)


def wrong(causes: Collection[str], names: Collection[str]) -> list[str]:
    """The causes that count as none of the names."""
    return sorted({cause for cause in causes if name(cause) not in names})

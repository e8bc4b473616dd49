"""Each cause in words: what it is called, and what to do first."""

from collections.abc import Mapping

NAMES = {
    "lighting": "light has changed",
    "dust": "dust on the lens",
    "dead_pixels": "dead pixels",
    "hot_pixels": "hot pixels",
    "stuck_pixels": "stuck pixels",
    "noise": "grainy pictures",
    "processing": "camera settings have changed",
    "transfer": "pictures arrive broken",
    "wrong_view": "camera shows another view",
    "blur": "blurred pictures",
    "framing": "camera or part has moved",
    "frozen": "camera stands still",
    "unknown": "pictures have changed",
    "new_product": "parts of an unknown kind",
    "changed_mix": "other parts than usual",
    "changed_surface": "surfaces look different",
    "defect_rate": "another share of defective parts",
    "silent": "camera delivers no pictures",
    "unjudged": "camera cannot be judged",
}
TODO: Mapping[str, tuple[str, ...]] = {
    "dust": ("Ask maintenance to clean the lens and the light cover of {cameras}.",),
    "dead_pixels": ("Ask maintenance to replace the sensor of {cameras}, or to map the pixels out.",),
    "hot_pixels": ("Ask maintenance to check the cooling of {cameras} and to map the pixels out.",),
    "stuck_pixels": ("Ask maintenance to replace the sensor of {cameras}, or to map the pixels out.",),
    "noise": ("Ask maintenance to check the amplification, the cooling and the cable of {cameras}.",),
    "processing": (
        "Ask maintenance to set the picture settings of {cameras} back: sharpening, smoothing, compression, gamma; "
        "also after an update of its firmware.",
    ),
    "transfer": ("Ask maintenance to check the cable, the network card and the driver of {cameras}.",),
    "wrong_view": (
        "Ask maintenance whether {cameras} was moved, its picture mirrored or turned in its settings, or its cable "
        "exchanged with another camera's.",
    ),
    "blur": ("Ask maintenance to refocus {cameras} and to look for loose screws.",),
    "framing": ("Ask maintenance to put {cameras} and its fixture back where they were.",),
    "frozen": ("Ask maintenance to restart {cameras}: it delivers the same picture again and again.",),
    "lighting": ("Ask maintenance whether the light of {cameras} was changed on purpose; if not, have it mended.",),
    "unknown": ("Look at the pictures below: something has changed that Andon cannot name.",),
    "new_product": ("Ask production whether a new product runs past {cameras}.",),
    "changed_mix": ("Ask production whether other products than usual run past {cameras}.",),
    "changed_surface": ("Ask production whether the material, its supplier or a step before {cameras} was changed.",),
    "defect_rate": ("Ask production what has changed before {cameras}: the camera is well, the parts are not.",),
    "silent": (
        "Ask maintenance to check {cameras}: power, cable, network, and the program that fills the inbox.",
        "If pictures do lie in the inbox, have whoever runs Andon look at `andon status` and start `andon ingest`.",
        "If it is switched off on purpose, have the time written under `stops` in cameras.yaml.",
    ),
    "unjudged": (
        "Look at the newest pictures of {cameras} and have mended what the reason above names.",
        "If nobody knows of a change there, ask maintenance to look at {cameras}, its light and what stands before it.",
    ),
}
CONTENT = ("new_product", "changed_mix", "changed_surface", "defect_rate")  # of the parts, not of the camera

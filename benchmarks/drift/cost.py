"""What an image costs beside its decoding."""

from collections.abc import Iterator, Sequence
from io import BytesIO
from time import process_time

from PIL import Image

from benchmarks.drift.scale import Scale
from benchmarks.drift.streams import DEFECT_RATE, FIRST, IMAGES, camera, settings
from benchmarks.report import Figure
from inspection.pictures import images
from monitoring.camera.health import measure
from monitoring.camera.window import MAPS, Window
from monitoring.judgement.learning import Learning
from monitoring.judgement.reference import Reference
from plant.line import Plant
from plant.shot import Shot


def cost(_: Scale) -> Iterator[Figure]:
    """A window of 50 with all statistics and the window's own work."""
    png = 0.0
    for words, side, form in (("128 px PNG", 128, "png"), ("1 Mpx PNG", 1024, "png"), ("1 Mpx JPEG q90", 1024, "jpeg")):
        like = camera(0).model_copy(update={"width": side, "height": side})
        files = [_encoded(shot, form) for shot in Plant(1, (like,), defect_rate=DEFECT_RATE).shots(FIRST, 2 * IMAGES)]
        learning = Learning(like.name, settings().health, settings().watch)
        for number, (shot, content) in enumerate(files):
            learning.add(images.decode(content, 40).levels(), shot.part, shot.captured_at, str(number))
        held, ratios = learning.finish("v1"), []
        for _turn in range(5):
            decoding, looking = _costs(files[:IMAGES], held)
            ratios.append((looking / decoding, 1000 * decoding / IMAGES, 1000 * looking / IMAGES))
        ratio, decoding, looking = sorted(ratios)[len(ratios) // 2]
        png = decoding if form == "png" else png
        yield Figure(f"{words}: decoding", decoding, "ms an image")
        yield Figure(f"{words}: all statistics and the window's work", looking, "ms an image")
        yield Figure(f"{words}: against decoding its PNG", looking / png, "times", "≤ 3", looking / png <= 3)
        if form != "png":
            yield Figure(f"{words}: against decoding it", ratio, "times")
    yield Figure("maps of the image's size that a window holds", MAPS, "float maps", "≤ 12", MAPS <= 12)


def _costs(files: Sequence[tuple[Shot, bytes]], held: Reference) -> tuple[float, float]:
    """Seconds of processor time: decoding, and everything after it."""
    window, decoding, looking = Window(held.camera), 0.0, 0.0
    for number, (shot, content) in enumerate(files):
        start = process_time()
        levels = images.decode(content, 40).levels()
        middle = process_time()
        window.add(levels, shot.part, shot.captured_at, str(number))
        decoding, looking = decoding + middle - start, looking + process_time() - middle
    start = process_time()
    measure(window, held, settings().health.least)
    return decoding, looking + process_time() - start


def _encoded(shot: Shot, form: str) -> tuple[Shot, bytes]:
    if form == "png":
        return shot, shot.content
    buffer = BytesIO()
    Image.fromarray(shot.pixels).save(buffer, "jpeg", quality=90)
    return shot, buffer.getvalue()

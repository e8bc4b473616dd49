"""What a picture for a mail or a page is drawn on: 600 pixels wide. What differs differs in grey print, too."""

from collections.abc import Iterator
from contextlib import contextmanager
from io import BytesIO
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from matplotlib.figure import Figure

WIDTH = 600  # pixels: what a mail shows without scaling; a phone shows it at 340
DPI = 100
SETTINGS: Any = {
    "text.parse_math": False,  # a name with two $ is no formula
    "font.size": 10.5,
    "axes.titlesize": 10.5,
    "axes.labelsize": 10.5,
    "legend.fontsize": 10.5,
    "xtick.labelsize": 10.5,
    "ytick.labelsize": 10.5,
    "hatch.linewidth": 0.6,
}
INK, GREY, BLUE, ORANGE = "#1c2530", "#566270", "#0072b2", "#d55e00"  # blue and orange after Okabe and Ito


@contextmanager
def drawing() -> Iterator[None]:
    """Matplotlib with our settings. It is imported here because that takes most of a second."""
    import matplotlib

    with matplotlib.rc_context(SETTINGS):
        yield


def png(figure: "Figure") -> bytes:
    """As PNG, without alpha, which halves the size and which no mail program has to lay on a ground of its own."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from PIL import Image as Pillow

    figure.set_facecolor("white")
    canvas: Any = FigureCanvasAgg(figure)
    canvas.draw()
    drawn = np.asarray(canvas.buffer_rgba())[:, :, :3]
    content = BytesIO()
    Pillow.fromarray(np.ascontiguousarray(drawn)).save(content, "PNG", compress_level=3)
    return content.getvalue()

"""How this process keeps the memory that it frees."""

import ctypes

_TOP_PAD, _TRIM_THRESHOLD, _MMAP_MAX = -2, -1, -4  # of mallopt(3)


def keep_freed() -> None:
    """Have glibc keep freed blocks for the next ones: a training step frees and asks for the same megabytes again, and
    with two threads fetching them from the kernel each time costs a fifth of its speed (docs/LOG.md, 2026-11-29). Not
    for work whose blocks differ in size, such as reading pictures: it would fill memory with holes. Elsewhere than with
    glibc nothing happens.
    """
    set_option = getattr(ctypes.CDLL(None), "mallopt", None)
    if set_option is not None:
        for option, value in ((_MMAP_MAX, 0), (_TRIM_THRESHOLD, 2**31 - 1), (_TOP_PAD, 1 << 29)):
            set_option(option, value)

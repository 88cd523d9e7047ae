"""Python's garbage collector, out of the way of a start and of painting.

While libraries are imported and models are loaded there is next to nothing to collect, and looking costs a tenth of the
time. What they leave stays for good: frozen, it is not looked through again whenever somebody speaks.
"""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from contextlib import contextmanager


@contextmanager
def collecting_later() -> Iterator[Callable[[], None]]:
    """Collects nothing until what it gives is called, which keeps what is there by then, or until it is left."""

    def settled() -> None:
        gc.collect()
        gc.freeze()
        gc.enable()

    gc.disable()
    try:
        yield settled
    finally:
        gc.unfreeze()
        gc.enable()

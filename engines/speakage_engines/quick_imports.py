"""diffusers without two things that it does when it is imported, together half of what a start takes.

It imports torch's compiler to mark one class for it. The mark counts for ``torch.compile`` alone, which nothing here
uses; without it diffusers takes the way that it keeps for older versions of torch. Whoever imports the compiler
afterwards gets it. And it reads the file lists of all that is installed, to find packages whose names differ from their
modules'; such are none that it is asked for here.
"""

from __future__ import annotations

import importlib.metadata
import sys
from typing import Final

COMPILER: Final = "torch._dynamo"


def import_diffusers() -> None:
    """Import it now, before anything else does; does nothing when it, or the compiler, is there already."""
    if "diffusers" in sys.modules or COMPILER in sys.modules:
        return
    names = importlib.metadata.packages_distributions
    # so Python says of a module that there is none
    sys.modules[COMPILER] = None  # type: ignore[assignment]
    importlib.metadata.packages_distributions = dict
    try:
        import diffusers.utils.torch_utils  # noqa: F401
    finally:
        importlib.metadata.packages_distributions = names
        del sys.modules[COMPILER]

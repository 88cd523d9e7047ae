"""diffusers without torch's compiler, which it imports to mark one class for it: a third of what a start takes.

The mark counts for ``torch.compile`` alone, which nothing here uses; without it diffusers takes the way that it keeps
for older versions of torch. Whoever imports the compiler afterwards gets it.
"""

from __future__ import annotations

import sys
from typing import Final

COMPILER: Final = "torch._dynamo"


def import_diffusers() -> None:
    """Import it now, before anything else does; does nothing when it, or the compiler, is there already."""
    if "diffusers" in sys.modules or COMPILER in sys.modules:
        return
    # so Python says of a module that there is none
    sys.modules[COMPILER] = None  # type: ignore[assignment]
    try:
        import diffusers.utils.torch_utils  # noqa: F401
    finally:
        del sys.modules[COMPILER]

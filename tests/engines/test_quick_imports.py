"""A start does not wait for torch's compiler, and nobody who wants it later misses it."""

import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = """
import sys
from pathlib import Path
from speakage_engines import api

folder = Path(sys.argv[1])
spec = api.PictureSpec(model="embedded", backend="openvino", models_folder=folder, engines_folder=folder)
model = api.load_picture(spec)
assert len(list(model.paint(api.PaintRequest(prompt="a house", seed=1, steps=2)))) == 2
print("torch._dynamo" in sys.modules)
import importlib.metadata
print("numpy" in importlib.metadata.packages_distributions())
from diffusers.utils import is_torch_available, is_transformers_available
print(is_torch_available() and is_transformers_available())
import torch
print(torch.compile(lambda value: value + 1, backend="eager")(torch.ones(1)).item())
"""


@pytest.mark.timeout(400)
def test_painting_imports_no_compiler_which_is_there_when_asked_for(engines_folder: Path) -> None:
    ran = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(engines_folder)], capture_output=True, text=True, timeout=300, check=False
    )
    assert ran.returncode == 0, ran.stderr
    assert ran.stdout.split() == ["False", "True", "True", "2.0"]

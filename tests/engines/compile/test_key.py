"""Keys: equal for equal engines, and different as soon as anything differs."""

from __future__ import annotations

import dataclasses
from importlib.metadata import version
from pathlib import Path
from typing import Any

import pytest
import torch

from speakage_engines.compile.key import EngineKey, ExportKey, weights_digest
from speakage_engines.compile.module import Input, Module

MODULE = Module(
    name="denoiser", load=torch.nn.Identity, inputs=(Input(name="latents", shape=(1, 4, 8, 8)),), weights="ab"
)
ENGINE = EngineKey(
    exports=("a", "b"), scheduler="{}", tokenizers=("c",), guidance=2.5, adapters=(), zeros_for_empty=False,
    backend="openvino", backend_version="1", device="a CPU", precision="bf16",
)  # fmt: skip


def test_the_same_engine_has_the_same_key() -> None:
    assert ExportKey.of(MODULE).digest() == ExportKey.of(dataclasses.replace(MODULE, load=torch.nn.Tanh)).digest()
    assert ENGINE.digest() == dataclasses.replace(ENGINE).digest()
    assert len(ENGINE.digest()) == 32


@pytest.mark.parametrize(
    "changes",
    [{"name": "decoder"}, {"weights": "ac"}, {"precision": "bf16"}, {"inputs": ()}, {"room": "rank 8"},
     {"inputs": (Input(name="latents", shape=(2, 4, 8, 8)),)},
     {"inputs": (Input(name="latents", shape=(1, 4, 8, 8), dtype="int64"),)}],
)  # fmt: skip
def test_all_of_a_module_is_in_its_key(changes: dict[str, Any]) -> None:
    assert ExportKey.of(MODULE).digest() != ExportKey.of(dataclasses.replace(MODULE, **changes)).digest()


def test_whatever_writes_or_defines_the_network_is_in_the_key() -> None:
    key = ExportKey.of(MODULE)
    for name in ("torch", "onnx", "onnxscript", "diffusers", "transformers"):
        assert f"{name} {version(name)}" in key.exporter
    assert dataclasses.replace(key, exporter="another").digest() != key.digest()


@pytest.mark.parametrize("field", [field.name for field in dataclasses.fields(EngineKey)])
def test_every_field_of_an_engine_shapes_its_key(field: str) -> None:
    other: Any = {
        "exports": ("a",),
        "tokenizers": ("d",),
        "guidance": 2.0,
        "zeros_for_empty": True,
        "adapters": ("e:1",),
    }
    other = other.get(field, "another")
    assert dataclasses.replace(ENGINE, **{field: other}).digest() != ENGINE.digest()


def test_weights_differ_by_name_and_by_content(tmp_path: Path) -> None:
    one, two = tmp_path / "one", tmp_path / "two"
    one.write_bytes(b"12")
    two.write_bytes(b"3")
    digests = {weights_digest([one, two]), weights_digest([one]), weights_digest([two])}
    assert weights_digest([two, one]) in digests
    one.write_bytes(b"1")
    two.write_bytes(b"23")
    digests.add(weights_digest([one, two]))
    one.rename(tmp_path / "renamed")
    digests.add(weights_digest([tmp_path / "renamed", two]))
    assert len(digests) == 5

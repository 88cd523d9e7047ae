"""Exports: each computes in its own type, and takes and gives float32."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import numpy as np
import onnx
import onnxruntime
import pytest
import torch
from onnx import TensorProto

from engines.compile.networks import Mixed
from speakage_engines.compile.export import export_onnx
from speakage_engines.compile.module import Input, Module


@pytest.mark.parametrize(
    ("precision", "kind", "tolerance"),
    [("fp32", TensorProto.FLOAT, 1e-5), ("fp16", TensorProto.FLOAT16, 1e-2), ("bf16", TensorProto.BFLOAT16, None)],
)
def test_an_export_computes_in_its_precision(
    tmp_path: Path, precision: Literal["fp32", "fp16", "bf16"], kind: int, tolerance: float | None
) -> None:
    inputs = (Input(name="values", shape=(2, 32)), Input(name="steps", shape=(2,), dtype="int64"))
    told: list[tuple[str, float]] = []
    path = tmp_path / "model.onnx"
    module = Module(name="mixed", load=Mixed, inputs=inputs, weights="", precision=precision)
    export_onnx(module, path, lambda what, done: told.append((what, done)))
    assert told == [("exported the mixed", 1.0)]
    graph = onnx.load(path).graph
    assert [item.type.tensor_type.elem_type for item in graph.input] == [TensorProto.FLOAT, TensorProto.INT64]
    assert [item.type.tensor_type.elem_type for item in graph.output] == [TensorProto.FLOAT]
    weights = {item.name: item.data_type for item in graph.initializer if "layer" in item.name}
    assert weights == {"network.layer.weight": kind, "network.layer.bias": kind}
    if tolerance is None:
        return  # onnxruntime does not compute in bf16
    values, steps = torch.randn(2, 32, generator=torch.Generator().manual_seed(0)), torch.tensor([2, 3])
    session = onnxruntime.InferenceSession(str(path), providers=["CPUExecutionProvider"])
    (found,) = session.run(None, {"values": values.numpy(), "steps": steps.numpy()})
    with torch.no_grad():
        np.testing.assert_allclose(found, Mixed()(values, steps).numpy(), atol=tolerance)

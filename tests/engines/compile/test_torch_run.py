"""A recorded run: fed through tensors that stay, and whoever called before changes nothing; on a card, a CUDA graph.

What stands for a graph on the CPU writes into one and the same output, as a graph does.
"""

from __future__ import annotations

import gc
import logging
import weakref
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from typing_extensions import override

from engines.compile.networks import Mixed, Sorting
from speakage_engines.api import BuildError, PictureSpec
from speakage_engines.compile.backends.torch import Card, TorchBackend, pick_precision
from speakage_engines.compile.module import Input, Module
from speakage_engines.compile.torch_run import CudaGraphs, RecordedModule, Recorder, Run, TorchModule, static_inputs
from speakage_engines.diffusion.blueprint import draw_up


class Overwriting:
    """Stands for a graph: it has one output, which every run writes over."""

    def warm_up(self, run: Run) -> None:
        run()

    def record(self, run: Run) -> Run:
        output = run().clone()

        def replay() -> torch.Tensor:
            return output.copy_(run())

        return replay


class Unrecordable(Overwriting):
    """As a card is whose driver refuses a capture."""

    @override
    def record(self, run: Run) -> Run:
        raise RuntimeError("CUDA error: operation not permitted when stream is capturing\nand a paragraph more")


class Forgetful(Overwriting):
    """Keeps nothing of what it recorded, as a graph does, which knows addresses alone."""

    @override
    def record(self, run: Run) -> Run:
        output = run()
        return lambda: output


class OutOfMemory(Overwriting):
    """As a card is that another program has filled."""

    @override
    def warm_up(self, run: Run) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 20.00 MiB")


class Picture(torch.nn.Module):
    """A convolution with a second input, smaller than the networks of a model and of their kind."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.layer = torch.nn.Conv2d(4, 6, 3, padding=1)

    @override
    def forward(self, latents: torch.Tensor, time: torch.Tensor) -> torch.Tensor:
        return self.layer(latents) * time[:, :, None, None]


PICTURE = Module(
    name="picture",
    load=Picture,
    inputs=(Input(name="latents", shape=(2, 4, 8, 10)), Input(name="time", shape=(2, 1))),
    weights="picture",
)
MIXED = Module(
    name="mixed",
    load=Mixed,
    inputs=(Input(name="values", shape=(2, 32)), Input(name="steps", shape=(2,), dtype="int64")),
    weights="mixed",
)
SORTING = Module(name="sorting", load=Sorting, inputs=(Input(name="values", shape=(2, 3)),), weights="sorting")
CARD = pytest.param("cuda", marks=pytest.mark.gpu)


@pytest.fixture(scope="module")
def embedded(engines_folder: Path) -> dict[str, Module]:
    """The networks of the model that ships, by their names."""
    spec = PictureSpec(model="embedded", models_folder=engines_folder / "none", engines_folder=engines_folder)
    return {module.name: module for module in draw_up(spec).all_modules}


@pytest.fixture(params=["cpu", CARD])
def device(request: pytest.FixtureRequest) -> torch.device:
    return torch.device(request.param)


def recorder(device: torch.device) -> Recorder:
    return CudaGraphs() if device.type == "cuda" else Overwriting()


def recorded(module: Module, device: torch.device, dtype: torch.dtype = torch.float32, how: Any = None) -> Any:
    network = module.load().eval().to(device, dtype).to(memory_format=torch.channels_last)
    return RecordedModule(network, module.name, static_inputs(module, device, dtype), how or recorder(device))


def eager(module: Module, device: torch.device, dtype: torch.dtype = torch.float32) -> TorchModule:
    return TorchModule(module.load().eval().to(device, dtype), device, dtype)


def inputs(module: Module, seed: int = 0) -> tuple[np.ndarray, ...]:
    generator = np.random.default_rng(seed)
    return tuple(
        generator.standard_normal(item.shape).astype(np.float32)
        if item.dtype == "float32"
        else generator.integers(0, 9, item.shape)
        for item in module.inputs
    )


@pytest.fixture(autouse=True)
def exact() -> Iterator[None]:
    """As the backend sets it; a card would compute convolutions in TF32."""
    before = torch.backends.cudnn.allow_tf32
    torch.backends.cudnn.allow_tf32 = False
    yield
    torch.backends.cudnn.allow_tf32 = before


@pytest.mark.parametrize("module", [PICTURE, MIXED], ids=["picture", "mixed"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16], ids=["fp32", "bf16"])
def test_a_replay_computes_what_an_eager_run_does(module: Module, dtype: torch.dtype, device: torch.device) -> None:
    ours, theirs = recorded(module, device, dtype), eager(module, device, dtype)
    assert ours.precision == theirs.precision == {torch.float32: "fp32", torch.bfloat16: "bf16"}[dtype]
    for seed in range(3):
        found, wanted = ours(*inputs(module, seed)), theirs(*inputs(module, seed))
        assert found.dtype == np.float32
        assert found.flags.c_contiguous
        np.testing.assert_allclose(found, wanted, atol=1e-5 if dtype == torch.float32 else 0.05)
    assert not np.allclose(ours(*inputs(module, 0)), ours(*inputs(module, 1)), atol=0.1)


@pytest.mark.parametrize("changed", [0, 1])
def test_every_input_counts_at_every_call(changed: int, device: torch.device) -> None:
    compiled, one, other = recorded(PICTURE, device), list(inputs(PICTURE, 0)), inputs(PICTURE, 1)
    before = compiled(*one)
    one[changed] = other[changed]
    after = compiled(*one)
    np.testing.assert_allclose(after, eager(PICTURE, device)(*one), atol=1e-5)
    assert not np.allclose(after, before, atol=0.1)


def test_a_result_is_the_callers_to_keep_and_so_are_inputs(device: torch.device) -> None:
    compiled, given = recorded(PICTURE, device), inputs(PICTURE)
    kept = compiled(*given)
    before = kept.copy()
    given[0][:] = 7
    compiled(*inputs(PICTURE, 1))
    assert np.array_equal(kept, before)
    kept[:] = 0
    np.testing.assert_allclose(compiled(*inputs(PICTURE)), before, atol=1e-6)


def test_inputs_in_any_layout_are_taken_by_their_values(device: torch.device) -> None:
    latents, time = inputs(PICTURE)
    wanted = recorded(PICTURE, device)(latents, time)
    strided = np.asfortranarray(latents)
    assert not strided.flags.c_contiguous
    np.testing.assert_allclose(recorded(PICTURE, device)(strided, time), wanted, atol=1e-6)


def test_weights_written_in_place_count_at_the_next_call(device: torch.device) -> None:
    network = Picture().eval().to(device)
    how = recorder(device)
    compiled = RecordedModule(network, "picture", static_inputs(PICTURE, device, torch.float32), how)
    before = compiled(*inputs(PICTURE))
    with torch.no_grad():
        network.layer.weight.mul_(2)
        network.layer.bias.mul_(2)
    np.testing.assert_allclose(compiled(*inputs(PICTURE)), 2 * before, atol=1e-4)


def test_weights_stay_in_memory_for_as_long_as_the_module_does() -> None:
    network, cpu = Picture().eval(), torch.device("cpu")
    weights = weakref.ref(network.layer.weight)
    compiled = RecordedModule(network, "picture", static_inputs(PICTURE, cpu, torch.float32), Forgetful())
    del network
    gc.collect()
    assert weights() is not None
    del compiled
    gc.collect()
    assert weights() is None


def test_another_shape_than_the_recorded_one_is_refused(device: torch.device) -> None:
    compiled = recorded(PICTURE, device)
    latents, time = inputs(PICTURE)
    with pytest.raises(ValueError, match=r"the picture is recorded for \(2, 4, 8, 10\), and was given \(1, 4, 8, 10\)"):
        compiled(latents[:1], time)
    with pytest.raises(ValueError, match="shorter"):
        compiled(latents)


def test_what_cannot_be_captured_runs_all_the_same_and_says_so_once(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.WARNING):
        compiled = recorded(PICTURE, torch.device("cpu"), how=Unrecordable())
        for seed in range(3):
            wanted = eager(PICTURE, torch.device("cpu"))(*inputs(PICTURE, seed))
            np.testing.assert_allclose(compiled(*inputs(PICTURE, seed)), wanted, atol=1e-5)
    assert compiled.precision == "fp32"
    (said,) = caplog.messages
    assert said == (
        "the picture cannot be captured as a CUDA graph (CUDA error: operation not permitted when stream is capturing);"
        " it runs launch by launch, which is slower"
    )


def test_a_card_without_room_is_an_error_with_its_remedy() -> None:
    with pytest.raises(BuildError, match=r"the picture does not run on the card \(CUDA out of memory.*\); close what"):
        recorded(PICTURE, torch.device("cpu"), how=OutOfMemory())


@pytest.mark.gpu
def test_a_network_that_asks_for_a_value_is_not_captured_and_still_right(caplog: pytest.LogCaptureFixture) -> None:
    card = torch.device("cuda")
    with caplog.at_level(logging.WARNING):
        compiled = recorded(SORTING, card)
    assert "the sorting cannot be captured as a CUDA graph" in caplog.text
    for values in inputs(SORTING), tuple(-array for array in inputs(SORTING)):
        np.testing.assert_allclose(compiled(*values), eager(SORTING, card)(*values))
    # the card is whole afterwards
    np.testing.assert_allclose(
        recorded(PICTURE, card)(*inputs(PICTURE)), eager(PICTURE, card)(*inputs(PICTURE)), atol=1e-5
    )


@pytest.mark.gpu
@pytest.mark.parametrize("precision", ["fp32", "bf16"])
def test_the_embedded_model_is_captured_whole_and_computes_the_same(
    precision: Any, embedded: dict[str, Module], caplog: pytest.LogCaptureFixture
) -> None:
    backend = TorchBackend(precision, 0, "gpu")
    for module in embedded.values():
        with caplog.at_level(logging.WARNING):
            compiled = backend.compile(module)
        assert isinstance(compiled, RecordedModule)
        assert compiled.precision == precision
        for seed in range(2):
            wanted = TorchBackend("fp32", 0, "cpu").compile(module)(*inputs(module, seed))
            found = compiled(*inputs(module, seed))
            cosine = (found * wanted).sum() / np.linalg.norm(found) / np.linalg.norm(wanted)
            assert cosine > (0.99999 if precision == "fp32" else 0.99), module.name
    assert "cannot be captured" not in caplog.text


def test_inputs_lie_as_convolutions_want_them() -> None:
    latents, time = static_inputs(PICTURE, torch.device("cpu"), torch.bfloat16)
    assert latents.is_contiguous(memory_format=torch.channels_last)
    assert (latents.shape, latents.dtype, time.dtype) == ((2, 4, 8, 10), torch.bfloat16, torch.bfloat16)
    values, steps = static_inputs(MIXED, torch.device("cpu"), torch.bfloat16)
    assert values.is_contiguous()
    assert steps.dtype == torch.int64


TURING = Card(name="T4", capability=(7, 5), bf16=False)
AMPERE = Card(name="A10", capability=(8, 6), bf16=True)
PASCAL = Card(name="P40", capability=(6, 1), bf16=False)


@pytest.mark.parametrize(
    ("asked", "card", "expected"),
    [("auto", None, "fp32"), ("bf16", None, "bf16"), ("auto", AMPERE, "bf16"), ("auto", TURING, "fp16"),
     ("auto", PASCAL, "fp32"), ("fp32", AMPERE, "fp32"), ("fp16", AMPERE, "fp16")],
)  # fmt: skip
def test_precision_by_what_the_card_computes_in(asked: Any, card: Card | None, expected: str) -> None:
    assert pick_precision(asked, card) == expected


def test_a_precision_that_is_not_there_is_refused() -> None:
    with pytest.raises(BuildError, match=r"picture\.precision is bf16, but the T4 does not compute in it; set it to"):
        pick_precision("bf16", TURING)
    with pytest.raises(BuildError, match=r"picture\.precision is fp16, which is made for cards, not for the CPU"):
        TorchBackend("fp16", 0, "cpu")


class Attentions(TorchDispatchMode):
    """Counts fused attentions, and the products and softmaxes that one is made of."""

    def __init__(self) -> None:
        super().__init__()
        self.fused = self.softmax = 0

    @override
    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        name = str(func)
        self.fused += "scaled_dot_product" in name
        self.softmax += "softmax" in name
        return func(*args, **(kwargs or {}))


@pytest.mark.parametrize("name", ["text-encoder", "denoiser"])
def test_attention_is_fused(embedded: dict[str, Module], name: str) -> None:
    module = embedded[name]
    network = module.load().eval()
    with Attentions() as counted, torch.no_grad():
        network(*static_inputs(module, torch.device("cpu"), torch.float32))
    assert counted.fused > 0
    assert counted.softmax == 0

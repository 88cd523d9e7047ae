"""8 bits by NNCF: a quantised OpenVINO model from the shared ONNX export, let through only by the parity gate.

Convolutions are computed in 8 bits, weights and activations, all but the first and the last: these and the matrix
products of attention lose most and gain least (docs/benchmarks.md). The ranges of activations are the mean extremes of
the examples, or where that does not pass the gate (decoders are given outliers), the extremes themselves. Where neither
passes, or there are no convolutions, only weights are kept in 8 bits. Quantisation is Jacob et al. 2018, with Xiao et
al. 2022's smoothing. This module does *not* keep what it makes.
"""

from __future__ import annotations

import dataclasses
import json
import logging
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any, Final, TypeAlias

from speakage_engines.api import BuildError, Progress
from speakage_engines.compile import parity
from speakage_engines.compile.examples import Examples, read
from speakage_engines.compile.openvino_run import INT8, INT8_WEIGHTS, OpenVinoModule, core

Way: TypeAlias = Callable[[Any, Examples], Any]
"""Makes a quantised model of a model of OpenVINO's, which it may spoil."""
MODEL_FILE: Final = "model.xml"
FACTS_FILE: Final = "parity.json"
"""What the gate measured, for people."""
QUANTISER: Final = 1
"""Raised when this module quantises otherwise."""


def nncf_version() -> str:
    """Of what is installed; raises :class:`BuildError` when it is not."""
    try:
        return version("nncf")
    except PackageNotFoundError:
        raise BuildError(
            "picture.precision is int8, which NNCF makes, and it is not installed: pip install 'speakage[int8]', "
            "or set picture.precision to auto"
        ) from None


@dataclass(frozen=True, slots=True, kw_only=True)
class QuantiseTask:
    """Quantises an export into a folder: a :class:`speakage_engines.compile.build.Task`."""

    onnx: Path
    folder: Path
    name: str
    examples: Path
    """Folder of :func:`speakage_engines.compile.examples.record`."""
    device: str
    options: dict[str, Any]
    """OpenVINO's, by which the model will be compiled."""

    def __call__(self, progress: Progress) -> None:
        """Write the model, and what the gate measured beside it; raises :class:`BuildError` or :class:`OSError`."""
        import openvino as ov

        examples = read(self.examples, self.name)
        _quietly()
        progress(f"quantising the {self.name} (once)", 0.0)
        refusals = []
        for way in _ways(core().read_model(self.onnx)):
            try:
                model, found = self._through_the_gate(way, examples)
                break
            except BuildError as error:
                refusals.append(error)
        else:
            # of the fastest way: what the slower ones lacked says less
            raise refusals[0]
        ov.save_model(model, self.folder / MODEL_FILE, compress_to_fp16=False)
        facts = json.dumps(dataclasses.asdict(found), indent=2) + "\n"
        (self.folder / FACTS_FILE).write_text(facts, encoding="utf-8")

    def _through_the_gate(self, way: Way, examples: Examples) -> tuple[Any, parity.Parity]:
        model = way(core().read_model(self.onnx), examples)
        compiled = OpenVinoModule(core().compile_model(model, self.device, self.options))
        if compiled.precision not in (INT8, INT8_WEIGHTS):
            raise BuildError(
                f"the {self.name} has nothing that OpenVINO keeps in 8 bits on this {self.device}; "
                "set picture.precision to auto"
            )
        found = parity.measure(self.name, "openvino", compiled, examples.parity)
        parity.check(found)
        return model, found


def _quietly() -> None:
    """NNCF prints what it does on standard output."""
    import nncf

    nncf.set_log_level(logging.ERROR)


def _ways(model: Any) -> Iterator[Way]:
    """What to try, the fastest first."""
    if len(_convolutions(model)) > 2:  # the first and the last are left out
        yield partial(convolutions, extremes=False)
        yield partial(convolutions, extremes=True)
    yield weights


def convolutions(model: Any, examples: Examples, *, extremes: bool) -> Any:
    """Weights and activations of all convolutions but the first and the last."""
    import nncf
    from nncf.quantization.range_estimator import RangeEstimatorParametersSet

    found = _convolutions(model)
    products = [product.get_friendly_name() for product in _operations(model, "MatMul")]
    ranges = RangeEstimatorParametersSet.MINMAX if extremes else RangeEstimatorParametersSet.MEAN_MINMAX
    data = [list(inputs) for inputs in examples.calibration]
    return nncf.quantize(
        model,
        nncf.Dataset(data),
        subset_size=len(data),
        model_type=nncf.ModelType.TRANSFORMER,
        ignored_scope=nncf.IgnoredScope(
            names=[found[0], found[-1], *products, *_convolutions(model, of_adapters=True)]
        ),
        advanced_parameters=nncf.AdvancedQuantizationParameters(activations_range_estimator_params=ranges),
    )


def weights(model: Any, _: Examples) -> Any:
    """Weights alone, symmetric, one scale a channel."""
    import nncf

    return nncf.compress_weights(model, mode=nncf.CompressWeightsMode.INT8_SYM)


def _convolutions(model: Any, *, of_adapters: bool = False) -> list[str]:
    """Names in the order in which they run: of those with weights, or of those whose weights adapters give."""
    return [
        found.get_friendly_name()
        for found in _operations(model, "Convolution")
        if of_adapters != _is_weight(found.input_value(1).get_node())
    ]


def _is_weight(found: Any) -> bool:
    """Constants may be behind a change of type."""
    if found.get_type_name() == "Convert":
        found = found.input_value(0).get_node()
    return bool(found.get_type_name() == "Constant")


def _operations(model: Any, kind: str) -> list[Any]:
    """In the order in which they run."""
    return [found for found in model.get_ordered_ops() if found.get_type_name() == kind]

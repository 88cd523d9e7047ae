"""The backend for NVIDIA cards: plans by TensorRT, from the shared ONNX export, kept in the engine store.

Building needs no card when one is named (TensorRT-RTX); running does. This module does *not* know how either is
done: see :mod:`speakage_engines.compile.tensorrt_build` and :mod:`speakage_engines.compile.tensorrt_run`.
"""

from __future__ import annotations

import dataclasses
import logging
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Final, Literal

import torch

from speakage_engines.api import BackendName, CompiledModule, EngineError, PictureSpec
from speakage_engines.compile.key import CompiledKey, ExportKey
from speakage_engines.compile.low_rank import Room, Wearable
from speakage_engines.compile.module import Module
from speakage_engines.compile.parameters import read_parameters
from speakage_engines.compile.store import EngineStore
from speakage_engines.compile.tensorrt_build import PlanOptions, PlanTask
from speakage_engines.compile.tensorrt_library import CURRENT, LibraryName, open_library, resolve_target
from speakage_engines.compile.tensorrt_refit import Refitted
from speakage_engines.compile.tensorrt_run import RunOptions, TensorRtModule

log = logging.getLogger(__name__)

RUNTIME_CACHE: Final = ".tensorrt"
"""Folder beside the engines: what is in an engine's own folder never changes."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TensorRtSettings:
    """What is not the same for all backends."""

    library: LibraryName | None = None
    """None takes whichever is installed, RTX's first."""
    plan: PlanOptions = field(default_factory=PlanOptions)
    run: RunOptions = field(default_factory=RunOptions)

    @classmethod
    def of(cls, spec: PictureSpec, target: str = CURRENT) -> TensorRtSettings:
        """What a picture model is built and run with."""
        plan = PlanOptions(
            target=target,
            workspace_mb=spec.tensorrt_workspace_mb,
            weight_streaming=spec.tensorrt_weights_mb >= 0,
            # a plan whose weights can be exchanged is slower to build, and needs the card for it
            refit=bool(spec.adapters or spec.adapter_rank),
        )
        return cls(plan=plan, run=RunOptions(streaming_budget_mb=max(0, spec.tensorrt_weights_mb)))


class TensorRtBackend:
    """fp16, which all these cards compute in fast, unless told otherwise."""

    name: BackendName = "tensorrt"

    def __init__(
        self,
        precision: Literal["auto", "fp32", "fp16", "bf16"],
        store: EngineStore,
        settings: TensorRtSettings | None = None,
    ) -> None:
        settings = settings or TensorRtSettings()
        self._library = open_library(settings.library)
        card = torch.cuda.get_device_capability() if torch.cuda.is_available() else None
        target = resolve_target(settings.plan.target, self._library, card)
        self._plan = dataclasses.replace(settings.plan, target=target)
        self._run = settings.run
        self._store = store
        self._precision: Literal["fp32", "fp16", "bf16"] = "fp16" if precision == "auto" else precision
        self._here = card is not None and target == f"sm{card[0]}{card[1]}"
        self.device = torch.cuda.get_device_name() if self._here else target
        self.version = f"{'rtx ' if self._library.is_rtx else ''}{self._library.version}"

    @property
    def target(self) -> str:
        """The compute capability that is built for."""
        return self._plan.target

    def key(self, module: Module) -> CompiledKey:
        """What a plan of this module is kept under."""
        return CompiledKey(
            export=ExportKey.of(self._typed(module)).digest(),
            backend=self._library.name,
            backend_version=self._library.version,
            target=self.target,
            precision=self._precision,
            options=self._plan.named(),
        )

    def build(self, module: Module) -> Path:
        """The folder of the module's plan, built now if need be; raises :class:`BuildError`. Needs no card."""
        if self._typed(module).precision != self._precision:
            log.info("the %s computes in fp32: its values do not fit in %s", module.name, self._precision)
        return self._store.engine(self._name(module), self.key(module), partial(self._make, module))

    def _name(self, module: Module) -> str:
        return f"{module.name}-{self.target}"

    def is_made(self, module: Module) -> bool:
        """Whether its plan is kept."""
        return self._store.find(self._name(module), self.key(module)) is not None

    def wearable(self, module: Module, compiled: CompiledModule, room: Room) -> Wearable:  # noqa: ARG002  it needs none
        """Adapters are added to its weights; raises :class:`EngineError` for a plan that is not this backend's."""
        if not isinstance(compiled, TensorRtModule):
            raise EngineError(f"the {module.name} is no plan of TensorRT, so its weights cannot be exchanged")
        return Refitted(compiled, module, lambda: read_parameters(self._store.onnx(self._typed(module))))

    def compile(self, module: Module) -> CompiledModule:
        """Build if need be, and load the plan onto the card."""
        if not self._here:
            raise EngineError(
                f"a plan for {self.target} does not run here: torch sees no such card; "
                "use --target current, or set picture.backend to auto"
            )
        folder = self.build(module)
        return TensorRtModule(folder, self._library, folder.parent / RUNTIME_CACHE / folder.name, self._run)

    def _make(self, module: Module, folder: Path) -> None:
        task = PlanTask(
            onnx=self._store.onnx(self._typed(module)),
            folder=folder,
            name=module.name,
            inputs=module.inputs,
            library=self._library.name,
            options=self._plan,
        )
        self._store.apart(f"building the {module.name} for {self.target}", task)

    def _typed(self, module: Module) -> Module:
        """The networks are strongly typed: what is computed in is what the export says."""
        whole = module.overflows and self._precision == "fp16"
        return dataclasses.replace(module, precision="fp32" if whole else self._precision)

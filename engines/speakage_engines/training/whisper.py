"""Recipe: train embedded ears from nothing but synthesisers, and hand over a folder that the engine loads.

1. Sentences are spoken into ``speech/`` (espeak-ng, flite, festival where installed; resumable), and those of the
   yardstick into ``yardstick.npz``. With both in place, copied from elsewhere even, no synthesiser is needed.
2. A tokenizer learns from them (``tokenizer.json``).
3. A small Whisper with a spelling head trains on windows made on the fly: AdamW, warm-up and cosine, EMA, bf16
   where it is fast. ``log.csv`` keeps the losses; checkpoints resume exactly (on a GPU, up to its order of sums).
4. The averaged weights go to ``transformers/`` (for another run's ``start_from``) and, by CTranslate2's converter in
   int8, to ``ears/``, with a ``speakage.json``.
5. The word error rate on voices never heard is told and kept in ``ears.json``.

Whatever is there already is not made again: start an interrupted run once more with the same settings and folder.
The recipe chooses no clever thresholds and does not judge wordless sound: that is for the evaluation.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any, Final, Literal

import torch
from accelerate import Accelerator  # type: ignore[import-untyped]
from accelerate.utils import InitProcessGroupKwargs, gather_object  # type: ignore[import-untyped]
from tokenizers import Tokenizer
from torch.optim.swa_utils import AveragedModel
from torch.utils.data import DataLoader

from speakage_engines.api import Progress, no_progress
from speakage_engines.training.batches import Share
from speakage_engines.training.checkpoint import Checkpoints, Place, Stateful, generator_states
from speakage_engines.training.log import CsvLog, Pace
from speakage_engines.training.phrases import announcements
from speakage_engines.training.precision import Precision, best_precision, computing
from speakage_engines.training.speech import Plan, Speech, make
from speakage_engines.training.whisper_export import EARS_FOLDER, export, keep_report, open_ears
from speakage_engines.training.whisper_import import read_ears
from speakage_engines.training.whisper_model import Ears, Losses, Size, fresh
from speakage_engines.training.whisper_tokens import train as train_tokenizer
from speakage_engines.training.windows import Batch, Windows
from speakage_engines.training.yardstick import measure, yardstick

TOKENIZER_FILE: Final = "tokenizer.json"
YARDSTICK_FILE: Final = "yardstick.npz"


@dataclass(frozen=True, slots=True, kw_only=True)
class WhisperSettings:
    """Everything that shapes a run, and where it runs. See :func:`preset`."""

    size: Size = field(default_factory=Size)
    pieces: int = 1_000
    """Of the tokenizer, the special tokens not counted."""
    utterances: int = 24_000
    batch: int = 16
    """Windows a step, for one process."""
    steps: int = 20_000
    learning_rate: float = 1e-3
    warm_up_steps: int = 500
    weight_decay: float = 0.01
    clip: float = 1.0
    """Norm of the gradient."""
    spelling_first: float = 1.0
    """Weight of the spelling loss at the beginning; it falls evenly to ``spelling_last``."""
    spelling_last: float = 0.2
    average: float = 0.9995
    """Decay of the averaged weights; lower in the first steps."""
    seed: int = 1
    precision: Precision = field(default_factory=best_precision)
    device: Literal["cpu", "cuda"] = "cpu"
    workers: int = 0
    """Processes that make windows; 0 makes them between the steps."""
    threads: int = 0
    """Of torch on a CPU; 0 leaves it to torch. Another number sums in another order: losses then differ a little."""
    speakers: int = 2
    """Processes that speak."""
    log_every: int = 50
    checkpoint_every: int = 1_000
    measured: int = 60
    """Sentences for each voice of the yardstick."""
    start_from: Path | None = None
    """A ``transformers/`` or ``ears/`` folder of an earlier run, or the ears that ship: its weights, and the meaning of
    the pieces of words that are the same, with a fresh optimiser."""


def preset(name: Literal["cpu", "gpu"], **changes: Any) -> WhisperSettings:
    """``cpu``: meant for a few hours on two cores; ``gpu``: for one large GPU with sixteen cores."""
    own = WhisperSettings(size=Size(dropout=0.0), workers=1)
    if name == "gpu":
        own = WhisperSettings(
            size=Size(width=384, heads=6, encoder_layers=6, decoder_layers=4, dropout=0.1),
            pieces=1_500,
            utterances=120_000,
            batch=128,
            steps=14_000,
            warm_up_steps=1_000,
            device="cuda",
            workers=14,
            speakers=16,
            checkpoint_every=2_000,
            measured=200,
        )
    return replace(own, **changes)


def train(settings: WhisperSettings, folder: Path, progress: Progress = no_progress) -> Path:
    """Run the recipe in ``folder``; returns the folder of the finished ears.

    Under ``accelerate launch`` or ``torchrun`` every process takes its part of each batch of ``batch`` windows a
    process. Raises :class:`~speakage_engines.api.ModelError` when a synthesiser is missing or the weights to start from
    are, and :class:`EngineError` when ``folder`` holds a run that was begun with other settings.
    """
    folder.mkdir(parents=True, exist_ok=True)
    # the others wait while one process speaks for all
    patience = InitProcessGroupKwargs(timeout=timedelta(hours=4))
    accelerator = Accelerator(cpu=settings.device == "cpu", kwargs_handlers=[patience])
    share = Share(rank=accelerator.process_index, processes=accelerator.num_processes)
    plan = Plan(settings.utterances, settings.seed)
    with accelerator.main_process_first():
        speech = make(
            folder / "speech",
            plan,
            settings.speakers,
            lambda done, of: progress(f"speech: {done} of {of} shards", done / of),
        )
        said = yardstick(folder / YARDSTICK_FILE, settings.measured) if accelerator.is_main_process else []
        tokenizer = _tokenizer(settings, folder, speech)
    windows = Windows(speech, tokenizer, settings.batch, settings.steps, settings.seed, share)
    averaged = _learn(settings, folder, windows, accelerator, progress)
    if accelerator.is_main_process:
        ears = export(averaged.whisper, folder / TOKENIZER_FILE, folder)
        report = measure(open_ears(ears, settings.threads), said, progress)
        keep_report(report, folder)
        progress(f"ears: {report}", 1.0)
    accelerator.wait_for_everyone()
    return folder / EARS_FOLDER


def _learn(
    settings: WhisperSettings, folder: Path, windows: Windows, accelerator: Accelerator, progress: Progress
) -> Ears:
    """The loop; returns the averaged network on the CPU."""
    if settings.threads:
        torch.set_num_threads(settings.threads)
    torch.manual_seed(settings.seed)
    rank, processes, is_main = accelerator.process_index, accelerator.num_processes, accelerator.is_main_process
    tokenizer = Tokenizer.from_file(str(folder / TOKENIZER_FILE))
    begun = read_ears(settings.start_from, tokenizer) if settings.start_from else fresh(settings.size, tokenizer)
    ears = Ears(begun).to(accelerator.device)
    model = accelerator.prepare(ears)
    averaged = AveragedModel(ears, multi_avg_fn=_averaging(settings.average))
    optimiser = torch.optim.AdamW(
        ears.parameters(), lr=settings.learning_rate, weight_decay=settings.weight_decay, fused=True
    )
    parts: dict[str, Stateful] = {"ears": ears, "averaged": averaged, "optimiser": optimiser}
    checkpoints = Checkpoints(folder / "checkpoints", _identity(settings))
    generator = torch.Generator()
    first = checkpoints.resume(parts, generator, rank, processes).step
    log = CsvLog(folder / "log.csv", ("writing", "spelling", "learning_rate"), first) if is_main else None
    pace = Pace("ears", first, settings.steps, progress)
    ears.train()
    for step, batch in enumerate(_batches(windows, settings, first), first):
        # dropout hangs on the step alone, so that a resumed run drops the same
        torch.manual_seed(settings.seed * 1_000_003 + step * processes + rank)
        rate = learning_rate(settings, step)
        for group in optimiser.param_groups:
            group["lr"] = rate
        losses = _step(settings, accelerator, model, optimiser, batch, step)
        averaged.update_parameters(ears)
        done = step + 1
        pace.after(done)
        if done % settings.log_every == 0 or done == settings.steps:
            writing, spelling = (float(accelerator.reduce(one, "mean")) for one in (losses.writing, losses.spelling))
            if log:
                log.write(done, writing=writing, spelling=spelling, learning_rate=rate)
                pace.tell(done, writing)
        if done % settings.checkpoint_every == 0 or done == settings.steps:
            states = gather_object([generator_states(generator)])
            if is_main:
                checkpoints.save(Place(done, done * settings.batch * processes), parts, states)
            accelerator.wait_for_everyone()
    learned: Any = averaged.module.cpu().eval()  # torch does not know what it averages
    return learned  # type: ignore[no-any-return]


def _step(
    settings: WhisperSettings,
    accelerator: Accelerator,
    model: Any,
    optimiser: torch.optim.Optimizer,
    batch: Batch,
    step: int,
) -> Losses:
    device = accelerator.device
    moved = Batch(*(getattr(batch, name).to(device, non_blocking=True) for name in Batch.__slots__))
    with computing(device, settings.precision, moved.features.shape[-1] // 2):
        losses: Losses = model(moved)
    part = step / max(1, settings.steps)
    weight = settings.spelling_first + (settings.spelling_last - settings.spelling_first) * part
    optimiser.zero_grad(set_to_none=True)
    accelerator.backward(losses.writing + weight * losses.spelling)
    torch.nn.utils.clip_grad_norm_(model.parameters(), settings.clip)
    optimiser.step()
    return Losses(losses.writing.detach(), losses.spelling.detach())


def _batches(windows: Windows, settings: WhisperSettings, first: int) -> Iterator[Batch]:
    loader: DataLoader[Batch] = DataLoader(
        windows,
        batch_size=None,
        sampler=range(first, settings.steps),
        num_workers=settings.workers,
        prefetch_factor=4 if settings.workers else None,
        # threads of torch and of other libraries do not survive a fork
        multiprocessing_context="spawn" if settings.workers else None,
        generator=torch.Generator().manual_seed(settings.seed),
    )
    return iter(loader)


def learning_rate(settings: WhisperSettings, step: int) -> float:
    """A straight rise, then half a cosine down to a hundredth."""
    if step < settings.warm_up_steps:
        return settings.learning_rate * (step + 1) / settings.warm_up_steps
    part = (step - settings.warm_up_steps) / max(1, settings.steps - settings.warm_up_steps)
    return settings.learning_rate * (0.01 + 0.99 * 0.5 * (1 + math.cos(math.pi * min(1.0, part))))


def _averaging(decay: float) -> Any:
    """An exponential average that forgets its random beginning: the decay grows with the number of steps."""

    def average(kept: Sequence[torch.Tensor], new: Sequence[torch.Tensor], count: torch.Tensor | int) -> None:
        steps = int(count)
        for old, own in zip(kept, new, strict=True):
            old.lerp_(own, 1 - min(decay, (1 + steps) / (10 + steps)))

    return average


def _tokenizer(settings: WhisperSettings, folder: Path, speech: Speech) -> Tokenizer:
    """The run's own, made once."""
    path = folder / TOKENIZER_FILE
    if path.exists():
        return Tokenizer.from_file(str(path))
    tokenizer = train_tokenizer([*speech.texts(), *announcements(settings.seed)], settings.pieces)
    unfinished = path.with_suffix(".part")
    tokenizer.save(str(unfinished))
    unfinished.replace(path)
    return tokenizer


def _identity(settings: WhisperSettings) -> dict[str, Any]:
    """What a checkpoint must agree with: not where or how fast a run goes."""
    moved = WhisperSettings()
    same = replace(
        settings,
        **{
            name: getattr(moved, name)
            for name in ("workers", "threads", "speakers", "device", "log_every", "checkpoint_every", "measured")
        },
    )
    return asdict(same)

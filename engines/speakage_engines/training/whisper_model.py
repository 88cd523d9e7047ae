r"""The network that learns to hear: a small Whisper, and beside its encoder a head that spells.

Cross-entropy alone stays for thousands of steps where the decoder is a language model and says the same sentence for
every recording. The head learns from each letter by connectionist temporal classification (Graves et al. 2006), so the
encoder has to hear, and the decoder's attention finds something to align with. The head is dropped afterwards:
:math:`L = L_{CE} + w\,L_{CTC}`, with :math:`w` falling (Watanabe et al. 2017 keep both).

transformers' encoder accepts 30 s only; :func:`encode` runs its layers over shorter windows, as CTranslate2 does.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from torch import nn
from torch.nn import functional
from transformers import WhisperConfig, WhisperForConditionalGeneration
from transformers.modeling_outputs import BaseModelOutput
from typing_extensions import override

from speakage_engines.training.whisper_tokens import END, START
from speakage_engines.training.windows import FULL_FRAMES, IGNORED, LETTERS, MEL_BANDS, Batch

if TYPE_CHECKING:
    from tokenizers import Tokenizer

TARGET_POSITIONS = 448
"""Whisper's own: faster-whisper counts on it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    """How large a Whisper."""

    width: int = 256
    heads: int = 4
    encoder_layers: int = 4
    decoder_layers: int = 3
    dropout: float = 0.05


@dataclass(frozen=True, slots=True)
class Losses:
    """Means over what was to be written."""

    writing: torch.Tensor
    """Cross-entropy per token, nats."""
    spelling: torch.Tensor
    """CTC per letter, nats."""


class Ears(nn.Module):
    """Whisper and the spelling head."""

    def __init__(self, whisper: Any) -> None:
        super().__init__()
        self.whisper = whisper
        self.head = nn.Linear(whisper.config.d_model, len(LETTERS) + 1)

    @override
    def forward(self, batch: Batch) -> Losses:
        """Both losses of a batch that lies on the network's device."""
        heard = encode(self.whisper, batch.features)
        written = self.whisper(
            encoder_outputs=BaseModelOutput(last_hidden_state=heard), decoder_input_ids=batch.tokens, use_cache=False
        )
        writing = functional.cross_entropy(
            written.logits.float().flatten(0, 1), batch.labels.flatten(), ignore_index=IGNORED
        )
        spelled = functional.log_softmax(self.head(heard).float(), -1).transpose(0, 1)
        lengths = torch.full((len(batch.letter_counts),), spelled.shape[0], dtype=torch.int64)
        # by sum: a window without words has no letters to divide by, and still should spell nothing
        spelling = functional.ctc_loss(
            spelled, batch.letters, lengths, batch.letter_counts.cpu(), reduction="sum", zero_infinity=True
        )
        return Losses(writing, spelling / batch.letter_counts.sum().clamp(min=1))


def fresh(size: Size, tokenizer: Tokenizer) -> Any:
    """A Whisper with random weights; torch's generator decides them."""
    end = tokenizer.token_to_id(END)
    return WhisperForConditionalGeneration(
        WhisperConfig(
            vocab_size=tokenizer.get_vocab_size(),
            num_mel_bins=MEL_BANDS,
            d_model=size.width,
            encoder_layers=size.encoder_layers,
            encoder_attention_heads=size.heads,
            encoder_ffn_dim=4 * size.width,
            decoder_layers=size.decoder_layers,
            decoder_attention_heads=size.heads,
            decoder_ffn_dim=4 * size.width,
            max_source_positions=FULL_FRAMES // 2,
            max_target_positions=TARGET_POSITIONS,
            dropout=size.dropout,
            pad_token_id=end,
            bos_token_id=end,
            eos_token_id=end,
            decoder_start_token_id=tokenizer.token_to_id(START),
            suppress_tokens=None,
            # Whisper forbids an empty text; silence should be written as nothing
            begin_suppress_tokens=None,
        )
    )


def encode(whisper: Any, features: torch.Tensor) -> torch.Tensor:
    """The encoder over any even number of frames up to 3000: ``(n, 80, frames)`` → ``(n, frames / 2, width)``."""
    encoder = whisper.model.encoder
    hidden = functional.gelu(encoder.conv1(features))
    hidden = functional.gelu(encoder.conv2(hidden)).transpose(1, 2)
    hidden = hidden + encoder.embed_positions.weight[: hidden.shape[1]]
    hidden = functional.dropout(hidden, encoder.dropout, encoder.training)
    for layer in encoder.layers:
        hidden = layer(hidden, None)
    encoded: torch.Tensor = encoder.layer_norm(hidden)
    return encoded

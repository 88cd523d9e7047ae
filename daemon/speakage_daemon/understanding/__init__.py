"""From utterances to what should be painted: transcriber, stabiliser, prompt and director."""

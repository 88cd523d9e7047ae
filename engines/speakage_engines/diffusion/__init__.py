"""Latent diffusion: text encoding, the sampler, previews, and the model that puts them together."""

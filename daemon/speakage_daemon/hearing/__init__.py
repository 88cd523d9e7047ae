"""From sound to utterances: sources, the segmenter, the wake gate and the ear that runs them."""

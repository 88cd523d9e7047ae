"""Everything that touches weights. The daemon knows only :mod:`speakage_engines.api`."""

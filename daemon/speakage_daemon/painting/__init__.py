"""From decisions to pictures: the painter, and who yields to whom."""

"""Training from scratch: data drawn or read, and one recipe a file. There is no trainer base class on purpose."""

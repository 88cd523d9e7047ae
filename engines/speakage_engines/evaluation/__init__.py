"""Metrics and reports: how good a model is, with n, resolution and the feature network beside every figure."""

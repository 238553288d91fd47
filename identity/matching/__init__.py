"""Probabilistic links: records that are alike, how alike, and how probably they are one person."""

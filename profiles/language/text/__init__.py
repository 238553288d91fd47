"""Conditions as people write and read them: the same tree as one line of text, and in English."""

"""Drawings of what was built, and the same words as Mermaid text.

Read in this order: ``words`` (what is told of a part) → ``boxes`` (its text and size) → ``layout`` (where it
stands) → ``glyphs`` and ``pen`` (its shape) → ``figure`` (all panels); ``mermaid`` needs ``words`` alone.
"""

"""Drawings of what was built: words → boxes → layout → pen → figure, and the same words as Mermaid."""

"""The scenario language: YAML text in, a frozen tree in seconds and bytes out."""

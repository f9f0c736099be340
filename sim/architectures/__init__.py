"""One comparable design per file: its options and how it wires public components."""

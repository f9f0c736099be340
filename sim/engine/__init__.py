"""Time, chance and observation; nothing of messaging."""

"""From what a run left behind to numbers and intervals; nothing of the model, nothing of pictures."""

"""What :mod:`sim.analysis.streaming` keeps of the slices of a run, by subject."""

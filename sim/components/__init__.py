"""One physical thing per file, as SimPy processes: what the simulator means."""

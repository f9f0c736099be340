"""From a scenario to a study: one run, many runs, and the files they leave."""

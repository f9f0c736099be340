"""What closed forms say of a scenario: before it runs, and beside what it then measured.

Nothing is simulated here: options are read, formulas of :mod:`sim.analysis` applied. Read in this order:

- the load: ``offered`` (what callers send) and ``plans`` (which pool does what), ``service`` (moments of a
  service time), together ``loads``; from them ``stability`` and ``work`` (how long a worker holds a message)
- steady states: ``waiting`` (the textbook queue of one pool), ``latencies`` (of one effect, end to end)
- faults: ``fluid`` (a backlog as water), ``tolls`` (what one fault costs), ``outcomes`` (of all of them)
- what is told: ``closed_form`` (one statement), ``load_rows``, ``advice``, and ``forecast``, which asks all
"""

"""The simulator against closed forms: every case of ``verification_cases.json``, through the real path.

A case names parameters, metrics, what they must be and how close. Here each has a scenario in the scenario
language (``sim/data/selfcheck``, which ``sim run`` takes as well), is run as every study is, and is judged
from what a study leaves: samples, messages, lag. Read in this order: ``cases`` (what must be) → ``tolerance``
(how close) → ``seen`` (what a study shows) → ``experiment`` (scenario and reading of one case) →
``queueing``, ``recovery``, ``delivery`` and ``golden`` (the cases themselves) → ``plan`` (all of them) →
``check`` (the run).
"""

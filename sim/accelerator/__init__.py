"""The accelerator: pools that feed nothing back are worked out in blocks, message by message, without events.

The model is :mod:`sim.components`, written as SimPy processes; here nothing is modelled. What a pool makes of
what arrives follows from draws attached to (message, effect, attempt) and from fault timelines, all known
before the run, so that the whole fate of a delivery is known when it starts. A component takes its arrivals,
sorted by time, and writes the same columns of the ledger, bit for bit, that its processes would have written:

- :mod:`~sim.accelerator.choice` says which pools can be worked out so, and why others cannot;
- :mod:`~sim.accelerator.publishing` what arrives at them;
- :mod:`~sim.accelerator.hands` what a worker makes of one delivery, with all that can go wrong;
- :mod:`~sim.accelerator.plain` is the hot loop for all that goes well;
- :mod:`~sim.accelerator.queue_pool` tells what a queue does in between;
- :mod:`~sim.accelerator.group_pool` what a consumer group does, member by member.

Where two things meet that blocks do not keep apart, they say so (:class:`~sim.accelerator.choice.Inexact`),
and the whole run is simulated by its processes.
"""

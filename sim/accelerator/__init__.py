"""The accelerator: pools that feed nothing back are worked out in blocks, message by message, without events.

The model is :mod:`sim.components`, written as SimPy processes; here nothing is modelled. What a pool makes of
what arrives follows from draws attached to (message, effect, attempt) and from fault timelines, all known
before the run, so that the whole fate of a delivery is known when it starts. A component takes its arrivals,
sorted by time, and writes the same columns of the ledger, bit for bit, that its processes would have written.

- :mod:`~sim.accelerator.run` is one run: :mod:`~sim.accelerator.choice` says which pools can be worked out
  and why others cannot, :mod:`~sim.accelerator.publishing` what arrives at them;
- ``queue_pool`` (with ``returns``), ``group_pool`` (with ``member``, ``working``, ``assignment``, ``lane``,
  ``inflow``), ``push_pool`` and ``request_pool`` (with ``service``, ``doors``) tell what each kind of holder
  does between deliveries;
- :mod:`~sim.accelerator.plain` and ``fetching`` are the hot loops, for all that goes well; ``redelivery`` and
  ``repeats`` are second deliveries that do; ``block`` is what they read and write, ``columns`` fills the
  ledger with it, ``crew`` knows which worker is next;
- :mod:`~sim.accelerator.rough` is a short way for what goes wrong most often, ``hands`` the careful way: what
  a worker makes of one delivery, whatever happens;
- :mod:`~sim.accelerator.slicing` runs part by part where messages are not kept.

Where two things meet that blocks do not keep apart, they say so (:class:`~sim.accelerator.choice.Inexact`),
and the whole run is simulated by its processes.
"""

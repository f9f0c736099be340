"""Laws of the clock: loops take their turns as SimPy processes do, and what is woken goes on at once."""

from __future__ import annotations

from sim.engine.environment import PUSH_AGAIN, DelayLine, Environment, Loop


class Diary:
    """Notes of what happened when."""

    def __init__(self):
        self.env = Environment()
        self.notes = []

    def note(self, what):
        """Something happened now."""
        self.notes.append((self.env.now, what))

    def loop(self, *steps):
        """A loop that waits for each of (time, rank) in turn and notes its name."""
        name = f"loop {len(self.notes)}"

        def run():
            for step in steps:
                yield made.at(*step)
                self.note(name)

        made = Loop(self.env, run())
        return made

    def process(self, *steps):
        """The same as a SimPy process."""

        def run():
            for step in steps:
                yield self.env.at(*step)
                self.note("process")

        self.env.process(run())


def test_loops_and_processes_take_their_turns_in_the_order_of_scheduling():
    """At one instant and of one rank, who asked first comes first, whatever kind it is."""
    diary = Diary()
    diary.loop((1.0,), (2.0,))
    diary.process((1.0,), (2.0,))
    diary.env.run_until(3.0)
    assert diary.notes == [(1.0, "loop 0"), (1.0, "process"), (2.0, "loop 0"), (2.0, "process")]


def test_a_rank_comes_before_the_order_of_scheduling():
    """A loop that asked first for a later rank has to wait for a process of an earlier one."""
    diary = Diary()
    diary.loop((1.0, PUSH_AGAIN))
    diary.process((1.0,))
    diary.env.run_until(3.0)
    assert [who for _, who in diary.notes] == ["process", "loop 0"]


def test_a_run_ends_before_what_happens_at_its_end():
    """What falls on the end of a stretch belongs to the next one; a loop that is over is gone."""
    diary = Diary()
    diary.loop((1.0,), (2.0,))
    diary.env.run_until(2.0)
    assert (diary.env.now, len(diary.notes)) == (2.0, 1)
    diary.env.run_until(5.0)
    assert (diary.env.now, len(diary.notes)) == (5.0, 2)


def test_a_loop_goes_on_at_once_only_if_nothing_comes_before():
    """``reach`` waits for what happens until then, even at the same instant, and else does not."""
    diary = Diary()
    waited = []

    def run():
        for time in (1.0, 2.0, 3.0):
            waited.append(made.reach(time))
            if waited[-1]:
                yield time
            diary.note("arrival")

    made = Loop(diary.env, run())
    diary.env.call_at(2.0, lambda: diary.note("other"))
    diary.env.run_until(10.0)
    assert waited == [False, True, False]
    assert diary.notes == [(1.0, "arrival"), (2.0, "other"), (2.0, "arrival"), (3.0, "arrival")]


def test_what_is_woken_goes_on_at_once_and_what_it_wakes_in_its_turn():
    """A chain of 2001 loops that wake each other reaches its end and does not exhaust the stack."""
    diary = Diary()
    loops = []

    def run(number):
        while True:
            diary.note((yield))
            if number < 2000:
                diary.env.wake(loops[number + 1], number + 1)
            diary.note("done")

    loops += [Loop(diary.env, run(number)) for number in range(2001)]
    diary.env.run_until(1.0)
    diary.env.wake(loops[0], 0)
    assert [what for _, what in diary.notes] == [0, "done"]
    diary.env.run_until(2.0)
    assert [what for _, what in diary.notes if what != "done"] == [*range(2001)]
    assert {time for time, _ in diary.notes} == {1.0}


def test_a_delay_line_gives_back_in_order_what_was_not_forgotten():
    """Each thing comes out a delay after it went in, unless it was taken from the front meanwhile."""
    diary = Diary()
    unwanted = {2}

    def forget(things):
        while things and things[0][1] in unwanted:
            things.popleft()

    line = DelayLine(diary.env, 5.0, diary.note, forget)
    for thing, time in enumerate((1.0, 2.0, 3.0, 20.0)):
        diary.env.call_at(time, lambda thing=thing: line.add(thing, diary.env.now))
    diary.env.run_until(50.0)
    assert diary.notes == [(6.0, 0), (7.0, 1), (25.0, 3)]

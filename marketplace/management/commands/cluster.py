"""The cluster runs jobs; its ticker queues the sweeps."""

import logging
import os
import select
import signal
import uuid
from argparse import ArgumentParser
from collections.abc import Callable
from multiprocessing.process import BaseProcess
from threading import Event
from time import sleep
from typing import Any

from django.core.management.base import BaseCommand
from django.db import Error, connection, connections
from django_q.cluster import Sentinel, get_mp_context
from django_q.conf import Conf
from django_q.pusher import pusher

from marketplace.core import children, sweeps, vitals

TICK_S = 0.5
PAUSE_S = 1.0  # before a guard that died is replaced, or a database that was away is asked again
LEAVE_WITHIN_S = 2.0
STOP_WITHIN_S = 12.0  # a job that runs longer is killed; it runs again later

log = logging.getLogger("cluster")


class Stop:
    """Set by one process, waited for by another that was forked from it.

    multiprocessing's own Event waits in `set` until every sleeper has woken; one that was killed never does.
    """

    def __init__(self) -> None:
        self.reader, self.writer = os.pipe()

    def set(self) -> None:
        os.write(self.writer, b".")

    def is_set(self) -> bool:
        return self.wait(0)

    def wait(self, timeout_s: float) -> bool:
        return bool(select.select([self.reader], [], [], timeout_s)[0])

    def close(self) -> None:
        os.close(self.reader)
        os.close(self.writer)


class Guard(Sentinel):
    """django-q2's sentinel, made to survive a killed process and a database that is away for a moment."""

    def start(self) -> None:
        """Leave SIGTERM to the main process: sent to the whole group, it would cut running jobs off."""
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        super().start()

    def spawn_pusher(self) -> BaseProcess:
        self.broker.dequeue = patient(self.broker.dequeue)
        return self.spawn_process(pusher, self.task_queue, self.event_out, self.broker)

    def reincarnate(self, process: BaseProcess) -> None:
        """Replace a process that ended; where it was killed, end instead, so that all of them are replaced.

        An idle job process waits with the lock of the job queue in its hand. Killed there, it leaves the lock taken,
        and its replacement would wait for ever: only a new queue helps.
        """
        if process.exitcode is not None and process.exitcode < 0:
            name = signal.Signals(-process.exitcode).name
            log.error("job process %d was killed by %s; all of them end", process.pid, name)
            os._exit(1)  # and with it, those it forked
        process.join(LEAVE_WITHIN_S)  # one whose job took too long is still on its way out
        if process.is_alive():
            log.error("job process %d does not end in time; all of them are killed", process.pid)
            os._exit(1)
        super().reincarnate(process)


class Jobs:
    """The processes that run jobs, below one guard that can be replaced; all of them die with this process."""

    def start(self) -> None:
        connections.close_all()  # a connection shared with a fork mixes up answers
        context = get_mp_context()
        self.asked_to_stop = Stop()
        options = (self.asked_to_stop, context.Event(), uuid.uuid4(), None, Conf.TIMEOUT)
        self.guard = context.Process(target=Guard, args=options, name="guard")
        self.guard.start()

    def restart(self) -> None:
        """Begin anew after the guard has ended."""
        self.asked_to_stop.close()
        self.start()

    def stop(self) -> None:
        """End when running jobs have ended, but soon."""
        self.asked_to_stop.set()
        self.guard.join(STOP_WITHIN_S)
        if self.guard.is_alive():
            log.warning("jobs are still running after %.0f s; killed, they will run again", STOP_WITHIN_S)
            self.guard.kill()  # and with it, those it forked
            self.guard.join()


class Command(BaseCommand):
    help = "Run background jobs and queue the sweeps that are due, until SIGTERM or Ctrl-C."
    requires_system_checks = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        children.add_option(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        if options["with_parent"]:
            children.die_with(options["with_parent"])
        children.bind_forks()
        stopping = Event()
        jobs = Jobs()
        jobs.start()
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, lambda *_: stopping.set())
        log.info("cluster running: %d job processes, a tick every %.1f s", Conf.WORKERS, TICK_S)
        ticker = Ticker()
        while not stopping.wait(TICK_S):
            if not jobs.guard.is_alive():
                log.error("the guard ended with exit code %s; a new one starts", jobs.guard.exitcode)
                stopping.wait(PAUSE_S)
                jobs.restart()
            ticker.tick()
        jobs.stop()
        log.info("cluster stopped")


class Ticker:
    """Queues the sweeps that are due; a database that is away costs it nothing but ticks."""

    is_failing = False

    def __init__(self) -> None:
        self.life = vitals.Life()

    def tick(self) -> None:
        try:
            sweeps.tick()
            self.life.show()
        except Error as error:
            connection.close()
            if not self.is_failing:
                log.warning("no ticks for now: %s", str(error).partition("\n")[0])
            self.is_failing = True
        else:
            if self.is_failing:
                log.warning("ticks again")
            self.is_failing = False


def patient(dequeue: Callable[[], Any]) -> Callable[[], Any]:
    """The same, with no jobs where the database gives an error, for which django-q2 would pause for 10 s."""

    def dequeued() -> Any:
        try:
            return dequeue()
        except Error as error:
            log.warning("no jobs for now: %s", str(error).partition("\n")[0])
            connections.close_all()
            return sleep(PAUSE_S)

    return dequeued

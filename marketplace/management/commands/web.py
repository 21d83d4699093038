"""The web server alone."""

import os
import resource
from argparse import ArgumentParser
from functools import partial
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError
from django.db import connections
from granian import Granian
from granian.constants import HTTPModes, Interfaces
from granian.http import HTTP1Settings

from marketplace.asgi import Site
from marketplace.core import children

LOOPBACK = ("127.0.0.1", "::1", "localhost")
PROCESSES, THREADS = 2, 4  # four blocking threads a process were fastest on two cores


class Command(BaseCommand):
    help = "Serve pages and API over HTTP; `manage.py serve` runs this and the cluster."
    requires_system_checks = []

    def add_arguments(self, parser: ArgumentParser) -> None:
        add_options(parser)
        children.add_option(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        refuse_the_world(options["host"])
        if not children.is_free(options["host"], options["port"]):
            raise CommandError(f"port {options['port']} of {options['host']} is taken or not allowed")
        if options["with_parent"]:
            children.die_with(options["with_parent"])
        connections.close_all()
        server = Granian(
            "marketplace.asgi:Site",
            address=options["host"],
            port=options["port"],
            interface=Interfaces.ASGINL,
            workers=options["processes"],
            http=HTTPModes.http1,  # the time for headers begins with the connection; where HTTP/2 is looked for, not
            http1_settings=HTTP1Settings(
                header_read_timeout=settings.HEADERS_WITHIN_S * 1000, max_buffer_size=settings.HEADERS_MOST_BYTES
            ),
            backpressure=connections_most(),
            websockets=False,
            respawn_failed_workers=True,
            workers_kill_timeout=10,
            log_dictconfig=settings.LOGGING,
        )
        server.serve(target_loader=partial(_load, options["threads"]))


def add_options(parser: ArgumentParser) -> None:
    parser.add_argument("--host", default="127.0.0.1")
    parser.add_argument("--port", type=int, default=8000)
    parser.add_argument("--processes", type=int, default=PROCESSES)
    parser.add_argument("--threads", type=int, default=THREADS, help="requests at a time in each process")


def refuse_the_world(host: str) -> None:
    """Raise CommandError for an address others can reach, unless this is meant for production."""
    if host not in LOOPBACK and not settings.PRODUCTION:
        raise CommandError(f"--host {host} is open to others, which needs PRODUCTION=1 and its settings")


def connections_most() -> int:
    """How many connections a process takes: as set, and fewer where it may not open as many files; all that it may."""
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))
    return settings.CONNECTIONS_MOST if most == resource.RLIM_INFINITY else min(settings.CONNECTIONS_MOST, most // 2)


def _load(threads: int, target: str) -> Site:
    """What a server process answers with; it dies with the main process, which would leave the port taken."""
    children.die_with(os.getppid())
    from marketplace.wsgi import application

    return Site(application, threads)

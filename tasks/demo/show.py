"""What `demo` and `replay` share: the site started for them, a job done on it over HTTP, and the account of it."""

import json
import logging
import time
from abc import abstractmethod
from argparse import ArgumentParser
from typing import Any

import httpx
from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError

from marketplace.core import children
from marketplace.core.children import ChildDied, Children
from tasks.demo.client import Refused, ServerDied, connect
from tasks.demo.offer import Failed

HOST = "127.0.0.1"
LOOK_S = 0.5
GO_ON = "The same command goes on from here."
SERVER = ("--processes=2", "--threads=4")


class Show(BaseCommand):
    """A command that does one job on a real site of its own and leaves it running."""

    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--exit", action="store_true", help="end after the job; the last line is a summary as JSON")
        parser.add_argument("--port", type=int, default=8000, help="the first port to try")
        children.add_option(parser)

    @abstractmethod
    def job(self, connections: httpx.Client, running: Children, options: dict[str, Any]) -> dict[str, Any]:
        """Do the job, or what is left of it, say how it went, and return the summary."""

    @abstractmethod
    def visit(self, url: str) -> None:
        """Say what there is to see now, and how to sign in."""

    def handle(self, *args: Any, **options: Any) -> None:
        if settings.PRODUCTION:
            raise CommandError("this fills the database with simulated people; it does not run with PRODUCTION=1")
        if options["with_parent"]:
            children.die_with(options["with_parent"])
        children.end_on_sigterm()
        logging.getLogger("httpx").setLevel(logging.WARNING)
        call_command("migrate", interactive=False, verbosity=0)
        port = children.free_port(HOST, options["port"])
        url = f"http://{HOST}:{port}"
        with Children(settings.STATE / "logs" / str(port)) as running:
            self.guarded(running, url, port, options)

    def guarded(self, running: Children, url: str, port: int, options: dict[str, Any]) -> None:
        """Run it all; whatever died or was refused ends in one sentence and exit code 1."""
        is_done = False
        try:
            running.start("web", f"--host={HOST}", f"--port={port}", *SERVER)
            running.start("cluster")
            running.wait_until_answers(HOST, port)
            with connect(url) as connections:
                summary = self.job(connections, running, options)
            is_done = True
            if options["exit"]:
                self.stdout.write(json.dumps(summary))
                return
            self.visit(url)
            while True:
                running.check()
                time.sleep(LOOK_S)
        except KeyboardInterrupt:
            if not is_done:
                raise CommandError(f"stopped in the middle\n{GO_ON}") from None
        except ServerDied as error:
            raise CommandError(f"{cause(running) or f'the server died: {error}'}\n{GO_ON}") from None
        except (ChildDied, Failed, Refused, TimeoutError) as error:
            raise CommandError(f"{error}\n{GO_ON}") from None


def cause(running: Children) -> str:
    """Which child ended and what it said last, if one did."""
    time.sleep(1)  # a connection may break before its server has ended
    try:
        running.check()
    except ChildDied as error:
        return str(error)
    return ""

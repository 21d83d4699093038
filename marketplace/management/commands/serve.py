"""The whole site: web server and cluster."""

import time
from argparse import ArgumentParser
from typing import Any

from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError

from marketplace.core import children
from marketplace.core.children import ChildDied, Children
from marketplace.management.commands import web

CHECK_S = 0.5


class Command(BaseCommand):
    help = "Migrate the database, then serve the site and run its background jobs until SIGTERM or Ctrl-C."

    def add_arguments(self, parser: ArgumentParser) -> None:
        web.add_options(parser)
        children.add_option(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        web.refuse_the_world(options["host"])
        if options["with_parent"]:
            children.die_with(options["with_parent"])
        children.end_on_sigterm()
        call_command("migrate", interactive=False, verbosity=0)
        site = [f"--{name}={options[name]}" for name in ("host", "port", "processes", "threads")]
        try:
            with Children() as running:
                running.start("web", *site)
                running.start("cluster")
                running.wait_until_answers(reachable(options["host"]), options["port"])
                self.stdout.write(f"Manyhands is at http://{options['host']}:{options['port']}/  (Ctrl-C ends it)")
                while True:
                    running.check()
                    time.sleep(CHECK_S)
        except KeyboardInterrupt:
            self.stdout.write("stopped")
        except (ChildDied, TimeoutError) as error:
            raise CommandError(str(error)) from None


def reachable(host: str) -> str:
    """An address of this machine at which a server listening on `host` answers."""
    return {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host)

"""The database backend proper: the one for any PostgreSQL, with the server started before the first connection."""

import time
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from django.db.backends.postgresql import client
from django.db.utils import OperationalError

from marketplace.core.embedded import install, server
from marketplace.core.embedded.place import EmbeddedServerError
from marketplace.core.postgres import base


class DatabaseClient(client.DatabaseClient):
    """`manage.py dbshell` with the psql that came with the server."""

    def runshell(self, parameters: Iterable[str]) -> None:
        """Talk to the server, started if need be, until the person leaves."""
        self.connection.ensure_connection()
        type(self).executable_name = str(install.program("psql"))
        super().runshell(parameters)


class DatabaseWrapper(base.DatabaseWrapper):
    """A connection to this clone's own server."""

    client_class = DatabaseClient

    def get_new_connection(self, conn_params: dict[str, Any]) -> Any:
        """Connect, starting the server if it does not run; a server that was just killed is started once more."""
        root = Path(self.settings_dict["ROOT"])
        self.ensure(root)
        try:
            return super().get_new_connection(conn_params)
        except self.Database.OperationalError:
            if server.answers(root):
                raise
        time.sleep(0.5)  # its guardian notices
        self.ensure(root)
        return super().get_new_connection(conn_params)

    def ensure(self, root: Path) -> None:
        """Have the server running, or raise what Django expects of a database that is not there."""
        try:
            server.ensure(root)
        except EmbeddedServerError as error:
            raise OperationalError(str(error)) from error

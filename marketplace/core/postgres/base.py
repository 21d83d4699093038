"""The database backend: Django's own for PostgreSQL, which sees without asking whether a connection was cut."""

import select
from typing import Any

from django.db.backends.postgresql import base, schema


class SchemaEditor(schema.DatabaseSchemaEditor):
    """Without a second index on each unique text, which only a search by its beginning would use: nobody does."""

    def _create_like_index_sql(self, model: Any, field: Any) -> None:
        return None


class DatabaseWrapper(base.DatabaseWrapper):
    """A connection that is looked at before each request, not asked: a round trip there costs as much as a claim."""

    SchemaEditorClass = SchemaEditor

    def is_usable(self) -> bool:
        """Whether the server is still there; it is asked after an error, and when there is something to read.

        A server that ended the connection, or died, leaves that on it: its farewell or the end of the stream.
        """
        if self.connection.closed:
            return False
        watch = select.poll()
        watch.register(self.connection.fileno(), select.POLLIN)
        return super().is_usable() if self.errors_occurred or watch.poll(0) else True

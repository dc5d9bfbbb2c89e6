"""Run by Alembic: brings the connection that it is given to the schema asked for. Logging is the process' own."""

from alembic import context

from receiver.schema import metadata

context.configure(connection=context.config.attributes["connection"], target_metadata=metadata)
context.run_migrations()

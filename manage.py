#!/usr/bin/env python
"""Run one management command: `manage.py help` lists them."""

import os
import sys

from django.core.management import execute_from_command_line


def main() -> None:
    """Hand the command line to Django under this project's settings."""
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "marketplace.settings")
    execute_from_command_line(sys.argv)


if __name__ == "__main__":
    main()

"""The site's own settings, and one guard off: for negative controls."""

from marketplace.settings import *  # noqa: F403
from marketplace.settings import INSTALLED_APPS as APPS

INSTALLED_APPS = [*APPS, "tests.faults.naive.Naive"]

"""The settings of production with two addresses more, at which something goes wrong that nobody foresaw."""

from exprsn.settings import *  # noqa: F403 - Django's idiom

ROOT_URLCONF = "tests.exprsn.failing_addresses"

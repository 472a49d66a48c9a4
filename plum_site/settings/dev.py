"""The default of `./plum up` and `./plum manage`: one machine, loopback only."""

from plum_site.settings.base import *  # noqa: F403


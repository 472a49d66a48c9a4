#!/usr/bin/env python
"""Run one management command; `./plum manage` calls this inside the project's environment."""

import os
import sys

from django.core.management import execute_from_command_line

if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "plum_site.settings.dev")
    execute_from_command_line(sys.argv)

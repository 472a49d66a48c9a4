"""The console: one sign-in, one program at a time, every list and page that the apps register."""

from plum_site.console.sites import site

__all__ = ["site"]

"""
What the ingest benchmarks compare with: the same facts taken by Django REST framework as its guide shows it.

A Django project of its own with settings of its own; it is in no INSTALLED_APPS of Plum and runs for benchmarks alone.
Kept kind to it: no sign-in, connections that stay open, nothing sealed and nothing counted.
"""

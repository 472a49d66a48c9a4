"""
What `manage.py bench NAME` measures: each figure is a ratio to a limit of the machine, taken in the same run.

A benchmark is a module of this package with a function `f(lab) -> list[Result]` under `@benchmark(...)`; every module
here is imported by `load_benchmarks`. `Lab` gives it a ledger, interleaved timings and the memory of its process; the
command gives it a durable PostgreSQL of its own, verifies everything afterwards, and prints a table or JSON.
"""

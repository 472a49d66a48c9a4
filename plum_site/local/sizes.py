"""How many processes and threads one installation runs: read by `./plum up`, by the settings and by the health page."""

WEB_PROCESSES = 2
WEB_THREADS = 16  # of each web process; the more wait together, the more single events share a commit
WORKER_PROCESSES = 2

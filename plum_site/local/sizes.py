"""How many processes and threads one installation runs: read by `./plum up`, by the settings and by the health page."""

WEB_PROCESSES = 2
WEB_THREADS = 8  # of each web process; small requests of all threads share a commit, and each thread keeps its connection
WORKER_PROCESSES = 2

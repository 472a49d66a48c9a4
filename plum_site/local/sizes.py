"""How many processes and threads one installation runs: read by `./plum up`, by the settings and by the health page."""

WEB_PROCESSES = 2
WEB_THREADS = 8  # of each web process; a thread holds a connection to the database only while a request needs it
WORKER_PROCESSES = 2

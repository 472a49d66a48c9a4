"""
Servers for the tests, kept as long as they are needed.

`python -m tests.support.services FOLDER postgres valkey` starts the named ones, prints one JSON object of their URLs
and keeps them until its standard input closes.
"""

import json
import signal
import sys
from pathlib import Path

from plum_site.local.servers import start_postgres, start_valkey

STARTERS = {"postgres": start_postgres, "valkey": start_valkey}


def main(folder: str, *names: str) -> None:
    """Start the named servers, say where they are, and keep them until standard input closes or a signal comes."""
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    stops = []
    try:
        urls = {}
        for name in names:
            urls[name], stop = STARTERS[name](Path(folder))
            stops.append(stop)
        print(json.dumps(urls), flush=True)
        sys.stdin.read()
    except KeyboardInterrupt:
        pass
    finally:
        for stop in reversed(stops):
            stop()


if __name__ == "__main__":
    main(*sys.argv[1:])

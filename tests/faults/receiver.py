"""
A receiver of webhooks as somebody outside would write it: the public `standardwebhooks` package and http.server alone.

Run as `receiver.py PORT SECRETS LOG ANSWER...`: a line of LOG for each request, as JSON. SECRETS is a file with a path and
its secret on each line.
An answer is a status, with Retry-After behind an @, or seconds to wait before it behind a +; the last is given for ever.
"""

import json
import sys
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

from standardwebhooks.webhooks import Webhook, WebhookVerificationError


class Handler(BaseHTTPRequestHandler):
    """Verifies, notes, answers."""

    secrets: dict[str, str] = {}
    answers: list[str] = []
    log = ""

    def do_POST(self) -> None:
        arrived = time.time()
        body = self.rfile.read(int(self.headers["Content-Length"]))
        headers = {name.lower(): value for name, value in self.headers.items()}
        try:
            message = Webhook(self.secrets[self.path]).verify(body, headers)
        except WebhookVerificationError as error:
            message = {"refused": str(error)}
        try:
            Webhook(self.secrets[self.path]).verify(body + b" ", headers)
            is_tamper_seen = False
        except WebhookVerificationError:
            is_tamper_seen = True
        line = {"path": self.path, "at": arrived, "id": headers["webhook-id"], "message": message, "tamper_seen": is_tamper_seen}
        with open(self.log, "a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")
        answer, _, wait = (self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]).partition("+")
        status, _, retry_after = answer.partition("@")
        time.sleep(float(wait or 0))
        self.send_response(int(status))
        if retry_after:
            self.send_header("Retry-After", retry_after)
        self.send_header("Content-Length", "0")
        self.end_headers()


if __name__ == "__main__":
    port, secrets, Handler.log, *Handler.answers = sys.argv[1:]
    with open(secrets, encoding="utf-8") as file:
        Handler.secrets = dict(line.split() for line in file)
    ThreadingHTTPServer(("127.0.0.1", int(port)), Handler).serve_forever()

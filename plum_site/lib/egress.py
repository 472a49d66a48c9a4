"""
The one way out over HTTP: addresses that people enter are called from here, and nothing inside the house is reachable.

`check` looks at the address and at everything that its name resolves to; `post` does so again at each call, connects to
an address that it has just checked (the name is resolved once, so a resolver that changes its mind gains nothing), and
still speaks to the host by its name: Host header, TLS server name and certificate are the usual ones. There are no
redirects, no proxies from the environment, a deadline over everything from look-up to last byte, and a limit on what is
read.
"""

import http.client
import io
import ipaddress
import re
import socket
import ssl
import threading
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from time import monotonic
from typing import Any, cast
from urllib.parse import urlsplit

from django.conf import settings

from plum_site.lib.errors import InvalidInput

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

PORTS = (443, 8443)
LONGEST_URL = 500
DEADLINE_SECONDS = 15.0
LOOK_UP_SECONDS = 5.0  # while a person waits for a form
READ_LIMIT = 64 * 1024

# What is not the public internet, or leads back out of it, by the IANA registries of special addresses and some services
# that hosting providers put on public ones. Written out: `ipaddress` differs between Python versions. In IPv6 only
# 2000::/3 is public at all.
SPECIAL = tuple(
    ipaddress.ip_network(text)
    for text in (
        "0.0.0.0/8 10.0.0.0/8 100.64.0.0/10 127.0.0.0/8 168.63.129.16/32 169.254.0.0/16 172.16.0.0/12 192.0.0.0/24 192.0.2.0/24 "
        "192.31.196.0/24 192.52.193.0/24 192.88.99.0/24 192.168.0.0/16 192.175.48.0/24 198.18.0.0/15 198.51.100.0/24 "
        "203.0.113.0/24 224.0.0.0/4 240.0.0.0/4 "
        "::/128 ::1/128 ::/96 ::ffff:0:0/96 64:ff9b::/96 64:ff9b:1::/48 100::/64 100:0:0:1::/64 2001::/23 2001:db8::/32 "
        "2002::/16 2620:4f:8000::/48 3fff::/20 5f00::/16 fc00::/7 fe80::/10 fec0::/10 ff00::/8"
    ).split()
)
PUBLIC_V6 = ipaddress.ip_network("2000::/3")
HOST_NAME = re.compile(r"(?=.{1,253}\.?$)(?!-)[A-Za-z0-9_-]{1,63}(?:\.[A-Za-z0-9_-]{1,63})*\.?")
NUMERIC_LABEL = re.compile(r"[0-9]+|0[xX][0-9a-fA-F]*")
PRINTABLE = re.compile(r"[!-~]+")


class EgressRefused(InvalidInput):
    """Plum does not call this address: `fields` names the URL, the detail says what would be called instead."""

    def __init__(self, code: str, detail: str) -> None:
        super().__init__(code, detail, {"url": detail})


class EgressFailed(Exception):
    """The call did not come to a whole answer within its time; the text says how far it came."""


@dataclass(frozen=True)
class Target:
    """An address taken apart. host: as in the certificate, without brackets. path: with the query."""

    url: str
    is_tls: bool
    host: str
    port: int
    path: str

    @property
    def host_header(self) -> str:
        """Host, with the port where it is not the scheme's own."""
        name = f"[{self.host}]" if ":" in self.host else self.host
        return name if self.port == (443 if self.is_tls else 80) else f"{name}:{self.port}"


@dataclass(frozen=True)
class Answer:
    """What came back: at most READ_LIMIT bytes of the body, header names in lower case."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: bytes = b""
    is_cut: bool = False

    @property
    def text(self) -> str:
        """The body for people to read."""
        return self.body.decode("utf-8", errors="replace")


def check(url: str) -> list[Address]:
    """
    Every address that the URL's host has now, all of them allowed.

    Raises: EgressRefused - with a sentence for whoever entered the URL.
    """
    target = read(url)
    try:
        return _look_up(target, monotonic() + LOOK_UP_SECONDS)
    except EgressFailed as error:
        raise EgressRefused("unknown_host", f"{error} Check the name.") from error


def read(url: str) -> Target:
    """
    The URL taken apart, without a look-up.

    Raises: EgressRefused - codes invalid_url, not_https, wrong_port, has_user, odd_address.
    """
    if not url or len(url) > LONGEST_URL or not PRINTABLE.fullmatch(url) or "\\" in url or "#" in url:
        raise EgressRefused(
            "invalid_url",
            f"Write a whole address of at most {LONGEST_URL} plain characters, such as https://hooks.example.org/plum.",
        )
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "", parts.port
    except ValueError:
        raise EgressRefused("invalid_url", "This is no address: its host or port cannot be read.") from None
    is_tls = parts.scheme == "https"
    if not is_tls and not (parts.scheme == "http" and settings.EGRESS_HTTP):
        raise EgressRefused("not_https", "The address begins with https://; anything else could be read on the way.")
    if "@" in parts.netloc:
        raise EgressRefused("has_user", "Leave user name and password out of the address: each message is signed instead.")
    port = port if port is not None else (443 if is_tls else 80)
    if not settings.EGRESS_HTTP and port not in PORTS:
        raise EgressRefused("wrong_port", f"The port is {' or '.join(map(str, PORTS))}, not {port}.")
    if "%" in host or (":" not in host and not HOST_NAME.fullmatch(host)):
        raise EgressRefused("invalid_url", f"{host or 'An empty name'} is no host name.")
    _read_literal(host)
    path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    return Target(url, is_tls, host, port, path)


def _read_literal(host: str) -> Address | None:
    """The address where the host is one; refused where it is one in disguise (decimal, octal, hexadecimal, short)."""
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        last = host.rstrip(".").rpartition(".")[2]
        if ":" in host or NUMERIC_LABEL.fullmatch(last):
            raise EgressRefused("odd_address", f"Write the IP address {host} in its usual form, or use a name.") from None
    return None


def is_allowed(address: Address) -> bool:
    """Whether Plum may connect there: a public address, or one in the networks that the operator has allowed."""
    if any(address.version == network.version and address in network for network in allowed_networks()):
        return True
    if any(address.version == network.version and address in network for network in SPECIAL):
        return False
    if address.version == 6 and address not in PUBLIC_V6:
        return False
    return address.is_global and not address.is_multicast and not address.is_reserved


def allowed_networks() -> tuple[Network, ...]:
    """The networks of PLUM_EGRESS_NETWORKS."""
    return tuple(settings.EGRESS_NETWORKS)


def resolve(host: str, port: int) -> list[str]:
    """What the system's resolver says: addresses as text, in its order."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(entry[4][0]) for entry in found))


def _look_up(target: Target, until: float) -> list[Address]:
    """The addresses of the target's host; refused unless every one is allowed."""
    literal = _read_literal(target.host)
    addresses = [literal] if literal else _resolve_within(target, until)
    if not all(map(is_allowed, addresses)):
        raise EgressRefused(
            "private_address",
            f"{target.host} leads to an address inside a private or special network. Plum calls public addresses only; "
            "whoever runs Plum can allow a network with PLUM_EGRESS_NETWORKS.",
        )
    return addresses


def _resolve_within(target: Target, until: float) -> list[Address]:
    """`resolve` in a thread that is left behind where it takes longer than there is time."""
    result: list[Any] = []

    def work() -> None:
        try:
            result.append([ipaddress.ip_address(text.partition("%")[0]) for text in resolve(target.host, target.port)])
        except Exception as error:  # whatever a resolver raises: there is no address
            result.append(error)

    thread = threading.Thread(target=work, name="look-up", daemon=True)
    thread.start()
    thread.join(max(0.0, until - monotonic()))
    if not result:
        raise EgressFailed(f"The name {target.host} could not be looked up in time.")
    if isinstance(result[0], socket.gaierror) and result[0].errno == socket.EAI_AGAIN:
        raise EgressFailed(f"The name {target.host} could not be looked up just now.")
    if isinstance(result[0], Exception) or not result[0]:
        raise EgressFailed(f"The name {target.host} has no address.")
    return cast(list[Address], result[0])


class _TimedSocket(io.RawIOBase):
    """A connected socket that gives every step only what is left of the whole call's time; what http.client needs of one."""

    def __init__(self, line: socket.socket, until: float) -> None:
        self._line, self._until = line, until

    def _allow(self) -> None:
        left = self._until - monotonic()
        if left <= 0:
            raise TimeoutError
        self._line.settimeout(left)

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        self._allow()
        return self._line.recv_into(buffer)

    def sendall(self, data: bytes) -> None:
        rest = memoryview(data)
        while rest:
            self._allow()
            rest = rest[self._line.send(rest) :]

    def makefile(self, mode: str) -> io.BufferedReader:
        return io.BufferedReader(self)

    def close(self) -> None:
        """Nothing: http.client closes before the body is read; `post` closes the socket itself."""


def post(
    url: str, *, body: bytes, headers: Mapping[str, str], seconds: float = DEADLINE_SECONDS, read_limit: int = READ_LIMIT
) -> Answer:
    """
    Send one POST and return whatever was answered, also 3xx, 4xx and 5xx: the caller decides what it means.

    Raises: EgressRefused - the address may not be called; EgressFailed - no whole answer within the time.
    """
    until = monotonic() + seconds
    target = read(url)
    addresses = _look_up(target, until)
    try:
        line = _connect(target, addresses, until)
    except TimeoutError:
        raise EgressFailed(f"{target.host} could not be reached within {seconds:g} s.") from None
    except ssl.SSLCertVerificationError as error:
        raise EgressFailed(f"The certificate of {target.host} was not accepted: {error.verify_message}.") from error
    except OSError as error:
        raise EgressFailed(f"{target.host} could not be reached: {error.strerror or error}.") from error
    with line:
        try:
            return _exchange(target, _TimedSocket(line, until), body, headers, read_limit)
        except TimeoutError:
            raise EgressFailed(f"{target.host} did not answer in full within {seconds:g} s.") from None
        except (OSError, http.client.HTTPException, ValueError) as error:
            said = str(error) or type(error).__name__
            raise EgressFailed(f"{target.host} ended the connection without a readable answer: {said}.") from error


def _connect(target: Target, addresses: list[Address], until: float) -> socket.socket:
    """A connection to the first of the checked addresses that takes one, with TLS where the scheme says so."""
    fault: OSError = TimeoutError()
    for number, address in enumerate(addresses):
        left = until - monotonic()
        if left <= 0:
            break
        line = socket.socket(socket.AF_INET6 if address.version == 6 else socket.AF_INET, socket.SOCK_STREAM)
        try:
            line.settimeout(left / (len(addresses) - number))
            line.connect((str(address), target.port))
        except OSError as error:
            line.close()
            fault = error
            continue
        if not target.is_tls:
            return line
        try:
            line.settimeout(max(0.001, until - monotonic()))
            return _tls_context().wrap_socket(line, server_hostname=target.host)
        except BaseException:
            line.close()
            raise
    raise fault


@lru_cache(maxsize=1)
def _tls_context() -> ssl.SSLContext:
    """TLS as everybody checks it: the system's authorities (or SSL_CERT_FILE), the host's name in the certificate."""
    return ssl.create_default_context()


def _exchange(target: Target, line: _TimedSocket, body: bytes, headers: Mapping[str, str], read_limit: int) -> Answer:
    connection = http.client.HTTPConnection(target.host, target.port)
    connection.sock = cast(Any, line)
    connection.request("POST", target.path, body, {"Host": target.host_header, "Connection": "close", **headers})
    response = connection.getresponse()
    read = _read_body(response, read_limit + 1)
    named = {name.lower(): value for name, value in response.getheaders()}
    return Answer(response.status, named, read[:read_limit], len(read) > read_limit)


def _read_body(response: http.client.HTTPResponse, limit: int) -> bytes:
    """So much of the body as there is, at most `limit`; less than the sender promised is what there is."""
    parts = b""
    try:
        while len(parts) < limit and (piece := response.read(limit - len(parts))):
            parts += piece
    except http.client.IncompleteRead as error:
        parts += error.partial
    return parts[:limit]

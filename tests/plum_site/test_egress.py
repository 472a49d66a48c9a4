"""Addresses that people enter lead to the public internet or nowhere (F24): nothing inside is reached, whatever is tried."""

import datetime
import ipaddress
import socket
import ssl
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from plum_site.lib import egress
from plum_site.lib.egress import EgressFailed, EgressRefused, is_allowed, post
from tests.support.receivers import Receiver, Reply, listening, raw_server

LOOPBACK = [ipaddress.ip_network("127.0.0.1/32")]

# Written into a URL as its host, with the port of a server that really listens there. None may be reached.
HOSTS = """
127.0.0.1 127.0.0.2 127.1 127.0.1 127.255.255.254 0.0.0.0 0 2130706433 017700000001 0x7f000001 0x7f.0.0.1 0x7f.1 0177.0.0.1
0177.0.0.01 127.0.0.1. 2130706433. 00000177.0.0.1 127.000.000.001 0x7F.0x0.0x0.0x1 4294967297 127.0.0.0x1 localhost LOCALHOST
[::1] [::] [0:0:0:0:0:0:0:1] [::ffff:127.0.0.1] [::ffff:7f00:1] [0:0:0:0:0:ffff:7f00:1] [::127.0.0.1]
[64:ff9b::127.0.0.1] [64:ff9b:1::7f00:1] [2002:7f00:1::] [2001::7f00:1] [fe80::1] [fe80::1%25lo] [::1%25lo] [fec0::1] [fc00::1]
[fd00:ec2::254] [ff02::1] [100::1] [3fff::1] [5f00::1] [2001:db8::1] [2001:10::1] [2620:4f:8000::1] [4000::1] 10.0.0.1
10.255.255.255 172.16.0.1 172.31.255.255 192.168.0.1 169.254.169.254 169.254.170.2 2852039166 0xa9fea9fe 0251.0376.0251.0376
100.64.0.1 100.100.100.200 168.63.129.16 192.0.0.8 192.0.0.192 192.0.2.1 192.88.99.1 192.31.196.1 192.52.193.1 192.175.48.1
198.18.0.1 198.19.255.255 198.51.100.1 203.0.113.1 224.0.0.1 239.255.255.250 240.0.0.1 255.255.255.255 127%2e0%2e0%2e1
""".split()

# Names and what a resolver says to them: one address inside is enough.
NAMES = {
    "loopback.example.org": ["127.0.0.1"],
    "localhost.": ["127.0.0.1"],
    "mixed.example.org": ["93.184.216.34", "127.0.0.1"],
    "mixed-the-other-way.example.org": ["127.0.0.1", "93.184.216.34"],
    "mapped.example.org": ["::ffff:127.0.0.1"],
    "six.example.org": ["::1"],
    "metadata.google.internal": ["169.254.169.254"],
    "private.example.org": ["10.0.0.5"],
    "link-local.example.org": ["fe80::1%lo"],
    "translated.example.org": ["64:ff9b::7f00:1"],
    "127.0.0.1.nip.example": ["127.0.0.1"],
    "nothing.example.org": [],
}

# Whole addresses that are refused before anything is looked up, each for its own reason.
URLS = {
    "": "invalid_url",
    "hooks.example.org": "not_https",
    "http://hooks.example.org/": "not_https",
    "ftp://hooks.example.org/": "not_https",
    "file:///etc/passwd": "not_https",
    "gopher://127.0.0.1:6379/_FLUSHALL": "not_https",
    "unix:///var/run/docker.sock": "not_https",
    "javascript:alert(1)": "not_https",
    "https://": "invalid_url",
    "https:///path": "invalid_url",
    "https://user:secret@hooks.example.org/": "has_user",
    "https://hooks.example.org@127.0.0.1/": "has_user",
    "https://127.0.0.1#@hooks.example.org/": "invalid_url",
    "https://hooks.example.org\\@127.0.0.1/": "invalid_url",
    "https://hooks.example.org:22/": "wrong_port",
    "https://hooks.example.org:80/": "wrong_port",
    "https://hooks.example.org:6379/": "wrong_port",
    "https://hooks.example.org:0/": "wrong_port",
    "https://hooks.example.org:65536/": "invalid_url",
    "https://hooks.example.org:443a/": "invalid_url",
    "https://hooks.example.org/\r\nX-Injected: 1": "invalid_url",
    "https://hooks.example.org/a b": "invalid_url",
    "https://hooks.example.org/\t": "invalid_url",
    "https://１２７.０.０.１/": "invalid_url",
    "https://ⓛocalhost/": "invalid_url",
    "https://[::1/": "invalid_url",
    "https://exa$mple.org/": "invalid_url",
    "https://-hooks.example.org/": "invalid_url",
    "https://hooks..example.org/": "invalid_url",
    "https://hooks.example.org/" + "a" * 500: "invalid_url",
}


@pytest.fixture
def development(settings: Any) -> None:
    """http and any port, so that only the address itself stands in the way."""
    settings.EGRESS_HTTP, settings.EGRESS_NETWORKS = True, []


@pytest.fixture
def with_loopback(settings: Any) -> None:
    """A receiver on this machine may be called: 127.0.0.1 and nothing else."""
    settings.EGRESS_HTTP, settings.EGRESS_NETWORKS = True, LOOPBACK


@pytest.fixture
def canary() -> Iterator[Receiver]:
    """A server inside that nobody may reach: on every address of this machine."""
    with listening(host="0.0.0.0") as receiver:
        yield receiver


def send(url: str, **options: Any) -> egress.Answer:
    return post(url, body=b"{}", headers={"Content-Type": "application/json"}, **options)


def test_there_are_enough_spellings() -> None:
    assert len(set(HOSTS)) == len(HOSTS)
    assert len(HOSTS) + len(NAMES) >= 80


@pytest.mark.parametrize("host", HOSTS)
def test_no_spelling_of_an_inner_address_is_reached(host: str, development: None, canary: Receiver) -> None:
    with pytest.raises(EgressRefused):
        egress.check(f"http://{host}:{canary.port}/")
    with pytest.raises(EgressRefused):
        send(f"http://{host}:{canary.port}/")

    assert canary.requests == []


@pytest.mark.parametrize("name", NAMES)
def test_no_name_that_leads_inside_is_called(
    name: str, development: None, canary: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(egress, "resolve", lambda host, port: NAMES[host])

    with pytest.raises((EgressRefused, EgressFailed)):
        send(f"http://{name}:{canary.port}/")
    with pytest.raises(EgressRefused):
        egress.check(f"http://{name}:{canary.port}/")

    assert canary.requests == []


@pytest.mark.parametrize(("url", "code"), URLS.items())
def test_what_is_no_plain_https_address_is_refused_with_a_reason(url: str, code: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(egress, "resolve", lambda host, port: pytest.fail(f"{host} was looked up"))

    with pytest.raises(EgressRefused) as refusal:
        egress.check(url)

    assert refusal.value.code == code
    assert refusal.value.fields["url"].endswith(".")


@pytest.mark.parametrize("text", ["8.8.8.8", "93.184.216.34", "1.1.1.1", "2606:4700::1111", "2a00:1450:4001::200e", "172.32.0.1"])
def test_public_addresses_are_allowed(text: str, settings: Any) -> None:
    settings.EGRESS_NETWORKS = []

    assert is_allowed(ipaddress.ip_address(text))


def test_the_edges_of_every_special_network_are_refused(settings: Any) -> None:
    settings.EGRESS_NETWORKS = []

    for network in egress.SPECIAL:
        assert not is_allowed(network[0]), network
        assert not is_allowed(network[-1]), network


def test_the_operator_may_allow_a_network(settings: Any) -> None:
    settings.EGRESS_NETWORKS = [ipaddress.ip_network("10.20.0.0/16"), ipaddress.ip_network("fd12::/32")]

    assert is_allowed(ipaddress.ip_address("10.20.3.4"))
    assert is_allowed(ipaddress.ip_address("fd12::1"))
    assert not is_allowed(ipaddress.ip_address("10.21.0.1"))
    assert not is_allowed(ipaddress.ip_address("::ffff:10.20.3.4"))


def test_a_name_is_resolved_once_however_the_resolver_changes_its_mind(
    settings: Any, monkeypatch: pytest.MonkeyPatch, canary: Receiver
) -> None:
    """DNS rebinding: allowed at the first look, inside at the second."""
    settings.EGRESS_HTTP, settings.EGRESS_NETWORKS = True, LOOPBACK
    answers = iter([["127.0.0.1"], ["127.0.0.2"], ["10.0.0.1"]])
    asked = []

    def change(host: str, port: int) -> list[str]:
        asked.append(host)
        return next(answers)

    monkeypatch.setattr(egress, "resolve", change)
    assert send(f"http://rebinding.example.org:{canary.port}/").status == 204
    assert asked == ["rebinding.example.org"]
    assert canary.requests[0].headers["host"] == f"rebinding.example.org:{canary.port}"

    with pytest.raises(EgressRefused):
        send(f"http://rebinding.example.org:{canary.port}/")
    assert len(canary.requests) == 1


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_a_redirect_is_an_answer_and_is_not_followed(status: int, with_loopback: None, canary: Receiver) -> None:
    for place in (
        f"http://127.0.0.2:{canary.port}/",
        "http://169.254.169.254/latest/meta-data/",
        f"http://127.0.0.1:{canary.port}/",
    ):
        with listening(Reply(status, {"Location": place})) as receiver:
            assert send(receiver.url).status == status
            assert len(receiver.requests) == 1

    assert canary.requests == []


def test_proxies_of_the_environment_are_ignored(with_loopback: None, canary: Receiver, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "HTTP_PROXY", "HTTPS_PROXY", "ALL_PROXY"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{canary.port}")

    with listening(Reply(200, body=b"direct")) as receiver:
        assert send(receiver.url).body == b"direct"

    assert canary.requests == []


def test_a_huge_answer_is_cut(with_loopback: None) -> None:
    began = time.monotonic()
    with listening(Reply(200, body=b"x" * 10_000_000)) as receiver:
        answer = send(receiver.url)

    assert (answer.status, len(answer.body), answer.is_cut) == (200, egress.READ_LIMIT, True)
    assert time.monotonic() - began < 5


def drip_head(line: socket.socket) -> None:
    """A status line that never ends."""
    line.sendall(b"HTTP/1.1 ")
    while True:
        line.sendall(b"2")
        time.sleep(0.05)


def drip_headers(line: socket.socket) -> None:
    line.sendall(b"HTTP/1.1 200 OK\r\n")
    while True:
        line.sendall(b"A: b\r\n")
        time.sleep(0.05)


def drip_body(line: socket.socket) -> None:
    line.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 100000\r\n\r\n")
    while True:
        line.sendall(b"x")
        time.sleep(0.05)


def drip_continues(line: socket.socket) -> None:
    while True:
        line.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")
        time.sleep(0.05)


def say_nothing(line: socket.socket) -> None:
    line.settimeout(5)
    while line.recv(4096):
        continue


@pytest.mark.parametrize("speak", [drip_head, drip_headers, drip_body, drip_continues, say_nothing])
def test_the_deadline_holds_for_the_whole_call(speak: Any, with_loopback: None) -> None:
    """A receiver that sends one byte at a time resets no clock."""
    with raw_server(speak) as port:
        began = time.monotonic()
        with pytest.raises(EgressFailed):
            send(f"http://127.0.0.1:{port}/", seconds=0.7)

    assert time.monotonic() - began < 3


@pytest.mark.parametrize("said", [b"", b"\r\n\r\n", b"SSH-2.0-OpenSSH_9.6\r\n", b"HTTP/1.1 two hundred\r\n\r\n", b"\0" * 70_000])
def test_what_is_no_http_is_a_failure(said: bytes, with_loopback: None) -> None:
    def speak(line: socket.socket) -> None:
        line.recv(65536)
        line.sendall(said)

    with raw_server(speak) as port, pytest.raises(EgressFailed, match=r"127\.0\.0\.1"):
        send(f"http://127.0.0.1:{port}/", seconds=5)


def test_a_name_that_takes_too_long_or_is_unknown_is_a_failure(development: None, monkeypatch: pytest.MonkeyPatch) -> None:
    def dawdle(host: str, port: int) -> list[str]:
        time.sleep(2)
        return ["93.184.216.34"]

    def fail(host: str, port: int) -> list[str]:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(egress, "resolve", dawdle)
    with pytest.raises(EgressFailed, match="could not be looked up in time"):
        send("http://slow.example.org/", seconds=0.2)
    monkeypatch.setattr(egress, "resolve", fail)
    with pytest.raises(EgressRefused, match="has no address") as refusal:
        egress.check("http://gone.example.org/")
    assert refusal.value.code == "unknown_host"


def test_the_next_address_is_tried_where_the_first_does_not_answer(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.EGRESS_HTTP, settings.EGRESS_NETWORKS = True, [ipaddress.ip_network("127.0.0.0/8"), ipaddress.ip_network("::1/128")]
    monkeypatch.setattr(egress, "resolve", lambda host, port: ["127.0.0.9", "127.0.0.1"])

    with listening() as receiver:
        assert send(f"http://two.example.org:{receiver.port}/").status == 204
    with pytest.raises(EgressFailed, match="could not be reached"):
        send(f"http://two.example.org:{receiver.port}/", seconds=2)


@pytest.fixture(scope="module")
def authority(tmp_path_factory: pytest.TempPathFactory) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """A certificate for hooks.example.org: the server's side, and a client that trusts it."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "hooks.example.org")])
    now = datetime.datetime.now(datetime.UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("hooks.example.org")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    folder: Path = tmp_path_factory.mktemp("tls")
    (folder / "cert.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    plain = serialization.NoEncryption()
    (folder / "key.pem").write_bytes(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain))
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(folder / "cert.pem", folder / "key.pem")
    return server, ssl.create_default_context(cafile=folder / "cert.pem")


@pytest.mark.parametrize(
    ("name", "trusts", "message"),
    [
        ("hooks.example.org", True, ""),
        ("other.example.org", True, "certificate of other.example.org was not accepted"),
        ("hooks.example.org", False, "certificate of hooks.example.org was not accepted"),
    ],
)
def test_the_certificate_is_checked_against_the_name(
    name: str, trusts: bool, message: str, authority: Any, settings: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Connected to an address, but spoken to by name: server name, certificate and Host header."""
    settings.EGRESS_HTTP, settings.EGRESS_NETWORKS = True, LOOPBACK
    server, client = authority
    monkeypatch.setattr(egress, "resolve", lambda host, port: ["127.0.0.1"])
    if trusts:
        monkeypatch.setattr(egress, "_tls_context", lambda: client)

    with listening(Reply(200, body=b"safe"), tls=server) as receiver:
        url = f"https://{name}:{receiver.port}/hook?x=1"
        if message:
            with pytest.raises(EgressFailed, match=message):
                send(url)
        else:
            assert send(url).body == b"safe"
            assert (receiver.requests[0].path, receiver.requests[0].headers["host"]) == ("/hook?x=1", f"{name}:{receiver.port}")


def test_a_tls_handshake_that_drips_ends_with_the_deadline(with_loopback: None) -> None:
    def speak(line: socket.socket) -> None:
        line.recv(65536)
        for _ in range(100):
            line.sendall(b"\x16\x03\x03\x40\x00" if _ == 0 else b"\x02")
            time.sleep(0.05)

    with raw_server(speak) as port:
        began = time.monotonic()
        with pytest.raises(EgressFailed):
            send(f"https://127.0.0.1:{port}/", seconds=0.7)

    assert time.monotonic() - began < 3

import ipaddress
import os
import socket
import ssl
import subprocess
import sys
import threading
import time
from datetime import UTC, datetime, timedelta

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from django.conf import settings as site

from marketplace.core import outgoing
from tests.listener import Answer, Listener

HELLO = Answer(b'"hello"')
PRIVATE = [
    *("127.0.0.1", "10.0.0.1", "172.16.0.1", "192.168.1.1", "169.254.169.254", "100.64.0.1", "0.0.0.0", "224.0.0.1"),
    *("239.1.1.1", "255.255.255.255", "240.0.0.1", "192.0.0.8", "192.0.2.1", "198.18.0.1", "203.0.113.9"),
    *("::1", "::", "fe80::1", "fe80::1%1", "fc00::1", "fd12::1", "ff02::1", "::ffff:127.0.0.1", "::ffff:10.0.0.1"),
    *("::127.0.0.1", "64:ff9b::7f00:1", "64:ff9b::a00:1", "64:ff9b:1::1", "2002:7f00:1::", "2001:0:53aa:64c::1"),
    *("2001:db8::1", "3fff::1", "100::1", "5f00::1"),
]
PUBLIC = ["1.1.1.1", "93.184.216.34", "172.32.0.1", "2606:4700::1111", "::ffff:1.1.1.1", "64:ff9b::101:101"]


@pytest.fixture
def there(settings):
    settings.OUTGOING_LOOPBACK = True
    with Listener(lambda asked, out: HELLO) as listener:
        yield listener


def post(url, **options):
    return outgoing.post(url, b"{}", {"X-Of-Ours": "1"}, **{"timeout_s": 5, "most_bytes": 100, **options})


def why(url, **options):
    with pytest.raises(outgoing.NotAnswered) as caught:
        post(url, **options)
    return str(caught.value)


def test_what_is_posted_arrives_and_what_is_answered_comes_back(there):
    reply = post(f"{there.url}?a=b")
    assert (reply.status, reply.body) == (200, b'"hello"')
    (asked,) = there.asked
    assert (asked.path, asked.body) == ("/labels?a=b", b"{}")
    assert asked.headers["Host"] == f"127.0.0.1:{there.port}"
    assert asked.headers["X-Of-Ours"] == "1"


@pytest.mark.parametrize("ip", PRIVATE)
def test_private_addresses_are_not_public(ip):
    assert not outgoing.is_public(ip)


@pytest.mark.parametrize("ip", PUBLIC)
def test_public_addresses_are(ip):
    assert outgoing.is_public(ip)


@pytest.mark.parametrize("ip", [ip for ip in PRIVATE if "%" not in ip])
def test_a_private_address_is_refused_before_anything_is_sent_by_number_and_by_name(ip, there, settings):
    settings.OUTGOING_LOOPBACK = False
    host = f"[{ip}]" if ":" in ip else ip
    assert "public" in why(f"https://{host}:{there.port}/")
    assert "not public" in why(f"https://rita.example:{there.port}/", resolve=lambda name, port: [ip])
    assert "not public" in why(f"https://rita.example:{there.port}/", resolve=lambda name, port: ["1.1.1.1", ip])
    assert there.asked == []


@pytest.mark.parametrize("name", ["localhost", "127.1", "2130706433", "0x7f.1", "017700000001"])
def test_other_ways_to_write_this_machine_lead_there_no_more_than_its_number(name, there, settings):
    settings.OUTGOING_LOOPBACK = False
    assert "not public" in why(f"https://{name}:{there.port}/") or "not known" in why(f"https://{name}:{there.port}/")
    assert there.asked == []


def test_a_name_is_resolved_once_and_the_connection_goes_where_was_looked(there):
    said = [["127.0.0.1"], ["10.0.0.1"]]
    reply = post(f"http://rita.example:{there.port}/", resolve=lambda name, port: said.pop(0))
    assert reply.status == 200
    assert said == [["10.0.0.1"]]
    assert there.asked[0].headers["Host"] == f"rita.example:{there.port}"


def test_the_setting_for_tests_opens_this_machine_and_nothing_else(there):
    assert "not public" in why("http://rita.example:8000/", resolve=lambda name, port: ["10.0.0.1"])
    assert "not public" in why("http://rita.example:8000/", resolve=lambda name, port: ["1.1.1.1"])  # not encrypted


def test_an_address_that_takes_no_connection_leaves_the_next(there):
    with Listener(lambda asked, out: HELLO) as gone:
        port = gone.port
    assert "could not be reached" in why(f"http://127.0.0.1:{port}/")
    assert post(there.url.replace("127.0.0.1", "a.example"), resolve=lambda *_: ["::1", "127.0.0.1"]).status == 200


@pytest.mark.parametrize(
    "url",
    [
        *("", "ftp://a.example/", "http://a.example/", "//a.example/", "https:a.example", "https:///x", "a.example"),
        *("https://u:p@a.example/", "https://a.example@b.example/", "https://a.example/#x", "https://a.example:22/"),
        *("https://a.example:80/", "https://a.example:0/", "https://a.example:99999/", "https://a.example:x/"),
        *(
            "https://a b.example/",
            "https://a.example/\r\nHost: b",
            "https://ä.example/",
            "https://[::1",
            "https://a%2e/",
        ),
        *("https://[fe80::1%25eth0]/", "https://-a.example/", "https://a_b.example/", "https://127.0.0.1/"),
        *("https://[::ffff:10.0.0.1]/", f"https://a.example/{'x' * 500}"),
    ],
)
def test_what_is_no_public_https_address_is_refused_as_such(url):
    with pytest.raises(ValueError, match=r"^(must|is not)"):
        outgoing.address(url)


def test_an_address_is_split_as_the_request_needs_it():
    assert outgoing.address("https://a.example:8443/x?y=1") == outgoing.Address(
        "https", "a.example", 8443, "a.example:8443", "/x?y=1"
    )
    assert outgoing.address("https://[2606:4700::1111]").name == "2606:4700::1111"
    assert outgoing.address("https://a.example?q").path == "/?q"


def test_a_redirect_is_an_answer_and_is_not_followed(there):
    there.plan.append(lambda asked, out: Answer(b"", 302, (("Location", there.url), ("Content-Length", "0"))))
    assert post(there.url).status == 302
    assert len(there.asked) == 1


@pytest.mark.parametrize("announced", [True, False])
def test_an_answer_may_be_as_long_as_said_and_no_longer(there, announced):
    def long(count):
        headers = (("Content-Length", str(count)),) if announced else (("Connection", "close"),)
        return lambda asked, out: Answer(b"x" * count, 200, headers)

    there.plan += [long(100), long(101)]
    assert len(post(there.url).body) == 100
    assert why(there.url) == "its answer is longer than 100 bytes"


def test_an_answer_that_never_ends_is_left_at_its_limit(there):
    def endless(asked, out):
        out.write(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        while True:
            out.write(b"400\r\n" + b"x" * 1024 + b"\r\n")

    there.plan.append(endless)
    assert "longer" in why(there.url)


def dripping(every_s, pieces):
    def drip(asked, out):
        for piece in pieces:
            time.sleep(every_s)
            out.write(piece)
            out.flush()

    return drip


SPOKEN = [b"HTTP/1.1 200 OK\r\n", b"Content-Length: 2\r\n", b"\r\n", b"[", b"]"]


def test_the_time_is_for_all_of_it_however_the_answer_drips(there):
    there.plan += [dripping(0.1, SPOKEN), dripping(0.4, SPOKEN), dripping(0.4, SPOKEN[:2] + [b"X: y\r\n"] * 100)]
    assert post(there.url, timeout_s=1).body == b"[]"
    for _ in range(2):
        began = time.monotonic()
        assert why(there.url, timeout_s=1) == "it did not answer completely within 1 seconds"
        assert 0.9 < time.monotonic() - began < 2


def test_a_name_that_takes_too_long_is_not_waited_for(there):
    went_on = threading.Event()

    def slow(name, port):
        went_on.wait(20)
        return ["127.0.0.1"]

    assert "within 0.3 seconds" in why(f"http://a.example:{there.port}/", resolve=slow, timeout_s=0.3)
    went_on.set()


def test_a_server_that_takes_the_connection_and_says_nothing_is_not_waited_for(settings):
    settings.OUTGOING_LOOPBACK = True
    with socket.create_server(("127.0.0.1", 0)) as silent:
        port = silent.getsockname()[1]
        assert "within 0.3 seconds" in why(f"http://127.0.0.1:{port}/", timeout_s=0.3)
        assert "within 0.3 seconds" in why(f"https://127.0.0.1:{port}/", timeout_s=0.3)  # it never shakes hands


@pytest.mark.parametrize(
    "spoken",
    [
        b"",
        b"hello\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nhalf",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 200 + b"\r\n",
        b"HTTP/1.1 200 OK\r\nX: " + b"y" * 70_000 + b"\r\n\r\n",
    ],
)
def test_what_is_not_http_or_stops_in_the_middle_is_no_answer(there, spoken):
    there.plan.append(dripping(0, [spoken]))
    assert why(there.url).startswith("it ")


def test_a_name_nobody_knows_is_said_to_be_unknown():
    def unknown(name, port):
        raise socket.gaierror

    assert why("https://a.example/", resolve=unknown) == "the name of its server is not known"


@pytest.fixture
def certified(there, tmp_path):
    """The same server behind TLS, with a certificate of its own for rita.example, and who trusts it."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "rita.example")])
    now = datetime.now(UTC)
    builder = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    builder = builder.not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=1))
    names = x509.SubjectAlternativeName([x509.DNSName("rita.example")])
    made = builder.add_extension(names, critical=False).sign(key, hashes.SHA256())
    (tmp_path / "cert.pem").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    plain = (serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    (tmp_path / "key.pem").write_bytes(key.private_bytes(serialization.Encoding.PEM, *plain))
    served = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    served.load_cert_chain(tmp_path / "cert.pem", tmp_path / "key.pem")
    there.server.socket = served.wrap_socket(there.server.socket, server_side=True)
    return ssl.create_default_context(cafile=str(tmp_path / "cert.pem"))


def test_https_is_asked_by_name_at_the_address_that_was_checked(there, certified):
    url = f"https://rita.example:{there.port}/labels"
    assert post(url, resolve=lambda *_: ["127.0.0.1"], trust=certified).status == 200
    assert there.asked[0].headers["Host"] == f"rita.example:{there.port}"


def test_a_certificate_of_nobody_or_of_another_name_is_not_trusted(there, certified):
    assert "not trusted" in why(f"https://rita.example:{there.port}/", resolve=lambda *_: ["127.0.0.1"])
    other = f"https://other.example:{there.port}/"
    assert "not trusted" in why(other, resolve=lambda *_: ["127.0.0.1"], trust=certified)
    assert there.asked == []


def test_no_header_can_begin_another(there):
    with pytest.raises(ValueError, match="plain"):
        outgoing.post(there.url, b"", {"X": "a\r\nY: b"}, timeout_s=1, most_bytes=1)


def test_all_of_the_private_networks_are_refused_from_end_to_end():
    for network in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "127.0.0.0/8", "169.254.0.0/16", "100.64.0.0/10"):
        whole = ipaddress.ip_network(network)
        assert not outgoing.is_public(str(whole[0]))
        assert not outgoing.is_public(str(whole[-1]))


def test_production_does_not_open_this_machine():
    served = {
        "PRODUCTION": "1",
        "SECRET_KEY": "x" * 50,
        "DATABASE_URL": "postgresql://u@h/n",
        "ALLOWED_HOSTS": "a.example",
    }
    environment = {**os.environ, **served, "PLAY_MONEY": "1"}
    command = [sys.executable, "-c", "import marketplace.settings"]
    for said, code in (("0", 0), ("1", 1)):
        environment["OUTGOING_LOOPBACK"] = said
        run = subprocess.run(command, cwd=site.ROOT, env=environment, capture_output=True, text=True)
        assert run.returncode == code
        assert ("OUTGOING_LOOPBACK" in run.stderr) == bool(code)

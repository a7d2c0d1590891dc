"""Only an answer over trusted TLS counts, and what else there is gives a reason."""

from __future__ import annotations

import http.server
import ssl
import threading
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any

import pytest


@pytest.fixture(scope="module")
def pki(load: Callable[[str], ModuleType], tmp_path_factory: pytest.TempPathFactory) -> Callable[..., dict[str, Any]]:
    keep = load("plugins/action/host_certificate.py").keep
    directory = tmp_path_factory.mktemp("pki")
    terms = {"authority_name": "test", "authority_days": 30, "days": 20, "renew_days": 1}

    def issue(*names: str, authority: str = "one") -> dict[str, Any]:
        arguments = terms | {"directory": str(directory / authority), "name": names[0], "subject_names": list(names)}
        result: dict[str, Any] = keep(arguments, check_mode=False)
        return result

    return issue


@pytest.fixture
def serve() -> Iterator[Callable[[dict[str, Any]], str]]:
    """A server with a certificate, whose only page is /; gives its address."""
    servers = []

    class Page(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200 if self.path == "/" else 503)
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:
            pass

    def start(certificate: dict[str, Any]) -> str:
        server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Page)
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
        context.load_cert_chain(certificate["certificate"], certificate["key"])
        server.socket = context.wrap_socket(server.socket, server_side=True)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        servers.append(server)
        return f"https://127.0.0.1:{server.server_port}/"

    yield start
    for server in servers:
        server.shutdown()
        server.server_close()


@pytest.fixture
def cloudd_ready(load: Callable[[str], ModuleType]) -> ModuleType:
    return load("library/cloudd_ready.py")


def test_an_answer_over_trusted_tls(cloudd_ready: ModuleType, serve: Any, pki: Any) -> None:
    certificate = pki("127.0.0.1")
    url = serve(certificate)
    assert cloudd_ready.ask(url, certificate["ca"]) == ""
    assert cloudd_ready.ask(f"{url}broken", certificate["ca"]).startswith("answers 503")
    assert "CERTIFICATE_VERIFY_FAILED" in cloudd_ready.ask(url, pki("other", authority="two")["ca"])


def test_a_wrong_name(cloudd_ready: ModuleType, serve: Any, pki: Any) -> None:
    certificate = pki("cloud.example.org")
    assert "CERTIFICATE_VERIFY_FAILED" in cloudd_ready.ask(serve(certificate), certificate["ca"])


def test_nobody_there(cloudd_ready: ModuleType, pki: Any) -> None:
    assert "refused" in cloudd_ready.ask("https://127.0.0.1:1/", pki("127.0.0.1")["ca"])

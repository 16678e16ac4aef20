"""Who is answered: by the token, or on this machine."""

import pytest
from small_service import BODY, application_of, asking, line_of, numbers, rows_of

from orchestrator.serve.http.guard import Guard, digest_of, is_loopback

pytestmark = pytest.mark.usefixtures("shared_runners")

TOKEN = "correct-horse-battery"


@pytest.fixture(scope="module")
def secured():
    with asking(application_of(numbers(), token_digest=digest_of(TOKEN))) as client:
        yield client


def bearer(token, scheme="Bearer"):
    return {"Authorization": f"{scheme} {token}"}


@pytest.mark.parametrize("scheme", ["Bearer", "bearer"])
def test_the_token_opens_from_any_host(secured, scheme):
    headers = {**bearer(TOKEN, scheme), "Host": "models.example"}
    rows_of(secured.post("/predict", json=BODY, headers=headers))


@pytest.mark.parametrize(
    ("headers", "line"),
    [
        ({}, "the token is missing"),
        (bearer("wrong"), "the token is wrong"),
        (bearer(TOKEN[:-1]), "the token is wrong"),
        (bearer(TOKEN, "Basic"), "the token is missing"),
        (bearer("ä".encode("latin-1").decode("latin-1")), "the token is wrong"),
        ({"Authorization": TOKEN}, "the token is missing"),
    ],
)
@pytest.mark.parametrize("path", ["/predict", "/adapt", "/predict/abc", "/model", "/metrics"])
def test_nothing_else_does(secured, path, headers, line):
    method = "GET" if path in ("/model", "/metrics") else "POST"
    raw = {name: value.encode("latin-1") for name, value in headers.items()}
    response = secured.request(method, path, headers=raw)
    assert response.status_code == 401
    assert response.headers["www-authenticate"] == "Bearer"
    assert line_of(response) == f"{line}; send the header Authorization: Bearer TOKEN"
    assert TOKEN not in response.text


@pytest.mark.parametrize("path", ["/", "/page.js", "/page.css", "/health", "/openapi.json"])
def test_what_tells_nothing_of_the_run_is_open(secured, path):
    assert secured.get(path).status_code == 200


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example:80", "", "10.0.0.3"])
def test_without_a_token_a_page_with_a_name_for_this_machine_gets_nothing(host):
    with asking(application_of(numbers())) as client:
        response = client.get("/model", headers={"Host": host})
        assert response.status_code == 403
        assert "is not this machine; ask for 127.0.0.1 or localhost" in line_of(response)
        for name in ("localhost:8000", "127.0.0.1", "[::1]:8000"):
            assert client.get("/model", headers={"Host": name}).status_code == 200


@pytest.mark.parametrize(
    "origin",
    ["http://evil.example", "null", "", "http://127.0.0.1:3000", "http://localhost", "file://"],
)
def test_without_a_token_another_page_gets_nothing(origin):
    with asking(application_of(numbers())) as client:
        for path in ("/predict", "/adapt", "/predict/abc"):
            response = client.post(
                path, json=BODY, headers={"Host": "127.0.0.1:8000", "Origin": origin}
            )
            assert response.status_code == 403
            assert "is another page than this service's own" in line_of(response)
        assert client.get("/model", headers={"Origin": origin}).status_code == 403


@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize("host", ["127.0.0.1:8000", "localhost", "[::1]:8000", "LOCALHOST:80"])
def test_the_services_own_page_is_answered(scheme, host):
    guard = Guard("")
    guard.check("/predict", {"host": host, "origin": f"{scheme}://{host.lower()}"})


def test_with_a_token_the_token_is_enough(secured):
    headers = {**bearer(TOKEN), "Origin": "https://pages.example"}
    rows_of(secured.post("/predict", json=BODY, headers=headers))


@pytest.mark.parametrize(
    ("host", "is_local"),
    [
        ("127.0.0.1", True),
        ("127.8.1.2", True),
        ("localhost", True),
        ("::1", True),
        ("[::1]", True),
        ("0.0.0.0", False),
        ("::", False),
        ("192.168.0.1", False),
        ("localhost.example", False),
        ("", False),
    ],
)
def test_the_loopback_interface_has_these_names(host, is_local):
    assert is_loopback(host) == is_local

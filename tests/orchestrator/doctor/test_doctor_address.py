"""Addresses and tokens: wrong ones are found, and no token is ever shown."""

import socket

import pytest

from orchestrator.doctor.address import answers, check_address, check_dashboard, check_token


def anybody(host, port):
    return True


def nobody(host, port):
    return False


@pytest.mark.parametrize(
    ("address", "there", "verdict", "text"),
    [
        (None, nobody, "well", "not set"),
        ("auto", nobody, "well", "auto"),
        ("head:6379", anybody, "well", "head:6379 answers"),
        ("head:6379", nobody, "broken", "nothing answers at head:6379"),
        ("[::1]:6379", anybody, "well", "answers"),
        ("head", anybody, "broken", "is no HOST:PORT"),
        ("head:port", anybody, "broken", "is no HOST:PORT"),
        ("ray://head:10001", anybody, "broken", "is Ray Client's"),
        ("http://head:8265", anybody, "warning", "is a dashboard"),
    ],
)
def test_the_address_of_a_cluster(address, there, verdict, text):
    finding = check_address({"RAY_ADDRESS": address} if address else {}, there)
    assert (finding.verdict, text in finding.found) == (verdict, True), finding
    assert bool(finding.advice) == (verdict != "well")


@pytest.mark.parametrize(
    ("environment", "there", "verdict"),
    [
        ({}, nobody, "note"),
        ({}, anybody, "well"),
        ({"RAY_API_SERVER_ADDRESS": "http://head:8265"}, nobody, "warning"),
        ({"RAY_ADDRESS": "http://head:8265"}, nobody, "warning"),
        ({"RAY_ADDRESS": "head:6379"}, nobody, "note"),
        ({"RAY_API_SERVER_ADDRESS": "head"}, anybody, "broken"),
    ],
)
def test_the_address_of_a_dashboard(environment, there, verdict):
    assert check_dashboard(environment, there).verdict == verdict


def test_the_port_of_a_dashboard_is_its_schemes_where_it_names_none():
    asked = []

    def listens(host, port):
        asked.append((host, port))
        return True

    for address in ("https://head", "http://head", "http://head:1"):
        check_dashboard({"RAY_API_SERVER_ADDRESS": address}, listens)
    assert asked == [("head", 443), ("head", 80), ("head", 1)]


SECRET = "s3cret"


@pytest.mark.parametrize(
    ("environment", "files", "verdict", "text"),
    [
        ({}, [], "well", "none is needed"),
        ({"RAY_ADDRESS": "head:6379"}, [], "well", "none is sent"),
        ({"RAY_AUTH_MODE": "token"}, [], "broken", "but there is none"),
        ({"RAY_AUTH_MODE": "TOKEN", "RAY_AUTH_TOKEN": SECRET}, [], "well", "in RAY_AUTH_TOKEN;"),
        ({"RAY_AUTH_MODE": "token"}, [".ray/auth_token"], "well", "in ~/.ray/auth_token;"),
        ({"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN_PATH": "own"}, ["own"], "well", "the file "),
        (
            {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN_PATH": "gone"},
            [".ray/auth_token"],
            "broken",
            "cannot be read or is empty",
        ),
        ({"RAY_ADDRESS": "head:6379"}, [".ray/auth_token"], "warning", "RAY_AUTH_MODE is not"),
        ({}, [".ray/auth_token"], "well", "none is needed"),
    ],
)
def test_a_token_is_found_and_never_shown(tmp_path, monkeypatch, environment, files, verdict, text):
    monkeypatch.chdir(tmp_path)
    for name in files:
        file = tmp_path / name
        file.parent.mkdir(exist_ok=True)
        file.write_text(SECRET)
    finding = check_token(environment, tmp_path)
    assert (finding.verdict, text in finding.found) == (verdict, True), finding
    assert SECRET not in str(finding)


def test_an_empty_file_is_no_token(tmp_path):
    (tmp_path / ".ray").mkdir()
    (tmp_path / ".ray" / "auth_token").write_text("\n")
    assert check_token({"RAY_AUTH_MODE": "token"}, tmp_path).verdict == "broken"


def test_a_port_answers_while_something_listens():
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
        assert answers("127.0.0.1", port)
    assert not answers("127.0.0.1", port)


def test_a_secret_in_an_address_is_not_shown():
    finding = check_address({"RAY_ADDRESS": f"http://user:{SECRET}@head:8265"}, nobody)
    assert SECRET not in str(finding)

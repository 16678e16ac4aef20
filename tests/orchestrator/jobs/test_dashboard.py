"""The address of a cluster's dashboard."""

import pytest

from orchestrator.jobs.dashboard import dashboard_address


def test_an_address_is_the_options_then_the_environments_then_this_machines():
    both = {"RAY_API_SERVER_ADDRESS": "http://a:1", "RAY_ADDRESS": "https://b:2"}
    assert dashboard_address("http://c:3/", both) == "http://c:3"
    assert dashboard_address(None, both) == "http://a:1"
    assert dashboard_address(None, {"RAY_ADDRESS": "https://b:2"}) == "https://b:2"
    for not_a_dashboards in ("auto", "10.0.0.1:6379", "ray://a:10001"):
        address = dashboard_address(None, {"RAY_ADDRESS": not_a_dashboards})
        assert address == "http://127.0.0.1:8265"


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("ray://a:10001", "is Ray Client's"),
        ("a:8265", "does not begin with http"),
        ("auto", "does not begin with http"),
        ("", "does not begin with http"),
        ("http://", "names no host"),
        ("http://a:0", "names no host and port"),
        ("http://a b:1", "names no host"),
        ("http://a:99999", "is not an address: Port out of range"),
        ("http://[a", "is not an address"),
        ("http://u:PASSWORD@a:1?x=1", "more than a host and a path"),
        ("http://a/?token=PASSWORD", "more than a host and a path"),
    ],
)
def test_what_is_no_address_is_refused_with_an_example(address, expected):
    with pytest.raises(ValueError, match=f"--address = .*{expected}.*http://127.0.0.1:8265") as no:
        dashboard_address(address, {})
    assert "PASSWORD" not in str(no.value)
    with pytest.raises(ValueError, match="RAY_API_SERVER_ADDRESS = "):
        dashboard_address(None, {"RAY_API_SERVER_ADDRESS": address or "x"})

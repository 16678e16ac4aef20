"""The description of the service is of what it offers, and its answers are as described."""

import pytest
from small_service import BODY, QUERY, SUPPORT, application_of, asking, numbers

from orchestrator.serve.http import page
from orchestrator.serve.http.guard import digest_of

pytestmark = pytest.mark.usefixtures("shared_runners")

TOKEN = "correct-horse-battery"


@pytest.fixture(scope="module")
def client():
    with asking(application_of(numbers())) as client:
        yield client


def test_every_route_is_described(client):
    described = client.get("/openapi.json").json()["paths"]
    routes = {
        (route.path.replace("{key}", "{id}"), method.lower())
        for route in client.app.routes
        for method in route.methods - {"HEAD"}
        if route.path not in page.FILES
    }
    assert routes == {(path, method) for path, methods in described.items() for method in methods}


def test_answers_have_the_keys_that_are_required_of_them(client):
    paths = client.get("/openapi.json").json()["paths"]

    def schema(path, status="200"):
        answer = paths[path]["post"]["responses"][status]
        return answer["content"]["application/json"]["schema"]

    kept = client.post("/adapt", json={"support": SUPPORT}).json()
    assert set(schema("/adapt")["properties"]) == set(schema("/adapt")["required"]) == set(kept)
    rows = schema("/predict")["properties"]["predictions"]["items"]
    for path, body in {"/predict": BODY, f"/predict/{kept['id']}": {"query": QUERY}}.items():
        (first, _) = client.post(path, json=body).json()["predictions"]
        assert set(rows["required"]) <= set(first) <= set(rows["properties"])
    for status, path in {"422": "/predict", "404": "/predict/{id}"}.items():
        assert schema(path, status)["required"] == ["error"]


def test_a_token_is_described_where_it_is_demanded(client):
    assert client.get("/openapi.json").json()["security"] == []
    with asking(application_of(numbers(), token_digest=digest_of(TOKEN))) as secured:
        described = secured.get("/openapi.json").json()
    assert described["security"] == [{"token": []}]
    open_paths = [
        path
        for path, methods in described["paths"].items()
        if "get" in methods and methods["get"].get("security") == []
    ]
    assert open_paths == ["/health", "/openapi.json"]


def test_the_model_and_its_limits_are_told(client):
    told = client.get("/model").json()
    assert (told["task"], told["input_shape"], told["targets"]) == ("sinusoid", [1], "numbers")
    assert told["limits"]["examples"] == 1000
    assert told["protocol"]["method"] == "MAML, second order"
    assert client.get("/health").json() == {"status": "ready"}


def test_metrics_count_answers_by_route_and_status():
    with asking(application_of(numbers())) as client:
        for _ in range(2):
            client.post("/predict", json=BODY)
        client.post("/predict/secret-id", json={"query": QUERY})
        lines = client.get("/metrics").text.splitlines()
    counts = {
        line.rpartition(" ")[0]: float(line.rpartition(" ")[2])
        for line in lines
        if not line.startswith("#")
    }
    ours = 'replica="replica"}'
    answers = "metatrain_serve_answers_total"
    assert counts[f'{answers}{{route="/predict",status="200",{ours}'] == 2
    assert counts[f'{answers}{{route="/predict/{{key}}",status="404",{ours}'] == 1
    bucket = 'metatrain_serve_seconds_bucket{route="/predict",'
    buckets = [value for name, value in counts.items() if name.startswith(bucket)]
    assert buckets == sorted(buckets)
    total = counts[f'metatrain_serve_seconds_count{{route="/predict",{ours}']
    assert buckets[-1] == total == 2
    assert not any("secret-id" in line for line in lines)
    titles = [line.split()[2] for line in lines if line.startswith("# TYPE")]
    assert len(titles) == len(set(titles)) > 3

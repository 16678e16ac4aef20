"""The command on Ray Serve: it answers, survives the death of a replica, and stops in order."""

import json
import os
import re
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from small_learners import run_of
from small_service import BODY, QUERY, SUPPORT, application_of, asking, numbers, rows_of

pytestmark = [pytest.mark.ray, pytest.mark.slow, pytest.mark.usefixtures("shared_runners")]

TOKEN = "correct-horse-battery"
START_S, RETRY_S = 120, 60


class Server:
    """A service in a process of its own."""

    def __init__(self, errors, *options):
        with socket.socket() as unused:
            unused.bind(("127.0.0.1", 0))
            self.port = unused.getsockname()[1]
        command = [sys.executable, "-m", "metatrain", "serve", str(run_of(numbers())), *options]
        self._errors = errors
        with errors.open("w") as file:
            self.process = subprocess.Popen(
                [*command, "--port", str(self.port)],
                stdout=subprocess.PIPE,
                stderr=file,
                text=True,
                env={**os.environ, "METATRAIN_SERVE_TOKEN": TOKEN},
            )
        self.first = self.process.stdout.readline()

    def ask(self, path, body=None):
        """Status and answer, of a single try."""
        request = urllib.request.Request(
            f"http://127.0.0.1:{self.port}{path}",
            None if body is None else json.dumps(body).encode(),
            {"Content-Type": "application/json", "Authorization": f"Bearer {TOKEN}"},
        )
        try:
            with urllib.request.urlopen(request, timeout=RETRY_S) as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()
        except OSError as error:
            return 0, str(error)

    def ask_until_answered(self, path, body):
        """As docs/serving.md says: again after no answer, 500 or 503. The answer, and the tries."""
        tries, end = 0, time.monotonic() + RETRY_S
        while time.monotonic() < end:
            tries += 1
            status, answer = self.ask(path, body)
            if status not in (0, 500, 503):
                assert status == 200, answer
                return json.loads(answer), tries
            time.sleep(0.5)
        raise AssertionError(f"{path}: no answer in {RETRY_S} s: {status} {answer}")

    def replicas(self):
        """Processes of replicas that answer, by their metrics."""
        return set(map(int, re.findall(r'replica="[^":]*:(\d+)"', self.ask("/metrics")[1])))

    def stop(self, number=signal.SIGTERM):
        """The exit code, and the last line."""
        self.process.send_signal(number)
        self.process.communicate(timeout=START_S)
        return self.process.returncode, self._errors.read_text().splitlines()[-1]


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    server = Server(tmp_path_factory.mktemp("service") / "errors")
    try:
        assert f"at http://127.0.0.1:{server.port}" in server.first, server.first
        yield server
    finally:
        server.process.kill()
        server.process.communicate()


def test_it_answers_as_the_application_does(server):
    with asking(application_of(numbers())) as client:
        expected = rows_of(client.post("/predict", json=BODY))
    status, answer = server.ask("/predict", BODY)
    assert status == 200
    assert json.loads(answer)["predictions"] == expected
    assert server.ask("/health") == (200, '{"status":"ready"}')


def test_nothing_of_it_listens_beyond_this_machine(server):
    (replica,) = server.replicas()
    folder, listening = Path(f"/proc/{replica}"), set()
    sockets = {os.readlink(file) for file in (folder / "fd").iterdir()}
    for table in ("tcp", "tcp6"):
        for line in (folder / "net" / table).read_text().splitlines()[1:]:
            words = line.split()
            if words[3] == "0A" and f"socket:[{words[9]}]" in sockets:  # it listens
                listening.add(words[1].partition(":")[0])
    # 127.0.0.1, and the same as an address of IPv6.
    assert listening <= {"0100007F", "0000000000000000FFFF00000100007F"}
    assert listening


def test_replicas_and_their_parents_do_not_have_the_token(server):
    (process,) = server.replicas()
    seen = 0
    while process not in (0, 1, server.process.pid):
        assert TOKEN.encode() not in Path(f"/proc/{process}/environ").read_bytes()
        status = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
        process, seen = int(status[1]), seen + 1
    assert seen


def test_a_killed_replica_loses_no_request_that_is_sent_again(server):
    key = server.ask_until_answered("/adapt", {"support": SUPPORT})[0]["id"]
    expected = server.ask_until_answered("/predict", BODY)[0]
    kept = server.ask_until_answered(f"/predict/{key}", {"query": QUERY})[0]
    (replica,) = server.replicas()
    with ThreadPoolExecutor(8) as threads:
        asked = [
            threads.submit(server.ask_until_answered, *request)
            for _ in range(50)
            for request in (("/predict", BODY), (f"/predict/{key}", {"query": QUERY}))
        ]
        asked[3].result()  # others are under way
        os.kill(replica, signal.SIGKILL)
        answers = [each.result() for each in asked]
    assert [answer for answer, _ in answers] == [expected, kept] * 50
    assert server.replicas() != {replica}


def test_a_replica_that_has_grown_makes_room_for_another_and_no_request_is_lost(tmp_path):
    server = Server(tmp_path / "errors", "--max-growth", "1")
    try:
        expected, _ = server.ask_until_answered("/predict", BODY)  # its graph is larger
        (worn,) = server.replicas()
        answers, end = [], time.monotonic() + START_S
        while server.replicas() <= {worn} and time.monotonic() < end:
            answers.append(server.ask("/predict", BODY))
        assert server.replicas() - {worn}
        assert {status for status, _ in answers} == {200}
        assert all(json.loads(answer) == expected for _, answer in answers)
    finally:
        assert server.stop()[0] == 0


def test_a_signal_ends_it_after_the_answers(server):
    with ThreadPoolExecutor(8) as threads:
        slow = {"support": SUPPORT, "query": {"inputs": list(range(7))}}  # a graph to trace first
        asked = [threads.submit(server.ask, "/predict", slow) for _ in range(8)]
        while "_waiting" not in server.ask("/metrics")[1]:
            time.sleep(0.01)
        code, printed = server.stop()
        statuses = [each.result()[0] for each in asked]
    assert statuses == [200] * 8
    assert (code, printed) == (0, "stopped; what was asked has been answered")

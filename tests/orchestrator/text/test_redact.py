"""Which parts of a URI are secret, in a URI, in a sentence and in a command's word."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.text.redact import holds_secret, redact, redact_word


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("s3://K:S@bucket/run", "s3://***@bucket/run"),
        ("s3://K:S/T+U=@bucket/run?region=a", "s3://***@bucket/run?region=a"),
        ("s3://K:p@ss/word@bucket/run", "s3://***@bucket/run"),
        ("s3://K:it's@bucket/run", "s3://***@bucket/run"),
        ("see s3://K:a b@bucket/run, please", "see s3://***@bucket/run, please"),
        ("--out=s3://K:S@bucket/run", "--out=s3://***@bucket/run"),
        ("no 's3://K:S@b/r' there, 'x'", "no 's3://***@b/r' there, 'x'"),
        ("two: http://a:b@c (s3://d:e@f).", "two: http://***@c (s3://***@f)."),
        ("s3://TOKEN@bucket", "s3://***@bucket"),
        ("HTTPS://TOKEN@host/x", "HTTPS://***@host/x"),
        ("postgresql+psycopg2://me:S@host/db", "postgresql+psycopg2://***@host/db"),
        ("mysql://me@host/db", None),
        ("hdfs://me@name:8020/runs", None),
        (
            "abfs://c@a/run?sas_token=abc%3D&enable_tls=true",
            "abfs://c@a/run?sas_token=***&enable_tls=true",
        ),
        ("abfs://c:S@a/run", "abfs://***@a/run"),
        ("gs://b/run?access_token=abc", "gs://b/run?access_token=***"),
        (
            "s3://b/r?pwd=S&passwd=S&pass=S&auth=S&credential=S&code=S&x=S&region=eu",
            "s3://b/r?pwd=***&passwd=***&pass=***&auth=***&credential=***&code=***&x=***&region=eu",
        ),
        ("s3://b/r?p%77d=S", "s3://b/r?p%77d=***"),
        ("s3://b/r?S", "s3://b/r?***"),
        ("s3://b/r?region=eu;password=S", "s3://b/r?region=eu;password=***"),
        ("s3://b/r;password=S/x", "s3://b/r;password=***/x"),
        ("mssql://host;user=x;password=S", "mssql://host;user=x;password=***"),
        ("http://h/x#access_token=S", "http://h/x#access_token=***"),
        ("s3://b/r?endpoint_override=http%3A%2F%2FK%3AS%40h", "s3://b/r?endpoint_override=***"),
        ("s3://bucket/run?endpoint_override=127.0.0.1:80&scheme=http", None),
        ("s3://bucket/run?endpoint_override=https://minio:9000", None),
        ("s3://bucket/run@home", None),
        ("http://h:8265, and mail me@x.org", None),
        ("http://h:8265/#/jobs/a", None),
        ("sqlite:////runs/a@b.db", None),
        ("runs/a:b@c", None),
        ("file:///runs/a", None),
    ],
)
def test_what_is_secret_in_a_uri_is_not_shown(text, expected):
    assert redact(text) == (expected or text)
    if " " not in text:  # a sentence is no word of a command
        assert holds_secret(text) == (expected is not None)


@pytest.mark.parametrize(
    ("word", "expected"),
    [
        ("s3://K:a b@bucket/a b", "s3://***@bucket/a b"),
        ("--out=s3://K:a b@bucket", "--out=s3://***@bucket"),
        ("mlflow='http://u:a b@h'", "mlflow='http://***@h'"),
        ("task.path=/data/a b", "task.path=/data/a b"),
    ],
)
def test_a_word_of_a_command_line_is_a_uri_to_its_end(word, expected):
    assert redact_word(word) == expected


_SECRETS = st.text("abcXYZ019/+=?&;:@#%'\"-_. ~", min_size=1, max_size=12).map("pQ7{}zK3".format)


@given(_SECRETS, st.sampled_from(["s3", "https", "gs", "mysql+pymysql"]))
def test_no_secret_before_a_host_is_shown_whatever_it_holds(secret, scheme):
    shown = redact_word(f"--out={scheme}://KEY:{secret}@bucket/run?region=eu")
    assert "pQ7" not in shown
    assert "zK3" not in shown
    assert shown.startswith(f"--out={scheme}://***@")


@given(st.text("abcXYZ019_-", min_size=1, max_size=12), st.text("abcXYZ019/+=%:-_.~'", min_size=1))
def test_no_value_of_an_unknown_parameter_is_shown(name, value):
    uri = f"s3://bucket/run?x{name}=pQ7{value}&region=eu"
    assert redact(uri) == f"s3://bucket/run?x{name}=***&region=eu"

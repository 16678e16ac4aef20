#!/usr/bin/env bash
# What: pyarrow's S3FileSystem writes an object "only if there is none", by `If-None-Match: *` among the
#   metadata of `open_output_stream`, which takes HTTP headers such as Content-Type.
# Guess: The store gets the header and refuses; or pyarrow refuses a header that it does not know.
# What happens: The header is dropped. The object that was there is replaced, and the header is not among the
#   new object's metadata either. Content-Type, given beside it, is passed on. boto3's
#   `put_object(IfNoneMatch="*")` is refused by the same store.
# Version: pyarrow 26.0.1 (moto 5.2.5 as the store)
# Where it matters: A lock or a "first one wins" checkpoint on an object store that is made this way is held
#   by all who ask for it. Use a client with conditional writes, or a protocol that needs none.
set -euo pipefail
unset PYTHONPATH
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
python3 -m venv "$work/venv"
"$work/venv/bin/pip" install -q pyarrow==26.0.1 'moto[server]==5.2.5' boto3==1.44.8
cd "$work"
export AWS_ACCESS_KEY_ID=test AWS_SECRET_ACCESS_KEY=test AWS_EC2_METADATA_DISABLED=true
venv/bin/python - 2>errors <<'PYTHON' || { cat errors; exit 1; }
import boto3
import pyarrow
from botocore.exceptions import ClientError
from moto.server import ThreadedMotoServer
from pyarrow import fs

server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
server.start()
address = "http://{}:{}".format(*server.get_host_and_port())
boto = boto3.client("s3", endpoint_url=address, region_name="us-east-1")
boto.create_bucket(Bucket="bucket")
boto.put_object(Bucket="bucket", Key="runs/owner", Body=b"first")
try:
    boto.put_object(Bucket="bucket", Key="runs/owner", Body=b"boto3", IfNoneMatch="*")
except ClientError as error:
    refused = error.response["Error"]["Code"]
arrow = fs.S3FileSystem(endpoint_override=address, region="us-east-1", scheme="http")
headers = {"If-None-Match": "*", "Content-Type": "text/plain"}
with arrow.open_output_stream("bucket/runs/owner", metadata=headers) as stream:
    stream.write(b"pyarrow")
found = boto.get_object(Bucket="bucket", Key="runs/owner")
content = found["Body"].read()
print("pyarrow", pyarrow.__version__)
print("boto3, IfNoneMatch:", refused)
print("pyarrow, If-None-Match:", content, found["Metadata"], found["ContentType"])
assert refused == "PreconditionFailed"
assert content == b"pyarrow" and found["Metadata"] == {} and found["ContentType"] == "text/plain"
del stream, arrow
server.stop()
print("the condition was dropped, and the object replaced")
PYTHON

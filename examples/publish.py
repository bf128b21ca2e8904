#!/usr/bin/env python3
"""Publish one event to Tocsin with nothing but Python's standard library.

    examples/publish.py nats://127.0.0.1:4222 acme stack.redeploy.ok resource.json

The resource is read from standard input if its file is "-". The event is a
CloudEvent in structured mode. Real programs use a NATS client
(https://nats.io/clients) and need three lines, as publish.mjs shows; this one
speaks the protocol itself, to show that any language can.
"""
import json
import socket
import sys
import uuid
from datetime import datetime, timezone
from urllib.parse import urlparse


def publish(server, subject, body):
    """Store body on subject, and return JetStream's acknowledgement."""
    url = urlparse(server)
    if url.scheme != "nats" or not url.hostname:
        raise ValueError(f"{server} is not the address of a server, such as nats://127.0.0.1:4222")
    try:
        connection = socket.create_connection((url.hostname, url.port or 4222), timeout=10)
    except OSError as error:
        raise RuntimeError(f"cannot reach {url.hostname}: {error}") from error
    with connection:
        lines = connection.makefile("rb")
        lines.readline()  # INFO
        inbox = "_INBOX." + uuid.uuid4().hex
        connection.sendall(
            b'CONNECT {"verbose":false,"headers":true,"no_responders":true,"lang":"python","version":"1"}\r\n'
            + f"SUB {inbox} 1\r\nPUB {subject} {inbox} {len(body)}\r\n".encode()
            + body + b"\r\n")
        while True:
            line = lines.readline()
            if line.startswith(b"PING"):
                connection.sendall(b"PONG\r\n")
            elif line.startswith(b"MSG"):
                return json.loads(lines.read(int(line.split()[-1])))
            elif line.startswith(b"HMSG"):  # 503: nobody listens to the subject
                raise RuntimeError("no stream takes events there; run 'tocsin setup' first")
            elif not line or line.startswith(b"-ERR"):
                raise RuntimeError(f"NATS: {line.decode().strip() or 'connection closed'}")


def main(server, account, event_type, path):
    with open(0 if path == "-" else path, encoding="utf-8") as resource:
        data = json.load(resource)
    event = {
        "specversion": "1.0",
        "id": str(uuid.uuid4()),
        "source": "examples/publish.py",
        "type": event_type,
        "account": account,
        "time": datetime.now(timezone.utc).isoformat(),
        "data": data,
    }
    ack = publish(server, f"tocsin.events.{event_type}", json.dumps(event).encode())
    if "error" in ack:
        raise RuntimeError(f"JetStream: {ack['error']['description']}")
    print(f"published {event_type} as {event['id']}, message {ack['seq']} of {ack['stream']}")


if len(sys.argv) != 5:
    print("usage: publish.py SERVER ACCOUNT TYPE FILE", file=sys.stderr)
    sys.exit(2)
try:
    main(*sys.argv[1:])
except json.JSONDecodeError as error:
    sys.exit(f"publish.py: {sys.argv[4]} is not JSON: {error}")
except (OSError, RuntimeError, ValueError) as error:
    sys.exit(f"publish.py: {error}")

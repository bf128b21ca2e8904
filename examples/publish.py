#!/usr/bin/env python3
"""Publish one event to Tocsin with nothing but Python's standard library.

    examples/publish.py nats://127.0.0.1:4222 acme stack.redeploy.ok resource.json

The event is a CloudEvent in structured mode. Real programs use a NATS client
(https://nats.io/clients) and need three lines; this one speaks the protocol
itself, to show that any language can.
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
    with socket.create_connection((url.hostname, url.port or 4222), timeout=10) as connection:
        lines = connection.makefile("rb")
        lines.readline()  # INFO
        inbox = "_INBOX." + uuid.uuid4().hex
        connection.sendall(
            b'CONNECT {"verbose":false,"lang":"python","version":"1"}\r\n'
            + f"SUB {inbox} 1\r\nPUB {subject} {inbox} {len(body)}\r\n".encode()
            + body + b"\r\n")
        while True:
            line = lines.readline()
            if line.startswith(b"PING"):
                connection.sendall(b"PONG\r\n")
            elif line.startswith(b"MSG"):
                return json.loads(lines.read(int(line.split()[-1])))
            elif not line or line.startswith(b"-ERR"):
                raise RuntimeError(f"NATS: {line.decode().strip() or 'connection closed'}")


def main():
    server, account, event_type, path = sys.argv[1:]
    event = {
        "specversion": "1.0",
        "id": str(uuid.uuid4()),
        "source": "examples/publish.py",
        "type": event_type,
        "account": account,
        "time": datetime.now(timezone.utc).isoformat(),
        "data": json.load(sys.stdin if path == "-" else open(path)),
    }
    ack = publish(server, f"tocsin.events.{event_type}", json.dumps(event).encode())
    if "error" in ack:
        raise RuntimeError(f"JetStream: {ack['error']['description']}")
    print(f"published {event_type} as {event['id']}, message {ack['seq']} of {ack['stream']}")


main()

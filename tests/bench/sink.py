"""A server that speaks as much of S3 as an upload needs, and forgets every byte that it is sent.

It knows of each object its length and its metadata, so that both sides of the measurement see what S3 would answer.
"""

import multiprocessing
import re
import socketserver
import threading
from urllib.parse import parse_qs, unquote, urlsplit

XML = '<?xml version="1.0" encoding="UTF-8"?>'


class Sink(socketserver.ThreadingTCPServer):
    allow_reuse_address, daemon_threads, request_queue_size = True, True, 128

    def __init__(self):
        self.objects, self.uploads, self.lock, self.taken = {}, {}, threading.Lock(), 0
        super().__init__(("127.0.0.1", 0), Connection)


class Connection(socketserver.StreamRequestHandler):
    rbufsize, disable_nagle_algorithm = 1 << 16, True

    def handle(self):
        self.block = memoryview(bytearray(1 << 20))
        while line := self.rfile.readline():
            method, target, _ = line.decode().split(" ")
            headers = {}
            while (header := self.rfile.readline().decode().strip()):
                name, value = header.split(":", 1)
                headers[name.lower()] = value.strip()
            if headers.get("expect") == "100-continue":
                self.wfile.write(b"HTTP/1.1 100 Continue\r\n\r\n")
            self.answer(method, urlsplit(target), headers, self.swallow(int(headers.get("content-length", 0)), method))

    def swallow(self, length, method):
        """Reads a body away; gives it only where it is a question."""
        if method == "POST":
            return self.rfile.read(length)
        while length:
            length -= self.rfile.readinto(self.block[: min(length, len(self.block))])
        return b""

    def answer(self, method, target, headers, body):
        query, key, server = parse_qs(target.query, keep_blank_values=True), unquote(target.path), self.server
        bytes_sent = int(headers.get("x-amz-decoded-content-length", headers.get("content-length", 0)))
        metadata = {name: value for name, value in headers.items() if name.startswith("x-amz-meta-")}
        if method == "PUT":
            with server.lock:
                server.taken += bytes_sent
                if "uploadId" in query:
                    server.uploads[query["uploadId"][0]][1] += bytes_sent
                else:
                    server.objects[key] = (metadata, bytes_sent)
            return self.say("200 OK", {"ETag": '"sink"'})
        if method == "POST" and "uploads" in query:
            with server.lock:
                upload = f"upload-{len(server.uploads)}"
                server.uploads[upload] = [metadata, 0]
            return self.say("200 OK", {}, f"{XML}<InitiateMultipartUploadResult><UploadId>{upload}</UploadId></InitiateMultipartUploadResult>")
        if method == "POST":
            with server.lock:
                server.objects[key] = tuple(server.uploads[query["uploadId"][0]])
            return self.say("200 OK", {}, f'{XML}<CompleteMultipartUploadResult><ETag>"sink"</ETag></CompleteMultipartUploadResult>')
        if method == "HEAD":
            if not re.fullmatch(r"/[^/]+/.+", key):
                return self.say("200 OK", {})
            if key not in server.objects:
                return self.say("404 Not Found", {})
            metadata, length = server.objects[key]
            return self.say("200 OK", {**metadata, "ETag": '"sink"'}, length=length)
        name = "ListMultipartUploadsResult" if "uploads" in query else "ListBucketResult"
        return self.say("200 OK", {}, f"{XML}<{name}><IsTruncated>false</IsTruncated></{name}>")

    def say(self, status, headers, body="", length=None):
        lines = [f"HTTP/1.1 {status}", *(f"{name}: {value}" for name, value in headers.items())]
        lines.append(f"Content-Length: {len(body) if length is None else length}")
        self.wfile.write("\r\n".join([*lines, "", body]).encode())


def serve(pipe):
    with Sink() as sink:
        threading.Thread(target=sink.serve_forever, daemon=True).start()
        pipe.send(sink.server_address[1])
        while pipe.recv() is not None:
            with sink.lock:
                told = (len(sink.objects), sink.taken)
                sink.objects, sink.uploads, sink.taken = {}, {}, 0
            pipe.send(told)


class Beside:
    """A sink in a process of its own."""

    def __enter__(self):
        self.pipe, other = multiprocessing.Pipe()
        self.process = multiprocessing.Process(target=serve, args=(other,), daemon=True)
        self.process.start()
        self.url = f"http://127.0.0.1:{self.pipe.recv()}"
        return self

    def __exit__(self, *_):
        self.pipe.send(None)
        self.process.join(5)
        self.process.kill()

    def taken(self):
        """Objects and bytes since the last time; it forgets them."""
        self.pipe.send(True)
        return self.pipe.recv()

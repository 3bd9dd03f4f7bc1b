#!/usr/bin/env python3
"""A scripted OpenAI-compatible server: it answers as told, and writes down what it was asked.

    fake_llm_server.py [--plan FILE] [--log FILE] [--tls CERTIFICATE_AND_KEY]

Prints its port on stdout and ends when its stdin does. Python's standard library alone.

The plan, JSON: {"script": [STEP, ...], "then": STEP}. The n-th request is served by the n-th step
of the script, later ones by "then"; requests are counted as they come, also refused ones. A step
may hold

    answer       the text (default: two numbered questions that end in a number never used before)
    finish       finish_reason (default "stop")
    status       and with it: body (object or text), headers ({name: value}; "{date+N}" is a date N
                 seconds ahead, "{key}" in the body is the key that was sent)
    delay        seconds before anything is sent
    cut          send so many bytes of the answer, and close the connection
    drop         true: close the connection without an answer
    raw          this text in place of the JSON, with content_type (default application/json)
    huge         so many bytes
    refuse       [field, ...]: 400 that names the field where the request has it

To a request with `input` (POST /embeddings) it answers vectors drawn from the texts, the last
first, as base64 where that is asked for; a step may then hold

    dimension    numbers of a vector (default: the request's `dimensions`, else 4)
    numbers      true: numbers whatever is asked for
    data         changes of the answer's rows: "fewer", "twice" (an index), "nan"

The log, one JSON object a line and a request, written before it is answered: `passage` (the first
16 digits of the SHA-256 of what stands between the prompt's two lines of dashes: attune's passage
id), `number`, `fields` (of the request), `key` (whether one was sent), `path`, `input`.
"""
import argparse
import base64
import email.utils
import hashlib
import http.server
import json
import ssl
import struct
import sys
import threading
import time

LINE = "\n" + 21 * "-" + "\n"


def passage_id(prompt):
    parts = prompt.split(LINE)
    return hashlib.sha256(parts[1].encode()).hexdigest()[:16] if len(parts) == 3 else ""


def vector_of(text, dimension):
    digest = hashlib.sha256(text.encode()).digest()
    return [(digest[i % 32] - 128) / 128 for i in range(dimension)]


def rows_of(request, step):
    dimension = step.get("dimension", request.get("dimensions", 4))
    rows = []
    for index, text in enumerate(request["input"]):
        vector = vector_of(text, dimension)
        if step.get("data") == "nan":
            vector[0] = float("nan")
        if request.get("encoding_format") == "base64" and not step.get("numbers"):
            vector = base64.b64encode(struct.pack(f"<{dimension}f", *vector)).decode()
        rows.append({"object": "embedding", "index": index, "embedding": vector})
    if step.get("data") == "fewer":
        rows.pop()
    if step.get("data") == "twice":
        rows[-1]["index"] = 0
    return rows[::-1]


class Server(http.server.ThreadingHTTPServer):
    daemon_threads = True

    def __init__(self, plan, log=None):
        super().__init__(("127.0.0.1", 0), Handler)
        self.plan, self.log = plan, log
        self.number, self.lock = 0, threading.Lock()

    def handle_error(self, request, client_address):
        pass  # clients go away: that is what is tested

    def note(self, asked):
        """The number of this request, from 0."""
        with self.lock:
            number, self.number = self.number, self.number + 1
            if self.log:
                self.log.write(json.dumps(asked | {"number": number}) + "\n")
                self.log.flush()
            return number

    def step(self, number, _asked):
        script = self.plan.get("script", [])
        return script[number] if number < len(script) else self.plan.get("then", {})


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def log_message(self, *_):
        pass

    def do_POST(self):
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        request = json.loads(body)
        prompt = request["messages"][-1]["content"] if "messages" in request else ""
        key = self.headers.get("Authorization", "").removeprefix("Bearer ")
        asked = {
            "passage": passage_id(prompt),
            "fields": sorted(request),
            "key": bool(key),
            "path": self.path,
            "input": request.get("input", []),
        }
        number = self.server.note(asked)
        step = self.server.step(number, asked)
        time.sleep(step.get("delay", 0))
        if step.get("drop"):
            self.close_connection = True
            return
        for field in step.get("refuse", []):
            if field in request:
                message = f"unknown field: {field}"
                return self.send(400, json.dumps({"error": {"message": message}}))
        if "status" in step:
            body = step.get("body", {"error": {"message": f"scripted {step['status']}"}})
            text = body if isinstance(body, str) else json.dumps(body)
            text = text.replace("{key}", key)
            return self.send(step["status"], text, step.get("headers", {}))
        if "raw" in step:
            return self.send(200, step["raw"], content_type=step.get("content_type"))
        if "input" in request:
            answer = {
                "object": "list",
                "data": rows_of(request, step),
                "model": request["model"] + "x" * step.get("huge", 0),
                "usage": {"prompt_tokens": 10 * len(request["input"])},
            }
            return self.send(200, json.dumps(answer), cut=step.get("cut"))
        text = step.get("answer", f"1. What is {number}a?\n2. What is {number}b?")
        text += "x" * step.get("huge", 0)
        completion = {
            "id": f"chatcmpl-{number}",
            "object": "chat.completion",
            "created": int(time.time()),
            "model": request["model"],
            "choices": [
                {
                    "index": 0,
                    "message": {"role": "assistant", "content": text},
                    "finish_reason": step.get("finish", "stop"),
                }
            ],
            "usage": {"prompt_tokens": 100, "completion_tokens": 10, "total_tokens": 110},
        }
        self.send(200, json.dumps(completion), cut=step.get("cut"))

    def send(self, status, text, headers=None, content_type=None, cut=None):
        payload = text.encode()
        self.send_response(status)
        self.send_header("Content-Type", content_type or "application/json")
        self.send_header("Content-Length", str(len(payload)))
        for name, value in (headers or {}).items():
            if value.startswith("{date+"):
                moment = time.time() + float(value[6:-1])
                value = email.utils.formatdate(moment, usegmt=True)
            self.send_header(name, value)
        self.end_headers()
        if cut is None:
            self.wfile.write(payload)
        else:
            self.wfile.write(payload[:cut])
            self.wfile.flush()
            self.close_connection = True


def main(arguments):
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument("--plan")
    parser.add_argument("--log")
    parser.add_argument("--tls")
    options = parser.parse_args(arguments)
    plan = json.load(open(options.plan, encoding="utf-8")) if options.plan else {}
    log = open(options.log, "a", encoding="utf-8") if options.log else None
    server = Server(plan, log)
    if options.tls:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(options.tls)
        server.socket = context.wrap_socket(server.socket, server_side=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print(server.server_address[1], flush=True)
    sys.stdin.read()


if __name__ == "__main__":
    main(sys.argv[1:])

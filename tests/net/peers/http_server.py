"""An HTTP/1.1 server that is not ours (Python's http.server), for one test: prints its port, serves
until its input ends.
  /hello           "hello" and the number of the connection
  /echo            POST: the body back
  /gzip /chunked   a JSON text in that form
  /status/N        that status, with Retry-After: 3
  /move            302 to /hello;   /away  302 to another host;   /loop  302 to itself
  /once            answers, then closes the connection without having said so
  /close           answers with Connection: close
  /silent          never answers;   /half  half of the announced body, then nothing
usage: http_server.py CERTIFICATE KEY   (none: plain)"""
import gzip
import http.server
import itertools
import ssl
import sys
import threading

connections = itertools.count(1)
text = b'{"symbols":[' + b",".join(b'"S%d"' % i for i in range(2000)) + b"]}"
stop = threading.Event()


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True

    def setup(self):
        super().setup()
        self.number = next(connections)

    def log_message(self, *arguments):
        pass

    def answer(self, status, body, *fields):
        self.send_response(status)
        for name, value in fields:
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def do_POST(self):
        self.answer(200, self.rfile.read(int(self.headers["Content-Length"])))

    def do_GET(self):
        path = self.path
        if path == "/hello":
            self.answer(200, b"hello %d" % self.number)
        elif path == "/gzip":
            self.answer(200, gzip.compress(text), ("Content-Encoding", "gzip"))
        elif path == "/chunked":
            self.send_response(200)
            self.send_header("Transfer-Encoding", "chunked")
            self.end_headers()
            for begin in range(0, len(text), 1000):
                piece = text[begin:begin + 1000]
                self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
            self.wfile.write(b"0\r\n\r\n")
        elif path.startswith("/status/"):
            self.answer(int(path.rsplit("/", 1)[1]), b"no", ("Retry-After", "3"))
        elif path == "/move":
            self.answer(302, b"", ("Location", "/hello"))
        elif path == "/loop":
            self.answer(302, b"", ("Location", "/loop"))
        elif path == "/away":
            self.answer(302, b"", ("Location", "https://elsewhere.test/hello"))
        elif path == "/once":
            self.answer(200, b"once %d" % self.number)
            self.close_connection = True
        elif path == "/close":
            self.answer(200, b"close %d" % self.number, ("Connection", "close"))
        elif path == "/half":
            self.send_response(200)
            self.send_header("Content-Length", "100")
            self.end_headers()
            self.wfile.write(b"half")
            self.wfile.flush()
            stop.wait()
        else:
            stop.wait()


server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
server.daemon_threads = True
if len(sys.argv) == 3:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(sys.argv[1], sys.argv[2])
    server.socket = context.wrap_socket(server.socket, server_side=True)
threading.Thread(target=server.serve_forever, daemon=True).start()
print(server.server_address[1], flush=True)
sys.stdin.read()
stop.set()

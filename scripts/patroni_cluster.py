"""etcd and two Patroni nodes with PostgreSQL 15, in a folder and on free ports of 127.0.0.1; scripts/rehearse-patroni's."""
import json
import os
import pwd
import random
import secrets
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.request

BIN = "/usr/lib/postgresql/15/bin"
NEEDED = {"patroni": "patroni", "etcd": "etcd-server", BIN + "/pg_rewind": "postgresql-15"}
WEB = urllib.request.build_opener(urllib.request.ProxyHandler({}))  # nothing of this leaves the machine


def missing_packages():
    return [package for program, package in NEEDED.items() if not shutil.which(program)]


def until(what, condition, seconds=120):
    """@returns what the condition said first that is not nothing"""
    end = time.time() + seconds
    while time.time() < end:
        if found := condition():
            return found
        time.sleep(0.1)
    sys.exit(f"scripts/{os.path.basename(sys.argv[0])}: after {seconds} s still not there: {what}")


def sql(dsn, text):
    """@returns the answer, or "" from a server that gives none"""
    return subprocess.run(["psql", dsn, "-XqtA", "-c", text], text=True, stdout=subprocess.PIPE,
                          stderr=subprocess.DEVNULL).stdout.strip()


def free_ports(count):
    """Nobody answers on them, and the kernel hands none of them out to clients."""
    found = []
    while len(found) < count:
        port = random.randrange(12000, 32000)
        with socket.socket() as probe:
            if port not in found and probe.connect_ex(("127.0.0.1", port)) != 0:
                found.append(port)
    return found


class Node:
    """A Patroni and the PostgreSQL that it keeps."""

    def __init__(self, cluster, name, port, rest):
        self.cluster, self.name, self.port, self.rest = cluster, name, port, rest
        self.data = f"{cluster.folder}/{name}"
        self.dsn = f"host=127.0.0.1 port={port} {cluster.login} connect_timeout=3"
        self.patroni = None
        with open(self.data + ".json", "w") as file:  # JSON is YAML
            json.dump(self.settings(), file, indent=1)
        cluster.hand_over(file.name, 0o600)

    def settings(self):
        logins = {who: {"username": who, "password": self.cluster.password}
                  for who in ("perp", "replicator", "rewinder")}
        return {
            "scope": "perp", "name": self.name,
            "restapi": {"listen": f"127.0.0.1:{self.rest}", "connect_address": f"127.0.0.1:{self.rest}"},
            "etcd3": {"host": f"127.0.0.1:{self.cluster.etcd_port}"},
            "bootstrap": {
                "dcs": {"ttl": 20, "loop_wait": 3, "retry_timeout": 5,  # 20 is the least that Patroni takes
                        "postgresql": {"use_pg_rewind": True, "parameters": {"wal_keep_size": "4GB"}}},
                "initdb": [{"encoding": "UTF8"}, {"locale": "C.UTF-8"}]},
            "postgresql": {
                "listen": f"127.0.0.1:{self.port}", "connect_address": f"127.0.0.1:{self.port}",
                "data_dir": self.data, "bin_dir": BIN, "pgpass": self.data + ".pgpass",
                "authentication": dict(zip(("superuser", "replication", "rewind"), logins.values())),
                "pg_hba": ["local all all trust", "host all all 127.0.0.1/32 scram-sha-256",
                           "host replication all 127.0.0.1/32 scram-sha-256"],
                "parameters": {"unix_socket_directories": self.cluster.folder, "shared_buffers": "256MB",
                               "max_wal_size": "4GB", "timezone": "UTC"}}}

    def start(self):
        self.patroni = self.cluster.spawn(["patroni", self.data + ".json"], self.name)

    def kill_patroni(self):
        self.patroni.kill()
        self.patroni.wait()

    def postmaster(self):
        """@returns the pid of a postmaster that lives, or None"""
        try:
            with open(self.data + "/postmaster.pid") as file:
                pid = int(file.readline())
            return pid if os.path.samefile(f"/proc/{pid}/cwd", self.data) else None
        except (OSError, ValueError):
            return None

    def signal_postmaster(self, number):
        if pid := self.postmaster():
            os.kill(pid, number)

    def status(self):
        try:
            with WEB.open(f"http://127.0.0.1:{self.rest}/patroni", timeout=3) as answer:
                return json.load(answer)
        except (OSError, ValueError):  # it is away
            return {}

    def leads(self):
        status = self.status()
        return status.get("state") == "running" and status.get("role") in ("master", "primary")

    def follows(self, leader):
        status = self.status()
        return (status.get("state") == "running" and status.get("role") == "replica" and
                status.get("timeline") == leader.status().get("timeline") and
                leader.sql("SELECT count(*) FROM pg_stat_replication WHERE state = 'streaming'") == "1")

    def sql(self, text):
        return sql(self.dsn, text)


class Cluster:
    """etcd and two nodes, in the folder's own processes and on 127.0.0.1 alone; `first` leads to begin with."""

    def __init__(self, folder, _):
        self.folder = folder
        # PostgreSQL refuses root, so root hands it to an unprivileged user.
        self.user = "postgres" if os.getuid() == 0 else None
        os.mkdir(folder)
        self.hand_over(folder, 0o755)
        self.processes, self.nodes = [], []
        self.password = secrets.token_hex(16)
        self.login = f"user=perp dbname=postgres password={self.password}"
        self.etcd_port, peer_port, *ports = free_ports(6)
        client, peer = f"http://127.0.0.1:{self.etcd_port}", f"http://127.0.0.1:{peer_port}"
        self.spawn(["etcd", "--data-dir", folder + "/etcd", "--listen-client-urls", client, "--advertise-client-urls",
                    client, "--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer, "--initial-cluster",
                    "default=" + peer, "--log-level", "warn"], "etcd")
        self.nodes = [Node(self, name, *ports[i::2]) for i, name in enumerate(("first", "second"))]
        # The second is asked first: a session that begins anew finds it while the first can be written to as well.
        self.dsn = (f"host=127.0.0.1,127.0.0.1 port={ports[1]},{ports[0]} {self.login} "
                    "target_session_attrs=read-write")

    def begin(self):
        first, second = self.nodes
        first.start()
        until("the first node leads", first.leads)
        second.start()
        until("the second node follows", lambda: second.follows(first))

    def hand_over(self, path, mode):
        os.chmod(path, mode)
        if self.user:
            shutil.chown(path, self.user)

    def spawn(self, command, name):
        who = pwd.getpwnam(self.user) if self.user else None
        identity = {"user": who.pw_uid, "group": who.pw_gid, "extra_groups": []} if who else {}
        with open(f"{self.folder}/{name}.log", "a") as log:
            process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, cwd="/",
                                       start_new_session=True, **identity)  # Ctrl-C is ours alone
        self.processes.append(process)
        return process

    def switch_over(self, leader, candidate):
        body = json.dumps({"leader": leader.name, "candidate": candidate.name}).encode()
        request = urllib.request.Request(f"http://127.0.0.1:{leader.rest}/switchover", body)
        with WEB.open(request, timeout=120) as answer:
            answer.read()

    def remove(self):
        for process in reversed(self.processes):
            try:
                os.killpg(process.pid, signal.SIGKILL)  # with what it has begun, such as pg_rewind
            except ProcessLookupError:
                pass
            process.wait()
        for node in self.nodes:
            node.signal_postmaster(signal.SIGQUIT)
        for node in self.nodes:
            until(f"the end of {node.name}'s PostgreSQL", lambda: node.postmaster() is None, 30)

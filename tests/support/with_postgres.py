#!/usr/bin/env python3
"""with_postgres.py COMMAND [ARGUMENT...]: runs the command beside a PostgreSQL server with pgvector of its own.

ATTUNE_POSTGRES is the address of a database with the extension, ATTUNE_POSTGRES_BARE that of one without, ATTUNE_POSTGRES_OLD
that of one whose extension has no HNSW, as pgvector before 0.5. The server is that of requirements/postgres.txt in
.venv/postgres; it listens in a temporary folder alone, and goes with it. 77: there is none (scripts/setup --peers installs it).
"""

import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
INSTALLED = pathlib.Path(os.environ.get("ATTUNE_POSTGRES_WHEEL", ROOT / ".venv/postgres"))
NOBODY = 65534


def as_nobody():
    """PostgreSQL refuses to run as root."""
    return {"user": NOBODY, "group": NOBODY, "extra_groups": []} if os.geteuid() == 0 else {}


def main():
    if not (INSTALLED / "pgserver/pginstall/bin/postgres").is_file():
        print(f"SKIPPED: no PostgreSQL in {INSTALLED}; scripts/setup --peers installs it", file=sys.stderr)
        return 77
    with tempfile.TemporaryDirectory(prefix="attune-postgres-") as name:
        folder = pathlib.Path(name)
        if os.geteuid() == 0:  # nobody may not reach this repository
            shutil.copytree(INSTALLED / "pgserver/pginstall", folder / "pgserver/pginstall")
            shutil.copytree(INSTALLED / "pgserver.libs", folder / "pgserver.libs")
            os.chown(folder, NOBODY, NOBODY)
        installed = folder if os.geteuid() == 0 else INSTALLED
        programs, data = installed / "pgserver/pginstall/bin", folder / "data"
        quiet = {"check": True, "stdout": subprocess.DEVNULL, "cwd": folder, **as_nobody()}
        initdb = [programs / "initdb", "--pgdata", data, "--username", "attune", "--auth", "trust"]
        subprocess.run([*initdb, "--encoding", "UTF8", "--locale", "C", "--no-sync"], **quiet)
        settings = {"listen_addresses": "", "unix_socket_directories": folder, "fsync": "off"}
        options = [word for key, value in settings.items() for word in ("-c", f"{key}={value}")]
        with open(folder / "log", "wb") as log:
            server = subprocess.Popen(
                [programs / "postgres", "-D", data, *options], stdout=log, stderr=log, cwd=folder, **as_nobody()
            )
        try:
            address = f"postgresql://attune@/%s?host={folder}"
            psql = [programs / "psql", "--quiet", "-v", "ON_ERROR_STOP=1", address % "postgres"]
            for _ in range(600):
                if subprocess.run([*psql, "-c", "SELECT 1"], capture_output=True, check=False).returncode == 0:
                    break
                if server.poll() is not None:
                    sys.exit(f"PostgreSQL does not start:\n{(folder / 'log').read_text()}")
                time.sleep(0.1)
            subprocess.run([*psql, "-c", "CREATE DATABASE bare"], check=True)
            subprocess.run([*psql, "-c", "CREATE EXTENSION vector"], check=True)
            subprocess.run([*psql, "-c", "CREATE DATABASE old"], check=True)
            without_hnsw = "CREATE EXTENSION vector; ALTER EXTENSION vector DROP ACCESS METHOD hnsw; " + "".join(
                f"ALTER EXTENSION vector DROP OPERATOR {kind} vector_{name}_ops USING hnsw; "
                for kind in ("CLASS", "FAMILY")
                for name in ("l2", "ip", "cosine")
            )
            drop = "DROP ACCESS METHOD hnsw CASCADE"
            subprocess.run([*psql[:-1], address % "old", "-c", without_hnsw, "-c", drop], **quiet)
            environment = os.environ | {
                "ATTUNE_POSTGRES": address % "postgres",
                "ATTUNE_POSTGRES_BARE": address % "bare",
                "ATTUNE_POSTGRES_OLD": address % "old",
            }
            return subprocess.run(sys.argv[1:], env=environment, check=False).returncode
        finally:
            server.send_signal(signal.SIGINT)  # at once, whoever is connected
            try:
                server.wait(20)
            except subprocess.TimeoutExpired:
                server.kill()
                server.wait()


if __name__ == "__main__":
    sys.exit(main())

#!/usr/bin/env python3
"""Measures `trasvase files` beside boto3's transfer manager: `make bench-uploads`.

    uploads.py TRASVASE [--runs N] [--venv FOLDER] [--small COUNT] [--big MEGABYTES] [--work FOLDER]

Both send the same files to the same sink (`sink.py`): one big file, then many small ones. Times are of whole processes:
ours hashes every file first, asks what is there, and writes the rows that tell of the files into PostgreSQL.
"""

import argparse
import os
import random
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from bench import Server, measure
from sink import Beside
from sources import Contest

PATIENT = {"patient": ({"id": "integer primary key", "name": "text not null"}, "")}
DOCUMENT = (
    "create table document (id text primary key, patient_id integer not null references patient, bucket text not null, object_key text not null, "
    "content_type text, size bigint not null, sha256 text not null, original_name text not null);\n"
)
PATIENTS = 100
# most that either may take, in MB: what the program promises
MEMORY = 300
AWS = {"AWS_ACCESS_KEY_ID": "bench", "AWS_SECRET_ACCESS_KEY": "bench", "AWS_REGION": "eu-west-1", "AWS_DEFAULT_REGION": "eu-west-1", "AWS_EC2_METADATA_DISABLED": "true"}
BOTO = """import sys, boto3
from pathlib import Path
from boto3.s3.transfer import create_transfer_manager, TransferConfig
folder = Path(sys.argv[2])
with create_transfer_manager(boto3.client("s3", endpoint_url=sys.argv[1]), TransferConfig()) as manager:
    sent = [manager.upload(str(path), "general", str(path.relative_to(folder))) for path in folder.rglob("*.pdf")]
for one in sent:
    one.result()
"""


def write(path, length, rng):
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("wb") as file:
        file.write(b"%PDF-1.7\n")
        while length:
            block = rng.randbytes(min(length, 1 << 20))
            file.write(block)
            length -= len(block)


class Uploads:
    """A clinic whose patients are in the target, and what it is to send."""

    def __init__(self, options, folder, server, sink, name):
        self.options, self.folder, self.server, self.sink, self.name = options, folder, server, sink, name
        self.contest = Contest(options, folder, server, name, PATIENT, 'files = ["sources/{table}.csv"]')
        self.docs = self.contest.sources / "docs"
        lines = "".join(f"{n};Ana\n" for n in range(1, PATIENTS + 1))
        self.contest.sources.joinpath("patient.csv").write_text("id;name\n" + lines)
        with open(self.contest.sources.parent / "clinic.toml", "a") as settings:
            settings.write('\n[[files]]\nfolder = "sources/docs"\n')
        with open(self.contest.project / "schema" / f"{name}.sql", "a") as schema:
            schema.write(DOCUMENT)
        self.template = f"{name}_empty"
        subprocess.run(server.psql("postgres", f"create database {self.template}"), check=True)
        subprocess.run([*server.psql(self.template), "-f", str(self.contest.project / "schema" / f"{name}.sql")], check=True)
        self.script = folder / "boto.py"
        self.script.write_text(BOTO)

    def rounds(self):
        files = [path.stat().st_size for path in self.docs.rglob("*.pdf")]
        environment = {**AWS, "AWS_ENDPOINT_URL": self.sink.url, "S3_GENERAL_BUCKET": "general", "S3_WORM_BUCKET": "worm"}
        python, memory = Path(self.options.venv) / "bin" / "python", 0
        print(f"{self.name}: {len(files):,} files, {sum(files):,} bytes")
        for _ in range(self.options.runs):
            self.server.fresh("bench", self.template)
            self.contest.trasvase("run --until verify", "bench", environment)
            self.sink.taken()
            spent = self.contest.again("files", "bench", environment)
            self.told("trasvase", files)
            self.contest.note("files", spent.seconds)
            memory = max(memory, spent.memory)
            spent = measure([python, self.script, self.sink.url, self.docs], environment)
            self.told("boto3", files)
            self.contest.note("boto3", spent.seconds)
        for name in ["files", "boto3"]:
            rate = sum(files) / 1e6 / statistics.median(self.contest.times[name])
            print(f"  {name:<8} {rate:7.0f} MB/s, {len(files) / statistics.median(self.contest.times[name]):7.0f} files/s")
        self.contest.ratio("files", "boto3", 1.0)
        print(f"  peak memory {memory:.0f} MB   under {MEMORY}: {'met' if memory < MEMORY else 'MISSED'}")

    def told(self, who, files):
        if self.sink.taken() != (len(files), sum(files)):
            sys.exit(f"{self.name}: {who} did not send every byte")


def with_boto(options):
    folder = Path(options.venv)
    if not (folder / "bin" / "python").exists():
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    if subprocess.run([folder / "bin" / "python", "-c", "import boto3"], stderr=subprocess.DEVNULL).returncode:
        subprocess.run([folder / "bin" / "python", "-m", "pip", "install", "-q", "boto3"], check=True)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("trasvase", type=Path)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--small", type=int, default=10_000)
    parser.add_argument("--big", type=int, default=2_000, help="megabytes of the one big file")
    parser.add_argument("--work", type=Path, default=Path(tempfile.gettempdir()))
    parser.add_argument("--venv", default=str(Path(tempfile.gettempdir()) / "trasvase-bench-uploads-venv"))
    options = parser.parse_args()
    with_boto(options)
    folder = Path(tempfile.mkdtemp(prefix="trasvase-bench-", dir=options.work))
    # the server runs under an account of its own, and reads nothing here but its data
    folder.chmod(0o755)
    try:
        with Server(folder) as server, Beside() as sink:
            print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
            rng = random.Random(5)
            big = Uploads(options, folder, server, sink, "big")
            write(big.docs / "1" / "scan.pdf", options.big * 1_000_000, rng)
            big.rounds()
            shutil.rmtree(big.docs)
            small = Uploads(options, folder, server, sink, "small")
            for n in range(options.small):
                write(small.docs / str(n % PATIENTS + 1) / f"{n}.pdf", rng.randrange(2_000, 40_000), rng)
            small.rounds()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()

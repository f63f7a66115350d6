#!/usr/bin/env python3
"""Measures the linkage of duplicates beside Splink: part of `make bench`, or `make bench-dedupe`.

    dedupe.py TRASVASE [--rows N] [--runs N] [--threads N] [--big] [--rules FILE.json] [--work FOLDER] [--venv FOLDER] [--keep] [--no-peers]

Generates persons of whom a tenth stand there again (`persons.py`), and gives both the same CSV, blocking rules, bound on
the pairs of a rule, and threads. Times are of whole processes, from exec to exit: trasvase from its loaded rows to golden
records, Splink from CSV to clusters (`splink_link.py`).
"""

import argparse
import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from bench import HERE, ROOT, measure

# the timed command, on a staging file that `load` has filled
LINKAGE = ["transform", "persons", "--select", "clean.patient+"]
REQUIRED = ["splink>=5,<6", "duckdb"]


def with_splink(folder):
    """Goes on in a Python that has Splink and DuckDB, in a virtual environment beside the builds."""
    python = folder / "bin" / "python"
    if Path(sys.prefix).resolve() == folder.resolve():
        return
    try:
        if not python.exists():
            subprocess.run([sys.executable, "-m", "venv", folder], check=True)
        if subprocess.run([python, "-c", "import splink, duckdb"], stderr=subprocess.DEVNULL).returncode:
            subprocess.run([python, "-m", "pip", "install", "-q", *REQUIRED], check=True)
    except (OSError, subprocess.CalledProcessError):
        print("dedupe, Splink: skipped, Splink and DuckDB could not be installed from PyPI")
        sys.exit()
    os.execv(python, [str(python), *sys.argv])


class Linkage:
    """Pairs that are said to be one person, against those that are."""

    def __init__(self, truth, records):
        import duckdb

        self.duckdb = duckdb.connect()
        self.duckdb.execute(f"create table truth as select * from read_csv('{truth}', header = true, all_varchar = true)")
        self.true = self.count("truth")
        self.records = records

    def count(self, table):
        return self.duckdb.execute(f"select count(*) from {table}").fetchone()[0]

    def score(self, clusters):
        """Precision, recall and F1 of clusters, a query of `id` and `cluster`."""
        self.duckdb.execute(f"create or replace temp table said as select id, cluster from ({clusters})")
        if self.count("said") != self.records:
            sys.exit(f"{self.count('said')} records have a cluster, not {self.records}")
        self.duckdb.execute('create or replace temp table pair as select a.id as "left", b.id as "right" from said as a join said as b on a.cluster = b.cluster and a.id < b.id')
        said, hit = self.count("pair"), self.count('pair join truth using ("left", "right")')
        precision, recall = hit / said if said else 1, hit / self.true if self.true else 1
        return precision, recall, 2 * precision * recall / (precision + recall) if hit else 0


class Bench:
    def __init__(self, options, folder, rows):
        self.options, self.rows = options, rows
        self.folder = folder / f"persons-{rows}"
        self.project = self.folder / "project"
        self.sources = self.project / "clinics" / "persons" / "sources"
        self.limits = []
        self.times, self.memory = {}, {}

    def generate(self):
        shutil.copytree(HERE / "persons", self.project)
        shutil.copytree(ROOT / "sql", self.project / "sql")
        self.sources.mkdir()
        measure([sys.executable, HERE / "persons.py", self.folder, "--rows", self.rows, "--seed", self.options.seed])
        self.folder.joinpath("persons.csv").rename(self.sources / "persons.csv")
        self.linkage = Linkage(self.folder / "truth.csv", self.rows)
        print(f"{self.rows:,} records, {self.linkage.true:,} pairs of one person; {os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}, {self.options.threads} threads", flush=True)
        if self.options.rules:
            self.block(json.loads(self.options.rules.read_text()))

    def block(self, rules):
        """Blocking rules of our own, in place of those that trasvase has for people."""
        import tomllib

        shared = tomllib.loads((ROOT / "sql" / "dedupe" / "person.toml").read_text())["block"]
        own = {rule["name"]: rule["key"] for rule in rules["rules"]}
        lines = [f"{name} = {json.dumps(own[name], ensure_ascii=False) if name in own else 'false'}" for name in {**shared, **own}]
        with open(self.project / "clinics" / "persons" / "clinic.toml", "a") as written:
            written.write(f"max_pairs = {rules['max_pairs']}\n\n[dedupe.patient.block]\n" + "\n".join(lines) + "\n")

    def run_trasvase(self, *arguments):
        line = [self.options.trasvase, "-C", self.project, "--format", "json", "--lang", "en", "--log-level", "warn", "--threads", self.options.threads]
        return measure([*line, *self.limits, *arguments])

    def note(self, name, spent, score):
        self.times.setdefault(name, []).append(spent.seconds)
        self.memory[name] = max(self.memory.get(name, 0), spent.memory)
        precision, recall, f1 = score
        print(f"  {name:<10} {spent.seconds:8.2f} s   processor {spent.user:8.2f} s   {spent.memory:6.0f} MB   precision {precision:.4f} recall {recall:.4f} F1 {f1:.4f}", flush=True)

    def trasvase(self, name="trasvase"):
        shutil.rmtree(self.project / "staging", ignore_errors=True)
        self.run_trasvase("load", "persons")
        spent = self.run_trasvase(*self.options.linkage or LINKAGE)
        staging = self.project / "staging" / "persons" / "persons.duckdb"
        self.linkage.duckdb.execute(f"attach '{staging}' as staging (read_only)")
        self.note(name, spent, self.linkage.score("select source_id as id, golden_id as cluster from staging.xref.patient"))
        self.linkage.duckdb.execute("detach staging")

    def splink(self):
        out = self.folder / "splink"
        line = [sys.executable, HERE / "splink_link.py", self.sources / "persons.csv", out, "--threads", self.options.threads]
        if self.options.rules:
            line += ["--rules", self.options.rules]
        spent = measure(line)
        self.note("splink", spent, self.linkage.score(f"select id, cluster from read_csv('{out}/clusters.csv', header = true, all_varchar = true)"))
        report = json.loads(spent.text.splitlines()[-1])
        print("             " + ", ".join(f"{part} {seconds} s" for part, seconds in report["parts"].items()), flush=True)
        print(f"             Splink {report['splink']} on DuckDB {report['duckdb']}; {sum(report['pairs_by_rule'].values()):,} pairs of all rules, a pair that two make counted twice", flush=True)

    def rounds(self):
        for _ in range(self.options.runs):
            self.trasvase()
            if not self.options.no_peers:
                self.splink()
        if not self.options.no_peers:
            self.ratio("seconds, trasvase / Splink", statistics.median(self.times["trasvase"]) / statistics.median(self.times["splink"]), 1 / 3)
            self.ratio("peak memory, trasvase / Splink", self.memory["trasvase"] / self.memory["splink"], 0.5)

    def ratio(self, what, value, limit):
        print(f"  {what:<32} {value:5.2f}   at most {limit:.2f}: {'met' if value <= limit else 'MISSED'}")

    def big(self):
        self.limits = ["--memory-limit", "4GB"]
        self.trasvase("at 4GB")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("trasvase", type=Path)
    parser.add_argument("--rows", type=int, default=200_000)
    parser.add_argument("--runs", type=int, default=1)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--threads", type=int, default=os.cpu_count())
    parser.add_argument("--big", action="store_true", help="also ten times the rows, at --memory-limit 4GB")
    parser.add_argument("--rules", type=Path, help="blocking rules for both, JSON: max_pairs and rules of name and key; else those of sql/dedupe/person.toml")
    parser.add_argument("--linkage", nargs="+", help="the timed command of trasvase")
    parser.add_argument("--work", type=Path, default=Path(tempfile.gettempdir()))
    parser.add_argument("--venv", type=Path, default=Path(tempfile.gettempdir()) / "trasvase-splink-venv")
    parser.add_argument("--no-peers", action="store_true")
    parser.add_argument("--keep", action="store_true", help="leave the files behind")
    options = parser.parse_args()
    with_splink(options.venv)
    folder = Path(tempfile.mkdtemp(prefix="trasvase-dedupe-", dir=options.work))
    try:
        bench = Bench(options, folder, options.rows)
        bench.generate()
        bench.rounds()
        if options.big:
            big = Bench(options, folder, options.rows * 10)
            big.generate()
            big.big()
    finally:
        if not options.keep:
            shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()

#!/usr/bin/env python3
"""Measures what trasvase reads beside files of text: `make bench-sources`.

    sources.py TRASVASE [--scale SHARE] [--runs N] [--venv FOLDER] [--no-peers] [--work FOLDER]

- SQLite to PostgreSQL, 1,000,000 rows in three tables, verified, beside pgloader's bare load of the same file.
- PostgreSQL to PostgreSQL, 5,000,000 rows: load beside `COPY TO` a file, push beside `COPY FROM`, all of it beside dlt and Sling.
- NDJSON of MongoDB, 200,000 documents of 2 KB: load beside DuckDB's own `read_json`.

`--scale 0.1` takes a tenth of the rows. Times are of whole processes, from exec to exit, but for the stages of a run.
"""

import argparse
import json
import os
import random
import shutil
import sqlite3
import statistics
import subprocess
import sys
import tempfile
from pathlib import Path

from bench import PORT, Server, measure

CLINIC = """name = "{name}"
uid = "01JGKGC000BENCH00000AAAAAA"
epoch = "2026-01-02T00:00:00Z"
product = "{name}"
system = "{name}"
timezone = "Europe/Madrid"
country = "ES"
currency = "EUR"

[limits]
"*" = "0"
"""
# table to its columns with PostgreSQL's types, and what stands behind them
SQLITE = {
    "patient": ({"id": "integer primary key", "name": "text not null", "born": "date", "phone": "text", "email": "text"}, ""),
    "appointment": (
        {"id": "integer primary key", "patient_id": "integer not null references patient", "starts_at": "timestamp not null", "status": "text not null", "notes": "text"},
        "create index appointment_patient on appointment (patient_id);",
    ),
    "invoice": (
        {"id": "integer primary key", "patient_id": "integer not null references patient", "number": "text not null unique", "issued_on": "date not null", "total": "numeric(12,2) not null"},
        "create index invoice_patient on invoice (patient_id);",
    ),
}
POSTGRES = {
    "measure": (
        {"id": "bigint primary key", "patient_id": "integer not null", "taken_at": "timestamptz not null", "kind": "text not null", "value": "numeric(10,3)", "note": "text"},
        "create index measure_patient on measure (patient_id);",
    )
}


def ddl(tables):
    lines = []
    for table, (columns, more) in tables.items():
        lines.append(f"create table {table} ({', '.join(f'{name} {kind}' for name, kind in columns.items())});{more}")
    return "\n".join(lines) + "\n"


def model(table, columns):
    """The target's table as it stands in `raw`, each value of its type."""
    typed = [f"cast({name} as {kind.split(' ')[0].replace('timestamptz', 'timestamp with time zone')}) as {name}" for name, kind in columns.items()]
    return f"-- as it came\nselect {', '.join(typed)}, _id from raw.{table}\n"


class Contest:
    """One kind of source: a project of its own, and the times of everyone who reads it."""

    def __init__(self, options, folder, server, name, tables, source):
        self.options, self.folder, self.server, self.name = options, folder, server, name
        self.project, self.times = folder / name, {}
        clinic = self.project / "clinics" / name
        (clinic / "sources").mkdir(parents=True)
        (clinic / "sql" / "target").mkdir(parents=True)
        (self.project / "schema").mkdir()
        (self.project / "sql" / "sources" / name).mkdir(parents=True)
        shutil.copytree(Path(__file__).resolve().parent.parent.parent / "sql" / "macros", self.project / "sql" / "macros")
        self.sources = clinic / "sources"
        text = CLINIC.format(name=name)
        for table, (columns, _) in tables.items():
            text += f'\n[sources.{table}]\n{source.format(table=table)}\n' + (f'primary = "{table}"\n' if columns else 'unused = "only read"\n')
            if columns:
                (clinic / "sql" / "target" / f"{table}.sql").write_text(model(table, columns))
        (clinic / "clinic.toml").write_text(text)
        (self.project / "schema" / f"{name}.sql").write_text(ddl(tables) if any(columns for columns, _ in tables.values()) else "select 1;\n")

    def trasvase(self, command, database, environment=None):
        """A command with nothing left over from before."""
        shutil.rmtree(self.project / "staging", ignore_errors=True)
        return self.again(command, database, environment)

    def again(self, command, database, environment=None):
        line = [self.options.trasvase, "-C", self.project, "--format", "json", "--lang", "en", "--log-level", "warn", *command.split(" "), self.name]
        return measure(line, {"DATABASE_URL": self.server.url(database), **(environment or {})})

    def note(self, name, seconds):
        self.times.setdefault(name, []).append(seconds)
        print(f"  {name:<24} {seconds:7.2f} s", flush=True)

    def note_run(self, spent):
        self.note("run", spent.seconds)
        for stage in json.loads(spent.text)["stages"]:
            self.times.setdefault(stage["stage"], []).append(stage["milliseconds"] / 1000)

    def ratio(self, name, other, limit=None):
        if name in self.times and other in self.times:
            value = statistics.median(self.times[name]) / statistics.median(self.times[other])
            bar = "" if limit is None else f"   at most {limit:.2f}: {'met' if value <= limit else 'MISSED'}"
            print(f"  {name + ' / ' + other:<32} {value:5.2f}{bar}")

    def stages(self):
        told = [(name, statistics.median(values)) for name, values in self.times.items() if name in ("load", "transform", "check", "export", "push", "verify")]
        print("  stages of run: " + ", ".join(f"{name} {value:.2f} s" for name, value in told))


def sqlite_file(path, rows):
    """A fifth of the rows are patients, a fifth invoices, the others appointments."""
    rng, patients = random.Random(7), rows // 5
    database = sqlite3.connect(path)
    database.executescript(ddl(SQLITE).replace("numeric(12,2)", "real").replace("timestamp", "text").replace("date not", "text not").replace("born date", "born text"))
    day = lambda: f"20{rng.randrange(10, 26)}-{rng.randrange(1, 13):02}-{rng.randrange(1, 29):02}"
    database.executemany("insert into patient values (?, ?, ?, ?, ?)", ((n, f"Ana García {n}", day(), f"+34600{n:06}", f"ana{n}@example.org") for n in range(1, patients + 1)))
    database.executemany(
        "insert into appointment values (?, ?, ?, ?, ?)",
        ((n, rng.randrange(1, patients + 1), f"{day()} {rng.randrange(8, 20):02}:30:00", rng.choice(["done", "cancelled"]), f"revisión número {n} de la consulta") for n in range(1, 3 * patients + 1)),
    )
    database.executemany("insert into invoice values (?, ?, ?, ?, ?)", ((n, rng.randrange(1, patients + 1), f"F-{n:08}", day(), rng.randrange(100, 99999) / 100) for n in range(1, patients + 1)))
    database.commit()
    database.close()


def sqlite_contest(options, folder, server):
    rows = int(1_000_000 * options.scale)
    print(f"SQLite to PostgreSQL, {rows:,} rows in three tables")
    contest = Contest(options, folder, server, "sqlite", SQLITE, 'files = ["sources/old.db"]\ntable = "{table}"')
    path = contest.sources / "old.db"
    sqlite_file(path, rows)
    subprocess.run(server.psql("postgres", "create database sqlite_empty"), check=True)
    schema = contest.project / "schema" / "sqlite.sql"
    subprocess.run([*server.psql("sqlite_empty"), "-f", schema], check=True)
    for _ in range(options.runs):
        server.fresh("bench", "sqlite_empty")
        contest.note_run(contest.trasvase("run", "bench"))
        if shutil.which("pgloader") and not options.no_peers:
            server.fresh("other", "template0")
            command = folder / "sqlite.load"
            command.write_text(f"load database from sqlite://{path} into postgresql://postgres@127.0.0.1:{PORT}/other;")
            spent = measure(["pgloader", "--root-dir", folder / "pgloader", command], may_fail=True)
            count = subprocess.run(server.psql("other", "\\t", "select count(*) from appointment"), capture_output=True, text=True)
            if int(count.stdout.strip() or 0) == rows // 5 * 3:
                contest.note("pgloader", spent.seconds)
            else:
                print("  pgloader did not load all rows; its time counts for nothing")
    contest.stages()
    contest.ratio("run", "pgloader", 1.0)


def postgres_contest(options, folder, server):
    rows = int(5_000_000 * options.scale)
    print(f"PostgreSQL to PostgreSQL, {rows:,} rows")
    contest = Contest(options, folder, server, "postgres", POSTGRES, 'url = "OLD_URL"\ntable = "{table}"')
    for name in ["old", "postgres_empty"]:
        subprocess.run(server.psql("postgres", f"create database {name}"), check=True)
        subprocess.run([*server.psql(name), "-f", contest.project / "schema" / "postgres.sql"], check=True)
    fill = (
        f"insert into measure select n, n % 100000, timestamptz '2015-01-01' + n * interval '1 minute', "
        f"(array['pulse', 'weight', 'pressure'])[n % 3 + 1], (n % 99991) / 7.0, 'medida número ' || n from generate_series(1, {rows}) n"
    )
    subprocess.run(server.psql("old", fill, "vacuum analyze measure"), check=True)
    copied = folder / "measure.copy"
    for number in range(options.runs):
        contest.note("COPY TO", measure(server.psql("old", f"\\copy measure to '{copied}'")).seconds)
        server.fresh("bench", "postgres_empty")
        contest.note_run(contest.trasvase("run", "bench", {"OLD_URL": server.url("old")}))
        server.fresh("other", "postgres_empty")
        contest.note("COPY FROM", measure(server.psql("other", f"\\copy measure from '{copied}'")).seconds)
        if number == 0 and not options.no_peers:
            postgres_peers(contest, options, folder, server)
    contest.stages()
    contest.ratio("load", "COPY TO", 1.0)
    contest.ratio("push", "COPY FROM", 0.8)
    contest.ratio("run", "dlt")
    contest.ratio("run", "sling")


DLT = """import sys, dlt
from dlt.sources.sql_database import sql_database
pipeline = dlt.pipeline(pipeline_name="bench", destination=dlt.destinations.postgres(sys.argv[2]), dataset_name="bench")
pipeline.run(sql_database(sys.argv[1], table_names=["measure"], backend="pyarrow", chunk_size=100_000))
"""


def postgres_peers(contest, options, folder, server):
    bin_folder = Path(options.venv) / "bin"
    old, other = (server.url(name).replace("postgres://postgres@", "postgresql://postgres:none@") for name in ["old", "other"])
    script = folder / "dlt_sql.py"
    script.write_text(DLT)
    peers = {
        "dlt": [bin_folder / "python", script, old, other],
        "sling": [next(Path(options.venv).glob("lib/*/site-packages/sling_linux_amd64/bin/sling-linux-amd64"), Path("sling")), "run", "--src-conn", f"{old}?sslmode=disable", "--src-stream", "public.measure", "--tgt-conn", f"{other}?sslmode=disable", "--tgt-object", "public.measure_sling", "--mode", "full-refresh"],
    }
    environment = {"RUNTIME__DLTHUB_TELEMETRY": "false", "DLT_DATA_DIR": str(folder / "dlt"), "SLING_DISABLE_TELEMETRY": "true", "HOME": str(folder)}
    for name, line in peers.items():
        if not Path(line[0]).exists():
            print(f"  {name}: skipped, it could not be installed from PyPI")
            continue
        server.fresh("other", "template0")
        spent = measure(line, environment, may_fail=True)
        if spent.failed:
            print(f"  {name}: failed; its time counts for nothing\n{spent.errors[-600:]}")
        else:
            contest.note(name, spent.seconds)


def documents(path, count):
    rng = random.Random(11)
    with path.open("w") as file:
        for n in range(count):
            entries = [{"at": {"$date": f"2024-0{k % 9 + 1}-11T10:00:00.000Z"}, "by": f"user{rng.randrange(900)}", "text": "nota de seguimiento " * 5, "ok": k % 2 == 0} for k in range(10)]
            person = {"first": "Ana", "last": f"García {n}", "address": {"street": "Calle Mayor 1", "city": "Sevilla"}}
            document = {"_id": {"$oid": f"{n:024x}"}, "createdAt": {"$date": "2024-02-03T04:05:06.789Z"}, "number": n, "total": {"$numberDecimal": "12.50"}, "person": person, "entries": entries}
            file.write(json.dumps(document, ensure_ascii=False) + "\n")


def document_contest(options, folder, server):
    count = int(200_000 * options.scale)
    contest = Contest(options, folder, server, "mongo", {"people": ({}, "")}, 'files = ["sources/people.json"]')
    path = contest.sources / "people.json"
    documents(path, count)
    print(f"NDJSON of MongoDB, {count:,} documents, {path.stat().st_size / count / 1000:.1f} KB each")
    python = Path(options.venv) / "bin" / "python"
    script = "import sys, duckdb; duckdb.connect(sys.argv[2]).execute('create table people as from read_json(?, format = \\'newline_delimited\\')', [sys.argv[1]])"
    for _ in range(options.runs):
        contest.note("load", contest.trasvase("load", "postgres").seconds)
        if python.exists():
            database = folder / "read_json.duckdb"
            database.unlink(missing_ok=True)
            contest.note("read_json", measure([python, "-c", script, path, database]).seconds)
    contest.ratio("load", "read_json", 2.0)


def with_peers(options):
    folder = Path(options.venv)
    if not (folder / "bin" / "python").exists():
        subprocess.run([sys.executable, "-m", "venv", folder], check=True)
    wanted = ["duckdb==1.5.*"] + ([] if options.no_peers else ["dlt[postgres]", "sqlalchemy", "psycopg[binary]", "pyarrow", "sling-linux-amd64"])
    for package in wanted:
        subprocess.run([folder / "bin" / "python", "-m", "pip", "install", "-q", package], check=False)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("trasvase", type=Path)
    parser.add_argument("--scale", type=float, default=1.0)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--only", choices=["sqlite", "postgres", "mongo"])
    parser.add_argument("--work", type=Path, default=Path(tempfile.gettempdir()))
    parser.add_argument("--venv", default=str(Path(tempfile.gettempdir()) / "trasvase-bench-sources-venv"))
    parser.add_argument("--no-peers", action="store_true")
    options = parser.parse_args()
    with_peers(options)
    folder = Path(tempfile.mkdtemp(prefix="trasvase-bench-", dir=options.work))
    # the server runs under an account of its own, and reads nothing here but its data
    folder.chmod(0o755)
    try:
        with Server(folder) as server:
            print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
            for name, contest in {"sqlite": sqlite_contest, "postgres": postgres_contest, "mongo": document_contest}.items():
                if options.only in (None, name):
                    contest(options, folder, server)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()

#!/usr/bin/env python3
"""Measures trasvase beside psql, pgloader and dlt: `make bench`.

    bench.py TRASVASE GENERATOR [--patients N] [--runs N] [--big] [--work FOLDER] [--keep] [--no-peers]

Generates a clinic (three appointments and one invoice a patient), starts a PostgreSQL of its own with fsync on, and
gives every contender an empty database of the same schema. Times are of whole processes, from exec to exit.
"""

import argparse
import json
import os
import pwd
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from datetime import datetime
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
TABLES = ["clinic", "patient", "appointment", "invoice"]
PORT = 54329
# as Debian ships it, but for these
SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "port": PORT,
    "shared_buffers": "512MB",
    "max_wal_size": "4GB",
    "jit": "off",
    "log_min_messages": "fatal",
}

# "about" one scan of the tables: a third may come on top, for the target's rules, verify/*.sql and what the ledger knows
ABOUT = 4 / 3

# somebody else's rows
STRANGERS = [
    "insert into clinic values (repeat('Z', 26), 'other')",
    "insert into patient (id, clinic_id, chart_number, first_name) values (repeat('Z', 26), repeat('Z', 26), '1', 'Nadie')",
    "insert into appointment (id, clinic_id, patient_id, starts_at) values (repeat('Z', 26), repeat('Z', 26), repeat('Z', 26), now())",
    "insert into invoice (id, clinic_id, patient_id, series, number, status, issued_on, total) "
    "values (repeat('Z', 26), repeat('Z', 26), repeat('Z', 26), 'Z', '1', 'PAID', now(), 1)",
]


class Server:
    """A PostgreSQL in a folder of its own; started by another account where we are root, as it demands."""

    def __init__(self, folder):
        folders = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: -int(path.parent.name))
        folders += map(Path, os.get_exec_path())
        self.bin = next(folder for folder in folders if (folder / "initdb").exists() and (folder / "psql").exists())
        self.account = pwd.getpwnam("postgres") if os.getuid() == 0 else None
        self.data = folder / "postgres"
        self.log = folder / "postgres.log"

    def command(self, *arguments):
        change = {"user": self.account.pw_uid, "group": self.account.pw_gid} if self.account else {}
        subprocess.run([str(part) for part in arguments], check=True, stdout=subprocess.DEVNULL, cwd="/", **change)

    def __enter__(self):
        self.data.mkdir(mode=0o700)
        self.log.touch()
        if self.account:
            os.chown(self.data, self.account.pw_uid, self.account.pw_gid)
            os.chown(self.log, self.account.pw_uid, self.account.pw_gid)
        self.command(self.bin / "initdb", "-D", self.data, "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale", "C.UTF-8")
        with open(self.data / "postgresql.conf", "a") as configuration:
            configuration.write(f"unix_socket_directories = '{self.data}'\n")
            configuration.writelines(f"{name} = '{value}'\n" for name, value in SETTINGS.items())
        self.command(self.bin / "pg_ctl", "-D", self.data, "-l", self.log, "-w", "start")
        return self

    def __exit__(self, *_):
        self.command(self.bin / "pg_ctl", "-D", self.data, "-w", "-m", "immediate", "stop")

    def spent(self):
        """Seconds of processor that the server's processes took, as far as they have ended."""
        pid = self.data.joinpath("postmaster.pid").read_text().split()[0]
        fields = Path(f"/proc/{pid}/stat").read_text().rsplit(") ", 1)[1].split()
        return sum(map(int, fields[11:15])) / os.sysconf("SC_CLK_TCK")

    def url(self, database):
        return f"postgres://postgres@127.0.0.1:{PORT}/{database}"

    def psql(self, database, *commands):
        line = [str(self.bin / "psql"), "-X", "-q", "-v", "ON_ERROR_STOP=1", "-d", self.url(database)]
        for command in commands:
            line += ["-c", command]
        return line

    def fresh(self, database, template):
        """An empty database of the schema, with all that came before on disk."""
        subprocess.run(
            self.psql("postgres", "set client_min_messages = warning", f"drop database if exists {database}", f"create database {database} template {template}", "checkpoint"),
            check=True,
        )
        os.sync()


class Spent:
    """What a process took."""

    def __init__(self, seconds, user, memory, text):
        self.seconds, self.user, self.memory, self.text = seconds, user, memory, text


def measure(line, environment=None, may_fail=False):
    """Runs a command: seconds by the clock, seconds of processor, peak memory in MB, what it printed."""
    with tempfile.TemporaryFile() as output, tempfile.TemporaryFile() as errors:
        begun = time.monotonic()
        process = subprocess.Popen([str(part) for part in line], stdout=output, stderr=errors, env={**os.environ, **(environment or {})})
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.monotonic() - begun
        process.returncode = os.waitstatus_to_exitcode(status)
        output.seek(0)
        errors.seek(0)
        text, told = (file.read().decode(errors="replace") for file in (output, errors))
        if process.returncode != 0 and not may_fail:
            sys.exit(f"{' '.join(map(str, line))}: exit {process.returncode}\n{told[-4000:]}\n{text[-2000:]}")
    spent = Spent(seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024, text)
    spent.failed, spent.errors = process.returncode != 0, told
    return spent


class Bench:
    def __init__(self, options, folder, server, patients):
        self.options, self.folder, self.server, self.patients = options, folder, server, patients
        self.project = folder / f"project-{patients}"
        self.clinic = self.project / "clinics" / "bench"
        self.times = {}
        self.processor = {}
        self.stages = {}
        self.memory = {}

    def measure(self, *arguments, **options):
        """[`measure`] with the processor time of the server, once the connection's process has ended."""
        time.sleep(0.3)
        before = self.server.spent()
        spent = measure(*arguments, **options)
        time.sleep(0.3)
        spent.server = self.server.spent() - before
        return spent

    def note(self, name, spent):
        self.times.setdefault(name, []).append(spent.seconds)
        self.processor.setdefault(name, []).append(spent.user + spent.server)
        self.memory[name] = max(self.memory.get(name, 0), spent.memory)
        print(
            f"  {name:<12} {spent.seconds:7.2f} s   processor: client {spent.user:6.2f} s, server {spent.server:6.2f} s   {spent.memory:5.0f} MB",
            flush=True,
        )
        return spent

    def generate(self):
        shutil.copytree(HERE / "project", self.project)
        shutil.copytree(ROOT / "sql" / "macros", self.project / "sql" / "macros")
        sources = self.clinic / "sources"
        measure([self.options.generator, "--bench", "--patients", self.patients, "--out", sources])
        self.bytes = sum(sources.joinpath(name).stat().st_size for name in ["citas.csv", "facturas.csv"])
        self.bytes += sum(path.stat().st_size for path in sources.glob("pacientes_*.csv"))

    def trasvase(self, database, *arguments, **options):
        line = [self.options.trasvase, "-C", self.project, "--format", "json", "--lang", "en", "--log-level", "warn"]
        return self.measure([*line, *arguments], {"DATABASE_URL": self.server.url(database)}, **options)

    def run(self, *limits):
        """From CSV to every value verified, with nothing left over from before."""
        self.constraints("auto")
        shutil.rmtree(self.project / "staging", ignore_errors=True)
        self.server.fresh("bench", "empty")
        return self.trasvase("bench", "run", "bench", *limits)

    def fates(self):
        """Seconds in which the last run said of every record what became of it, and how many records there were."""
        logs = (self.project / "staging" / "bench" / "logs").glob("*[!s].jsonl")
        log = max(logs, key=lambda path: path.stat().st_mtime)
        lines = [line for line in map(json.loads, log.open()) if line.get("subject") == "meta.fate"]
        started, finished = (datetime.fromisoformat(line["at"]) for line in lines)
        return (finished - started).total_seconds(), lines[1]["rows"]

    def constraints(self, kind):
        """What clinic.toml says of them, which is no input of the models."""
        text = re.sub(r"\n\[load\]\nconstraints = .*\n", "", (self.clinic / "clinic.toml").read_text())
        (self.clinic / "clinic.toml").write_text(text + f'\n[load]\nconstraints = "{kind}"\n')

    def push(self, constraints):
        self.constraints(constraints)
        self.server.fresh("bench", "empty")
        return self.trasvase("bench", "push", "bench")

    def rollback(self):
        return self.trasvase("bench", "rollback", "bench", "last", "--confirm", "bench")

    def changed(self):
        """Three rows that somebody changed, named by verify; and the checksums by which reladiff would ask the server whether any did."""
        change = "update appointment set starts_at = starts_at - interval '1 microsecond' where ctid in ('(0,1)', '(100,1)', '(1000,1)') returning id"
        told = subprocess.run(self.server.psql("bench", "\\pset format unaligned", "\\pset tuples_only on", change), capture_output=True, text=True, check=True)
        ids = [line for line in told.stdout.split() if len(line) == 26]
        verified = self.note("verify_changed", self.trasvase("bench", "verify", "bench", may_fail=True))
        if len(ids) != 3 or not all(json.dumps(key) in verified.text for key in ids):
            sys.exit(f"verify did not name the three changed rows\n{verified.text[-2000:]}{verified.errors[-2000:]}")
        keys = ", ".join(f"'{key}'" for key in ids)
        subprocess.run(self.server.psql("bench", f"update appointment set starts_at = starts_at + interval '1 microsecond' where id in ({keys})"), check=True)
        checksum = "select count(*), sum(('x' || substring(md5(t::text), 18))::bit(60)::bigint) from {} t"
        self.note("checksums", self.measure(self.server.psql("bench", *map(checksum.format, TABLES))))

    def export(self):
        """The very rows that were pushed, as CSV."""
        self.csv = {}
        for table in TABLES:
            path = self.folder / f"{table}.csv"
            measure(self.server.psql("bench", f"\\copy {table} to '{path}' (format csv, header)"))
            self.csv[table] = path

    def copy(self):
        self.server.fresh("other", "empty")
        return self.measure(self.server.psql("other", *(f"\\copy {table} from '{path}' (format csv, header)" for table, path in self.csv.items())))

    def pgloader(self):
        self.server.fresh("other", "empty")
        script = self.folder / "bench.load"
        script.write_text("\n".join(self.pgloader_command(table, path) for table, path in self.csv.items()))
        spent = self.measure(["pgloader", "--no-ssl-cert-verification", "--root-dir", self.folder / "pgloader", script], may_fail=True)
        count = subprocess.run(self.server.psql("other", "\\t", "select count(*) from appointment"), capture_output=True, text=True, check=True)
        spent.failed = spent.failed or int(count.stdout.strip() or 0) != self.patients * 3
        return spent

    def pgloader_command(self, table, path):
        columns = ", ".join(path.open().readline().strip().split(","))
        nulls = ", ".join(f"{name} [null if blanks]" for name in columns.split(", "))
        return (
            f"LOAD CSV FROM '{path}' ({nulls}) INTO postgresql://postgres@127.0.0.1:{PORT}/other?public.{table} "
            f"TARGET COLUMNS ({columns}) WITH skip header = 1, fields terminated by ',', fields optionally enclosed by '\"', "
            "fields escaped by double-quote SET client_encoding to 'utf8', standard_conforming_strings to 'on';"
        )

    def dlt(self):
        self.server.fresh("other", "template0")
        url = f"postgresql://postgres:none@127.0.0.1:{PORT}/other"
        environment = {"RUNTIME__DLTHUB_TELEMETRY": "false", "DLT_DATA_DIR": str(self.folder / "dlt")}
        return self.measure([self.options.dlt, HERE / "dlt_load.py", url, *self.csv.values()], environment, may_fail=True)

    def rounds(self):
        for number in range(1, self.options.runs + 1):
            print(f"round {number} of {self.options.runs}", flush=True)
            ran = self.note("run", self.run())
            for stage in json.loads(ran.text)["stages"]:
                self.stages.setdefault(stage["stage"], []).append(stage["milliseconds"] / 1000)
            self.times.setdefault("fates", []).append(self.fates()[0])
            if number == 1:
                self.export()
            self.note("copy", self.copy())
            self.note("push", self.push("auto"))
            self.note("verify", self.trasvase("bench", "verify", "bench"))
            self.changed()
            self.note("rollback", self.rollback())
            self.note("copy", self.copy())
            self.note("push_keep", self.push("keep"))
            self.note("verify_keep", self.trasvase("bench", "verify", "bench"))
            # Somebody else's rows are there: nothing can be emptied as a whole.
            subprocess.run(self.server.psql("bench", *STRANGERS), check=True)
            self.note("rollback_rows", self.rollback())
        self.peers()

    def peers(self):
        if self.options.no_peers:
            print("pgloader, dlt: skipped (--no-peers)")
            return
        if shutil.which("pgloader"):
            if self.note("pgloader", self.pgloader()).failed:
                print("pgloader: did not load all rows; its time counts for nothing")
                del self.times["pgloader"]
        else:
            print("pgloader: skipped, it is not installed (apt-get install pgloader)")
        if self.options.dlt:
            if self.note("dlt", self.dlt()).failed:
                print("dlt: failed; its time counts for nothing")
                del self.times["dlt"]
        else:
            print("dlt: skipped, it could not be installed from PyPI")

    def fates_and_verify(self):
        """Both together beside the push of the same round."""
        both = zip(self.times["fates"], self.times["verify"], self.times["push"])
        value = statistics.median((fates + verify) / push for fates, verify, push in both)
        print(f"  {'fates and verify / push':<32} {value:5.2f}   at most 0.50: {'met' if value <= 0.5 else 'MISSED'}")

    def ratio(self, what, name, other, limit):
        if name not in self.times or other not in self.times:
            return
        values, base = self.times[name], self.times[other]
        value = statistics.median(values) / statistics.median(base)
        work = statistics.median(self.processor[name]) / statistics.median(self.processor[other])
        print(f"  {what:<32} {value:5.2f}   at most {limit:.2f}: {'met' if value <= limit else 'MISSED'}   (processor time, both sides: {work:.2f})")

    def spread(self, name):
        values = self.times[name]
        print(f"  {name:<14} median {statistics.median(values):7.2f} s   {min(values):7.2f} .. {max(values):7.2f}   of {len(values)}")

    def report(self):
        rows = self.patients * 5
        print(f"\n{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}; {rows:,} rows, {self.bytes:,} bytes of CSV read, {sum(path.stat().st_size for path in self.csv.values()):,} bytes of CSV for \\copy")
        for name in self.times:
            self.spread(name)
        print("stages of run: " + ", ".join(f"{name} {statistics.median(values):.2f} s" for name, values in self.stages.items()))
        print("ratios of medians")
        self.ratio("push / \\copy", "push", "copy", 0.6)
        self.ratio("push, constraints kept / \\copy", "push_keep", "copy", 1.6)
        self.ratio("run / \\copy", "run", "copy", 1.0)
        self.ratio("run / pgloader", "run", "pgloader", 1.0)
        self.ratio("run / dlt", "run", "dlt", 1.0)
        self.ratio("verify / push", "verify", "push", 0.5)
        self.fates_and_verify()
        self.ratio("3 changed rows / checksums", "verify_changed", "checksums", ABOUT)
        self.ratio("rollback / push", "rollback", "push", 1.0)
        self.ratio("rollback row by row / push, kept", "rollback_rows", "push_keep", 1.0)

    def peak(self):
        """Memory, fates and three changed rows, with as many rows as there are."""
        name = "run_512MB"
        self.note(name, self.run("--memory-limit", "512MB"))
        seconds, records = self.fates()
        print(f"  fates of {records:,} records: {seconds:.1f} s, ten million in a minute: {'met' if seconds / records <= 60 / 10_000_000 else 'MISSED'}")
        print(f"  peak memory at --memory-limit 512MB          {self.memory[name]:5.0f} MB at {self.patients * 5:,} rows   under 1024: {'met' if self.memory[name] < 1024 else 'MISSED'}")
        self.changed()
        self.ratio("3 changed rows / checksums", "verify_changed", "checksums", ABOUT)


def with_dlt(options):
    """A Python with dlt in a virtual environment beside the builds; none where it cannot be had."""
    if options.no_peers:
        return None
    folder = Path(options.venv)
    python = folder / "bin" / "python"
    try:
        if not python.exists():
            subprocess.run([sys.executable, "-m", "venv", folder], check=True)
        if subprocess.run([python, "-c", "import dlt, pyarrow, psycopg2"], stderr=subprocess.DEVNULL).returncode:
            subprocess.run([python, "-m", "pip", "install", "-q", "dlt[postgres]", "pyarrow"], check=True)
        return python
    except (OSError, subprocess.CalledProcessError):
        return None


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("trasvase", type=Path)
    parser.add_argument("generator", type=Path)
    parser.add_argument("--patients", type=int, default=200_000)
    parser.add_argument("--runs", type=int, default=3)
    parser.add_argument("--big", action="store_true", help="also ten times the rows, for peak memory")
    parser.add_argument("--work", type=Path, default=Path(tempfile.gettempdir()))
    parser.add_argument("--venv", default=str(Path(tempfile.gettempdir()) / "trasvase-bench-venv"))
    parser.add_argument("--no-peers", action="store_true")
    parser.add_argument("--keep", action="store_true", help="leave the files behind")
    options = parser.parse_args()
    options.dlt = with_dlt(options)
    folder = Path(tempfile.mkdtemp(prefix="trasvase-bench-", dir=options.work))
    # the server runs under an account of its own, and reads nothing here but its data
    folder.chmod(0o755)
    try:
        with Server(folder) as server:
            subprocess.run(server.psql("postgres", "create database empty"), check=True)
            subprocess.run([*server.psql("empty"), "-f", str(HERE / "project" / "schema" / "bench.sql")], check=True)
            bench = Bench(options, folder, server, options.patients)
            bench.generate()
            bench.rounds()
            bench.report()
            bench.peak()
            if options.big:
                big = Bench(options, folder, server, options.patients * 10)
                big.generate()
                big.peak()
    finally:
        if not options.keep:
            shutil.rmtree(folder, ignore_errors=True)


if __name__ == "__main__":
    main()

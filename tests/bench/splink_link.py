#!/usr/bin/env python3
"""Links the records of a CSV with Splink, as somebody who knows it would: the peer of `dedupe.py`.

    splink_link.py FILE.csv FOLDER [--rules FILE.json] [--threads N] [--memory-limit 4GB] [--without COLUMN ...]

Reads `persons.csv` or a file of FEBRL, standardises, estimates u from random pairs and m by expectation maximisation,
predicts, clusters at 0.95 and writes FOLDER/clusters.csv (id,cluster) and FOLDER/pairs.csv (left,right,probability).
Prints JSON: seconds of each part, peak memory in MB, counts. All of it counts: from the start of Python to the last file.
"""

import time

BEGUN = time.monotonic()

import argparse
import json
import logging
import resource
import tomllib
from pathlib import Path

import duckdb
import splink.comparison_level_library as levels
import splink.comparison_library as comparisons
from splink import DuckDBAPI, Linker, SettingsCreator, block_on
from splink.blocking_rule_library import CustomRule

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
# what a record is compared by, where FEBRL has it, and how it is written plainly
COLUMNS = ["id", "given_name", "surname1", "surname2", "birth_date", "sex", "national_id", "phone", "email", "address", "postcode", "city"]
FEBRL = {
    "id": "rec_id", "given_name": "given_name", "surname1": "surname", "birth_date": "date_of_birth", "national_id": "soc_sec_id",
    "address": "nullif(concat_ws(' ', address_1, street_number), '')", "postcode": "postcode", "city": "suburb",
}
PLAIN = {
    "id": "{}", "given_name": "plain_given({})", "surname1": "plain({})", "surname2": "plain({})",
    "birth_date": "coalesce(try_cast({0} as date), try_strptime({0}, '%Y%m%d')::date)", "sex": "{}",
    "national_id": "nullif(upper(regexp_replace({}, '[^A-Za-z0-9]', '', 'g')), '')", "phone": "nullif(right(regexp_replace({}, '[^0-9]', '', 'g'), 9), '')",
    "email": "nullif(lower(trim({})), '')", "address": "plain_address({})", "postcode": "nullif(trim({}), '')", "city": "plain({})",
}
# the roles that blocking rules speak of
ROLES = {
    "given_name": "read_name(given_name)", "surname": "read_name(concat_ws(' ', surname1, surname2))",
    "birth_date": "nullif(regexp_extract(regexp_replace(birth_date, '[^0-9]', '', 'g'), '^\\d{{8}}'), '')", "sex": "read_text(sex)",
    "national_id": "read_code(national_id)", "phone": "read_list([nullif(regexp_extract(regexp_replace(phone, '[^0-9]', '', 'g'), '\\d{{6,9}}$'), '')])",
    "email": "nullif(lower(trim(email)), '')", "address": "read_list([{lines}])", "street_number": "{number}", "postal_code": "read_code(postcode)", "city": "read_text(city)",
}


class Watch:
    """Seconds of each part."""

    def __init__(self, begun):
        self.last, self.parts = begun, {}

    def reached(self, part):
        now = time.monotonic()
        self.parts[part] = round(self.parts.get(part, 0) + now - self.last, 2)
        self.last = now


def shared():
    """The rules that trasvase has for people."""
    section = tomllib.loads((ROOT / "sql" / "dedupe" / "person.toml").read_text())
    return {"max_pairs": section.get("max_pairs", 5), "rules": [{"name": name, "key": key} for name, key in section["block"].items()]}


def standardise(database, path, without):
    """The tables `standard`, whose columns are compared, and `role`, from which rules make keys; says which columns hold anything."""
    database.execute((HERE / "standard.sql").read_text())
    database.execute(f"create table source as select * from read_csv('{path}', header = true, all_varchar = true)")
    febrl = database.execute("select count(*) from (describe source) where column_name = 'rec_id'").fetchone()[0] > 0
    where = {column: FEBRL.get(column, "null::varchar") if febrl else column for column in COLUMNS}
    where.update({column: "null::varchar" for column in without})
    lines = ["address_1", "address_2"] if febrl else ["address"]
    roles = {
        role: written.format(lines=", ".join(f"read_text({line})" for line in lines), number="read_text(street_number)" if febrl else "null::varchar")
        for role, written in ROLES.items()
    }
    if where["phone"] == "null::varchar":
        roles["phone"] = "null::varchar[]"
    if where["address"] == "null::varchar":
        roles["address"] = "null::varchar[]"
    named = ", ".join(f"{written} as {column}" for column, written in where.items())
    more = ", address_1, address_2, street_number" if febrl else ""
    database.execute(f"create table role as select id, {', '.join(f'{written} as {role}' for role, written in roles.items())} from (select {named}{more} from source) as source")
    database.execute("create or replace table role as select *, skeleton(given_name) as given_name_skeleton, skeleton(surname) as surname_skeleton from role")
    plain = ", ".join(f"{PLAIN[column].format(written)} as {column}" for column, written in where.items())
    database.execute(f"create table standard as select *, surname1 || ' ' || surname2 as both_surnames, concat_ws(' ', surname1, surname2) as surnames from (select {plain} from source)")
    database.execute("drop table source")
    counts = database.execute(f"select {', '.join(f'count({column})' for column in COLUMNS)} from standard").fetchone()
    return {column for column, count in zip(COLUMNS, counts) if count}


def bound(sizes, most):
    """The biggest block that may be compared, where all smaller ones together make `most` pairs at the most."""
    made, limit = 0, 1
    for records, blocks in sizes:
        made += blocks * records * (records - 1) // 2
        if made > most:
            return limit
        limit = records
    return limit


def key(database, rules):
    """The table `records`: `standard` and each rule's key as a column, without the keys of blocks that are too big and of one record,
    so that Splink joins on columns and computes nothing in its joins. Returns the blocking rules; one whose key is a list is exploded."""
    most = rules["max_pairs"] * database.execute("select count(*) from role").fetchone()[0]
    columns, joins, blocking, pairs = [], [], [], {}
    # DuckDB 2.0.0 fails on some functions of a column that its statistics know to be empty
    database.execute("set disabled_optimizers = 'statistics_propagation'")
    for rule in rules["rules"]:
        column = f"block_{rule['name']}"
        several = database.execute(f"select typeof(any_value({rule['key']})) from role as record").fetchone()[0].endswith("[]")
        written = f"unnest({rule['key']})" if several else f"({rule['key']})"
        database.execute(f"create table {column} as select distinct id, block from (select id, {written}::varchar as block from role as record) where block <> ''")
        sizes = database.execute(f"select n, count(*) from (select count(*) as n from {column} group by block) where n > 1 group by n order by n").fetchall()
        limit = bound(sizes, most)
        kept = f"select id, block from {column} semi join (select block from {column} group by block having count(*) between 2 and {limit}) using (block)"
        pairs[rule["name"]] = sum(blocks * records * (records - 1) // 2 for records, blocks in sizes if records <= limit)
        if not pairs[rule["name"]]:
            continue
        columns.append(f"{column}.block as {column}")
        joins.append(f" left join ({f'select id, list(block order by block) as block from ({kept}) group by id' if several else kept}) as {column} using (id)")
        blocking.append(CustomRule(f"l.{column} = r.{column}", arrays_to_explode=[column] if several else None))
    database.execute(f"create table records as select standard.*, {', '.join(columns)} from standard{''.join(joins)}")
    for table in ["role", "standard", *(f"block_{rule['name']}" for rule in rules["rules"])]:
        database.execute(f"drop table {table}")
    database.execute("reset disabled_optimizers")
    return blocking, pairs


def given():
    return comparisons.CustomComparison(
        output_column_name="given_name",
        comparison_levels=[
            levels.NullLevel("given_name"),
            levels.ExactMatchLevel("given_name").configure(tf_adjustment_column="given_name"),
            levels.CustomLevel("split_part(given_name_l, ' ', 1) = split_part(given_name_r, ' ', 1)", label_for_charts="same first name"),
            levels.JaroWinklerLevel("given_name", 0.9),
            levels.CustomLevel("given_name_l = surname1_r or surname1_l = given_name_r", label_for_charts="swapped with the surname"),
            levels.JaroWinklerLevel("given_name", 0.8),
            levels.ElseLevel(),
        ],
    )


def surnames():
    """Both surnames as one comparison: who shares one mostly shares the other, and many exports have only the first."""
    first = levels.ExactMatchLevel("surname1").configure(tf_adjustment_column="surname1")
    missing = levels.CustomLevel("surname2_l is null or surname2_r is null")
    return comparisons.CustomComparison(
        output_column_name="surnames",
        comparison_levels=[
            levels.NullLevel("surname1"),
            levels.ExactMatchLevel("both_surnames").configure(tf_adjustment_column="both_surnames"),
            levels.And(levels.ExactMatchLevel("surname1"), missing).configure(tf_adjustment_column="surname1"),
            levels.JaroWinklerLevel("surnames", 0.92),
            levels.ColumnsReversedLevel("surname1", "surname2", symmetrical=True),
            first,
            levels.JaroWinklerLevel("surname1", 0.9),
            levels.CustomLevel("given_name_l = surname1_r or surname1_l = given_name_r", label_for_charts="swapped with the given name"),
            levels.ElseLevel(),
        ],
    )


def reach():
    """Where somebody is reached, as one comparison: a household has all of it in common, so agreement must not count once a column."""
    address, postcode, city, phone, email = map(levels.ExactMatchLevel, ["address", "postcode", "city", "phone", "email"])
    home = levels.And(address, levels.Or(postcode, city))
    return comparisons.CustomComparison(
        output_column_name="reach",
        comparison_levels=[
            levels.And(*map(levels.NullLevel, ["address", "postcode", "city", "phone", "email"])),
            levels.Or(levels.And(home, phone), levels.And(home, email), levels.And(phone, email)),
            levels.Or(phone, email),
            home,
            levels.Or(levels.LevenshteinLevel("phone", 1), levels.JaroWinklerLevel("email", 0.92)),
            levels.And(levels.JaroWinklerLevel("address", 0.9), levels.Or(postcode, city)),
            postcode,
            city,
            levels.ElseLevel(),
        ],
    )


def birth():
    """The library's comparison of dates of birth, and one level for day and month swapped."""
    turned = "strftime(birth_date_l, '%Y-%d-%m') = strftime(birth_date_r, '%Y-%m-%d')"
    return comparisons.CustomComparison(
        output_column_name="birth_date",
        comparison_levels=[
            levels.NullLevel("birth_date"),
            levels.ExactMatchLevel("birth_date"),
            levels.CustomLevel(turned, label_for_charts="day and month swapped"),
            levels.CustomLevel("levenshtein(birth_date_l::varchar, birth_date_r::varchar) <= 1", label_for_charts="one typo"),
            levels.AbsoluteDateDifferenceLevel("birth_date", input_is_string=False, threshold=1, metric="year"),
            levels.AbsoluteDateDifferenceLevel("birth_date", input_is_string=False, threshold=10, metric="year"),
            levels.ElseLevel(),
        ],
    )


def compared(filled):
    chosen = [
        ("given_name", given()),
        ("surname1", surnames()),
        ("birth_date", birth()),
        ("sex", comparisons.ExactMatch("sex")),
        ("national_id", comparisons.LevenshteinAtThresholds("national_id", [1, 2])),
        ("address", reach()),
    ]
    return [comparison for column, comparison in chosen if column in filled]


def train(linker, filled, watch):
    """Blocks that hold hardly anything but matches: in wider ones expectation maximisation takes families for persons."""
    named = block_on("given_name", "surname1", "birth_date")
    strong = [block_on("national_id")] if "national_id" in filled else [block_on("birth_date", "postcode"), block_on("given_name", "surname1", "postcode")]
    linker.training.estimate_probability_two_random_records_match([*strong[:1], named], recall=0.9)
    watch.reached("prior")
    linker.training.estimate_u_using_random_sampling(max_pairs=1e6, seed=1)
    watch.reached("u")
    for rule in [*strong, named]:
        linker.training.estimate_parameters_using_expectation_maximisation(rule)
    watch.reached("m")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("file", type=Path)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--rules", type=Path, help="JSON: max_pairs and rules of name and key; else those of sql/dedupe/person.toml")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--memory-limit")
    parser.add_argument("--without", nargs="*", default=[], help="columns to leave out")
    parser.add_argument("--accept", type=float, default=0.95)
    options = parser.parse_args()
    logging.getLogger("splink").setLevel(logging.ERROR)
    options.folder.mkdir(parents=True, exist_ok=True)
    watch = Watch(BEGUN)
    watch.reached("imports")
    database = duckdb.connect()
    database.execute(f"set threads = {options.threads}; set temp_directory = '{options.folder}/spill'")
    if options.memory_limit:
        database.execute(f"set memory_limit = '{options.memory_limit}'")
    rules = json.loads(options.rules.read_text()) if options.rules else shared()
    filled = standardise(database, options.file, options.without)
    watch.reached("standardise")
    blocking, pairs = key(database, rules)
    watch.reached("keys")
    settings = SettingsCreator(
        link_type="dedupe_only", unique_id_column_name="id", comparisons=compared(filled), blocking_rules_to_generate_predictions=blocking,
        retain_matching_columns=False, retain_intermediate_calculation_columns=False, max_iterations=50,
    )
    linker = Linker(DuckDBAPI(connection=database).register("records"), settings, log_level=logging.ERROR)
    train(linker, filled, watch)
    accepted = linker.inference.predict(threshold_match_probability=options.accept)
    watch.reached("predict")
    clusters = linker.clustering.cluster_pairwise_predictions_at_threshold(accepted, threshold_match_probability=options.accept)
    watch.reached("cluster")
    database.execute(f"copy (select id, cluster_id as cluster from {clusters.physical_name} order by all) to '{options.folder}/clusters.csv' (header)")
    database.execute(
        f"copy (select id_l as left, id_r as right, match_probability as probability from {accepted.physical_name} order by all) to '{options.folder}/pairs.csv' (header)"
    )
    watch.reached("write")
    linker.misc.save_model_to_json(str(options.folder / "model.json"), overwrite=True)
    print(json.dumps({
        "seconds": round(time.monotonic() - BEGUN, 2), "parts": watch.parts, "peak_mb": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
        "accepted": database.execute(f"select count(*) from {accepted.physical_name}").fetchone()[0],
        "clusters": database.execute(f"select count(distinct cluster_id) from {clusters.physical_name}").fetchone()[0],
        "pairs_by_rule": pairs, "duckdb": duckdb.__version__, "splink": __import__("splink").__version__,
    }))


if __name__ == "__main__":
    main()

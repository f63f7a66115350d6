#!/usr/bin/env python3
"""Links the records of a CSV with Splink, as somebody who knows it would: the peer of `dedupe.py`.

    splink_link.py FILE.csv FOLDER [--rules blocking.json] [--threads N] [--memory-limit 4GB] [--without COLUMN ...]

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
from pathlib import Path

import duckdb
import splink.comparison_level_library as levels
import splink.comparison_library as comparisons
from splink import DuckDBAPI, Linker, SettingsCreator, block_on
from splink.blocking_rule_library import CustomRule

HERE = Path(__file__).resolve().parent
# what a record is compared by, and where FEBRL has it
COLUMNS = {
    "id": "id", "given_name": "given_name", "surname1": "surname1", "surname2": "surname2", "birth_date": "birth_date", "sex": "sex",
    "national_id": "national_id", "phone": "phone", "email": "email", "address": "address", "postcode": "postcode", "city": "city",
}
FEBRL = {
    "id": "rec_id", "given_name": "given_name", "surname1": "surname", "birth_date": "date_of_birth", "national_id": "soc_sec_id",
    "address": "concat_ws(' ', address_1, street_number)", "postcode": "postcode", "city": "suburb",
}
STANDARD = {
    "id": "{}", "given_name": "plain_given({})", "surname1": "plain({})", "surname2": "plain({})",
    "birth_date": "coalesce(try_cast({0} as date), try_strptime({0}, '%Y%m%d')::date)", "sex": "{}",
    "national_id": "nullif(upper(regexp_replace({}, '[^A-Za-z0-9]', '', 'g')), '')", "phone": "nullif(right(regexp_replace({}, '[^0-9]', '', 'g'), 9), '')",
    "email": "nullif(lower(trim({})), '')", "address": "plain_address({})", "postcode": "nullif(trim({}), '')", "city": "plain({})",
}


class Watch:
    """Seconds of each part."""

    def __init__(self, begun):
        self.last, self.parts = begun, {}

    def reached(self, part):
        now = time.monotonic()
        self.parts[part] = round(self.parts.get(part, 0) + now - self.last, 2)
        self.last = now


def standardise(database, path, rules, without):
    """The table `records`, each rule's key a column of it, so that Splink joins on columns and computes nothing in its joins."""
    database.execute((HERE / "standard.sql").read_text())
    for macro in rules["macros"]:
        database.execute("\n".join(macro))
    header = [name for name, *_ in database.execute(f"describe select * from read_csv('{path}', header = true, all_varchar = true)").fetchall()]
    where = {column: written for column, written in (FEBRL if "rec_id" in header else COLUMNS).items() if column not in without}
    values = [f"{STANDARD[column].format(where[column])} as {column}" if column in where else f"null::{'date' if column == 'birth_date' else 'varchar'} as {column}" for column in COLUMNS]
    database.execute(f"create table standard as select {', '.join(values)} from read_csv('{path}', header = true, all_varchar = true)")
    keys = [f"{rule['key']} as block_{rule['name']}" for rule in rules["rules"]]
    database.execute(f"create table records as select *, surname1 || ' ' || surname2 as both_surnames, concat_ws(' ', surname1, surname2) as surnames, {', '.join(keys)} from standard")
    database.execute("drop table standard")
    counts = database.execute(f"select {', '.join(f'count({column})' for column in COLUMNS)} from records").fetchone()
    lists = {name[6:] for name, kind, *_ in database.execute("describe records").fetchall() if name.startswith("block_") and kind.endswith("[]")}
    return {column for column, count in zip(COLUMNS, counts) if count}, lists


def blocking(rules, lists):
    """A key that is a list holds several keys of the record; Splink explodes it."""
    written = []
    for rule in rules["rules"]:
        column = f"block_{rule['name']}"
        written.append(CustomRule(f"l.{column} = r.{column}", arrays_to_explode=[column] if rule["name"] in lists else None))
    return written


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
    strong = [block_on("national_id")] if "national_id" in filled else [block_on("birth_date", "postcode"), block_on("given_name", "address")]
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
    parser.add_argument("--rules", type=Path, default=HERE / "blocking.json")
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
    rules = json.loads(options.rules.read_text())
    filled, lists = standardise(database, options.file, rules, options.without)
    watch.reached("standardise")
    settings = SettingsCreator(
        link_type="dedupe_only", unique_id_column_name="id", comparisons=compared(filled), blocking_rules_to_generate_predictions=blocking(rules, lists),
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
        "duckdb": duckdb.__version__, "splink": __import__("splink").__version__,
    }))


if __name__ == "__main__":
    main()

"""Loads CSV files through Arrow into tables without constraints with dlt: dlt_load.py URL FILE...

dlt wants a password in the URL, also where the server asks for none.
"""

import sys
from pathlib import Path

import dlt
import pyarrow.csv

pipeline = dlt.pipeline("bench", destination=dlt.destinations.postgres(sys.argv[1]), dataset_name="bench")
tables = [dlt.resource([pyarrow.csv.read_csv(path)], name=Path(path).stem) for path in sys.argv[2:]]
pipeline.run(tables, write_disposition="append")

//! Which records are the same person: probabilistic record linkage (Fellegi and Sunter, 1969) inside DuckDB.

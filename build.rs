//! Lets the binary find a prebuilt DuckDB at run time: in the folder that `DUCKDB_LIB_DIR` names (the Makefile sets
//! it), or beside the binary, where `make install` puts it.

fn main() {
    println!("cargo::rerun-if-env-changed=DUCKDB_LIB_DIR");
    println!("cargo::rerun-if-changed=locales");
    if let Ok(folder) = std::env::var("DUCKDB_LIB_DIR") {
        let macos = std::env::var("CARGO_CFG_TARGET_OS").is_ok_and(|system| system == "macos");
        let origin = if macos { "@loader_path" } else { "$ORIGIN" };
        println!("cargo::rustc-link-arg=-Wl,-rpath,{folder}");
        println!("cargo::rustc-link-arg=-Wl,-rpath,{origin}/../lib/trasvase");
    }
}

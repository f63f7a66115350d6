//! Files inside gzip, zstd and zip; Parquet; folders of attachments: they load as what is inside them would.

use std::io::Write as _;

use serde_json::json;
use trasvase::error::Kind;
use zip::write::SimpleFileOptions;

use crate::load::desk::Desk;

const CSV: &str = "id;nombre\n1;Ana\n2;Eva Núñez\n3;\n";
const ROWS: &str = "select id, nombre, _row from raw.s order by _id";

fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

fn zip_of(files: &[(&str, &[u8])]) -> Vec<u8> {
    let mut writer = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for (name, bytes) in files {
        writer.start_file(*name, SimpleFileOptions::default()).unwrap();
        writer.write_all(bytes).unwrap();
    }
    writer.finish().unwrap().into_inner()
}

fn desk(files: &str, name: &str, bytes: &[u8]) -> Desk {
    let desk = Desk::new(&format!("[sources.s]\nfiles = ['{files}']"));
    desk.write(name, bytes);
    desk
}

#[test]
fn an_archive_without_a_file_says_what_to_do_about_it() {
    let hidden: &[(&str, &[u8])] = &[("__MACOSX/s.csv", b"x")];
    for files in [&[], hidden] {
        let failure = desk("s.zip", "s.zip", &zip_of(files)).load().unwrap_err();
        assert!(failure.hints.join(" ").contains("take it out of files under [sources.s]"), "{failure:?}");
    }
}

#[test]
fn an_archive_whose_names_lead_elsewhere_or_repeat_is_refused_before_a_record_is_lost() {
    let csv = CSV.as_bytes();
    for name in ["./s.csv", "../s.csv", "/s.csv", "in//s.csv", "in/../s.csv"] {
        let failure = desk("s.zip", "s.zip", &zip_of(&[("a.csv", csv), (name, csv)])).load().unwrap_err();
        assert!(failure.message.contains("lead elsewhere"), "{name}: {failure:?}");
    }
    // Two files of one name: the writer wants two, so the second is renamed in the bytes.
    let mut twice = zip_of(&[("a.csv", csv), ("b.csv", csv)]);
    for at in 0..twice.len() - 5 {
        if &twice[at..at + 5] == b"b.csv" {
            twice[at] = b'a';
        }
    }
    let failure = desk("s.zip", "s.zip", &twice).load().unwrap_err();
    assert!(failure.message.contains("several files of one name"), "{failure:?}");
}

#[test]
fn a_name_that_is_no_utf8_is_told_with_what_to_do() {
    use std::os::unix::ffi::OsStrExt as _;
    let desk = desk("sources/*.csv", "sources/s.csv", CSV.as_bytes());
    let name = std::ffi::OsStr::from_bytes(b"Facturaci\xf3n.csv");
    std::fs::write(desk.clinic_dir().join("sources").join(name), "x").unwrap();
    let failure = desk.load().unwrap_err();
    assert!(failure.message.contains("is not UTF-8") && failure.hints[0].contains("convmv"), "{failure:?}");
}

#[test]
fn what_is_packed_loads_as_what_is_inside_and_is_known_by_its_own_hash() {
    let plain = desk("s.csv", "s.csv", CSV.as_bytes());
    plain.load().unwrap();
    let utf16: Vec<u8> = CSV.encode_utf16().flat_map(u16::to_le_bytes).collect();
    for (files, name, bytes) in [
        ("s.csv.gz", "s.csv.gz", gzip(CSV.as_bytes())),
        ("s.gz", "s.gz", [gzip(&CSV.as_bytes()[..15]), gzip(&CSV.as_bytes()[15..])].concat()),
        ("s.csv.zst", "s.csv.zst", zstd::encode_all(CSV.as_bytes(), 3).unwrap()),
        ("s.zip", "s.zip", zip_of(&[("__MACOSX/._s.csv", b"x"), ("in/s.csv", CSV.as_bytes())])),
        ("s.zip/in/*.csv", "s.zip", zip_of(&[("other.csv", b"a;b\n1;2\n"), ("in/s.csv", CSV.as_bytes())])),
        ("s.zip", "s.zip", zip_of(&[("s.csv.gz", &gzip(&utf16))])),
    ] {
        let desk = desk(files, name, &bytes);
        let report = desk.load().unwrap_or_else(|failure| panic!("{files}: {failure:?}"));
        assert_eq!(desk.rows(ROWS), plain.rows(ROWS), "{files}");
        let file = &report.sources[0].files[0];
        let hash = trasvase::snapshot::hash_file(&desk.clinic_dir().join(name)).unwrap();
        assert_eq!((file.sha256.clone(), file.bytes), hash, "{files}");
        assert_eq!(file.counted, 3);
        assert!(desk.load().unwrap().unchanged());
        let left = std::fs::read_dir(desk.folder.path().join("staging/demo/extracts")).unwrap().count();
        assert_eq!(left, 0, "nothing unpacked stays");
    }
}

#[test]
fn a_zip_of_several_files_is_one_table_and_globs_choose_among_them() {
    let files: [(&str, &[u8]); 3] = [("p_1.csv", b"id\n1\n"), ("p_2.csv", b"id\n2\n"), ("q.csv", b"x\n9\n")];
    let desk = desk("e.zip/p_*.csv", "e.zip", &zip_of(&files));
    desk.load().unwrap();
    assert_eq!(
        desk.rows("select id, _file from raw.s order by _id"),
        [json!(["1", "e.zip/p_1.csv"]), json!(["2", "e.zip/p_2.csv"])]
    );
    desk.configure("[sources.s]\nfiles = ['e.zip/z*.csv']");
    let failure = desk.load().unwrap_err();
    assert!(failure.message.contains("'z*.csv'") && failure.hints[0].contains("q.csv"), "{failure:?}");
}

#[test]
fn a_spreadsheet_is_no_archive() {
    let book =
        std::fs::read(concat!(env!("CARGO_MANIFEST_DIR"), "/clinics/senses/sources/caja.xlsx")).unwrap();
    let settings = "sheet = 'Movimientos'\nheader_row = 4\nheader_rows = 2";
    let load = |files: &str, name: &str, bytes: &[u8]| {
        let desk = Desk::new(&format!("[sources.s]\nfiles = ['{files}']\n{settings}"));
        desk.write(name, bytes);
        desk.load().unwrap_or_else(|failure| panic!("{files}: {failure:?}")).rows()
    };
    assert_eq!(load("b.xlsx", "b.xlsx", &book), 400);
    assert_eq!(load("b.zip", "b.zip", &zip_of(&[("b.xlsx", &book)])), 400);
}

#[test]
fn damaged_and_cut_archives_are_refused() {
    let long = CSV.repeat(2000);
    let (gz, zst) = (gzip(long.as_bytes()), zstd::encode_all(long.as_bytes(), 3).unwrap());
    let zip = zip_of(&[("s.csv", long.as_bytes())]);
    let flipped = |bytes: &[u8]| {
        let mut bytes = bytes.to_vec();
        let at = bytes.len() / 2;
        bytes[at] ^= 0x55;
        bytes
    };
    for (name, bytes) in [
        ("s.gz", gz[..gz.len() - 9].to_vec()),
        ("s.gz", gz[..gz.len() - 2].to_vec()),
        ("s.gz", flipped(&gz)),
        ("s.gz", [&gz[..], b"trailing"].concat()),
        ("s.zst", zst[..zst.len() - 5].to_vec()),
        ("s.zip", zip[..zip.len() - 30].to_vec()),
        ("s.zip", flipped(&zip)),
    ] {
        let failure = desk(name, name, &bytes).load().unwrap_err();
        assert_eq!(failure.kind, Kind::Failed);
        assert!(failure.message.contains("damaged, or was cut off"), "{name} {}: {failure:?}", bytes.len());
    }
}

#[test]
fn what_would_unpack_to_far_too_much_is_refused_by_its_sizes() {
    // 260 megabytes of zeros are one of gzip.
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
    let block = vec![b'0'; 1 << 20];
    (0..260).for_each(|_| encoder.write_all(&block).unwrap());
    let failure = desk("s.gz", "s.gz", &encoder.finish().unwrap()).load().unwrap_err();
    assert!(failure.message.contains("no export"), "{failure:?}");
}

#[test]
fn parquet_gives_every_value_as_its_text() {
    let desk = Desk::new("[sources.s]\nfiles = ['s.parquet']");
    desk.write("s.parquet", "");
    let path = desk.clinic_dir().join("s.parquet");
    let connection = duckdb::Connection::open_in_memory().unwrap();
    let sql = format!(
        "set TimeZone = 'America/Bogota'; copy (select * from (values \
         (1, 12345678901234567890.1200::decimal(38,4), timestamp '2024-01-02 03:04:05.6789', timestamptz '2024-01-02 03:04:05+02', \
          '\\x00\\xFF'::blob, {{'a': 1.10::decimal(5,2), 'b': ['x', null]}}, 0.1::double, true, date '2024-02-29', '', uuid '00000000-0000-0000-0000-00000000000a'), \
         (2, null, null, null, null, null, 'nan'::double, null, null, null, null)) \
         t(n, amount, local, moment, bytes, nested, number, yes, day, text, id)) to '{}' (format parquet)",
        path.display()
    );
    connection.execute_batch(&sql).unwrap();
    let report = desk.load().unwrap();
    assert_eq!(report.sources[0].files[0].counted, 2);
    assert_eq!(
        desk.rows("select * exclude (_id, _file) from raw.s order by _row"),
        [
            json!([
                "1",
                "12345678901234567890.1200",
                "2024-01-02 03:04:05.6789",
                "2024-01-02 01:04:05+00",
                "\\x00ff",
                "{\"a\":\"1.10\",\"b\":[\"x\",null]}",
                "0.1",
                "true",
                "2024-02-29",
                "",
                "00000000-0000-0000-0000-00000000000a",
                "1"
            ]),
            json!(["2", null, null, null, null, null, "nan", null, null, null, null, "2"]),
        ]
    );
    let bytes = std::fs::read(&path).unwrap();
    for cut in [bytes.len() / 2, bytes.len() - 3] {
        desk.write("s.parquet", &bytes[..cut]);
        let failure = desk.load().unwrap_err();
        assert!(failure.message.contains("no Parquet file that can be read"), "{failure:?}");
    }
}

#[test]
fn a_folder_of_attachments_is_a_table_of_its_files() {
    let desk = Desk::new("[sources.s]\nattachments = 'docs'");
    let failure = desk.load().unwrap_err();
    assert!(failure.message.contains("no folder docs"), "{failure:?}");
    desk.write("docs/a/photo.pdf", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR");
    desk.write("docs/note", "hola");
    desk.write("docs/.hidden", "x");
    let report = desk.load().unwrap();
    assert_eq!(report.rows(), 2);
    // What begins with a dot is no attachment, and that is told.
    let finding = &report.sources[0].findings[0];
    assert_eq!((finding.rule.as_str(), finding.count), ("hidden_files", 1));
    assert!(finding.detail.as_deref().unwrap().contains("docs/.hidden"), "{finding:?}");
    assert_eq!(
        desk.rows("select path, name, size, type, length(sha256)::varchar, try_cast(modified as timestamptz) is not null from raw.s order by _id"),
        [
            json!(["a/photo.pdf", "photo.pdf", "16", "image/png", "64", "true"]),
            json!(["note", "note", "4", "text/plain", "64", "true"]),
        ]
    );
    assert!(desk.load().unwrap().unchanged());
    desk.write("docs/note", "ola.");
    assert!(!desk.load().unwrap().unchanged());
    desk.configure("[sources.s]\nattachments = 'docs'\ndelimiter = ';'");
    let failure = desk.load().unwrap_err();
    assert_eq!((failure.kind, failure.message.contains("delimiter")), (Kind::Usage, true), "{failure:?}");
}

/// As root reads what nobody may, a link that leads nowhere stands for a file without rights.
#[test]
fn an_attachment_that_cannot_be_read_is_refused_and_the_others_load() {
    use std::os::unix::fs::symlink;
    let desk = Desk::new("[sources.s]\nattachments = 'docs'");
    desk.write("docs/a.txt", "a");
    desk.write("docs/deep/b.txt", "b");
    let docs = desk.clinic_dir().join("docs");
    symlink("nowhere.pdf", docs.join("broken.pdf")).unwrap();
    symlink("deep", docs.join("again")).unwrap();
    symlink("../letter.txt", docs.join("letter.txt")).unwrap();
    symlink("deep/b.txt", docs.join("linked.txt")).unwrap();
    desk.write("letter.txt", "another patient's");
    nix::unistd::mkfifo(&docs.join("pipe"), nix::sys::stat::Mode::S_IRWXU).unwrap();
    let report = desk.load().unwrap();
    let file = &report.sources[0].files[0];
    assert_eq!((report.rows(), report.refused(), file.counted), (3, 4, 7));
    assert_eq!(
        desk.rows("select record, reason, split_part(detail, ':', 1) from meta.load_error order by record"),
        [
            json!(["2", "linked_folder", "docs/again"]),
            json!(["3", "unreadable_file", "docs/broken.pdf"]),
            json!(["5", "linked_outside", "docs/letter.txt"]),
            json!(["7", "no_regular_file", "docs/pipe"]),
        ]
    );
    assert_eq!(
        desk.rows("select name from raw.s order by _id"),
        [json!(["a.txt"]), json!(["b.txt"]), json!(["linked.txt"])]
    );
    assert!(desk.load().unwrap().unchanged());
    // What is mended is a change.
    std::fs::write(docs.join("nowhere.pdf"), "c").unwrap();
    let report = desk.load().unwrap();
    assert_eq!((report.rows(), report.refused()), (5, 3));
    // The folder itself may stand elsewhere.
    std::fs::rename(&docs, desk.clinic_dir().join("elsewhere")).unwrap();
    symlink("elsewhere", &docs).unwrap();
    assert!(desk.load().unwrap().unchanged());
}

#[test]
fn what_was_packed_twice_is_unpacked_twice_and_no_deeper_than_three_times() {
    let twice = gzip(&gzip(CSV.as_bytes()));
    let thrice = zstd::encode_all(&twice[..], 3).unwrap();
    let plain = desk("s.csv", "s.csv", CSV.as_bytes());
    plain.load().unwrap();
    for bytes in [twice, thrice.clone()] {
        let desk = desk("s.csv.gz", "s.csv.gz", &bytes);
        desk.load().unwrap_or_else(|failure| panic!("{failure:?}"));
        assert_eq!(desk.rows(ROWS), plain.rows(ROWS));
    }
    let documents = desk("s.json.gz", "s.json.gz", &gzip(&gzip(b"{\"id\": 1}\n{\"id\": 2}\n")));
    assert_eq!(documents.load().unwrap().rows(), 2);
    let bson = [12, 0, 0, 0, 0x10, b'a', 0, 1, 0, 0, 0, 0];
    assert_eq!(desk("s.bson.gz", "s.bson.gz", &gzip(&gzip(&bson))).load().unwrap().rows(), 1);
    for bytes in [gzip(&thrice), gzip(&zip_of(&[("a.csv", CSV.as_bytes())]))] {
        let failure = desk("s.gz", "s.gz", &bytes).load().unwrap_err();
        assert!(failure.message.contains("s.gz is an archive inside an archive"), "{failure:?}");
        assert!(failure.hints[0].contains("s.gz by hand"), "{failure:?}");
    }
}

#[test]
fn an_attachment_whose_name_is_no_utf8_is_refused_and_everything_else_loads() {
    use std::os::unix::ffi::OsStrExt as _;
    let folder = "[sources.docs]\nattachments = 'sources/docs/'\n[sources.s]\nfiles = ['sources/*.csv']";
    let desk = Desk::new(folder);
    desk.write("sources/s.csv", CSV);
    desk.write("sources/docs/a.txt", "a");
    let docs = desk.clinic_dir().join("sources/docs");
    let odd = |bytes: &[u8]| docs.join(std::ffi::OsStr::from_bytes(bytes));
    std::fs::write(odd(b"Mu\xf1oz.pdf"), "b").unwrap();
    std::fs::create_dir(odd(b"a\xf1o")).unwrap();
    std::fs::write(odd(b"a\xf1o/c.txt"), "c").unwrap();
    let report = desk.load().unwrap_or_else(|failure| panic!("{failure:?}"));
    let file = &report.sources[0].files[0];
    assert_eq!((file.loaded, file.refused, file.counted), (1, 2, 3));
    assert_eq!(report.sources[1].rows, 3);
    assert_eq!(
        desk.rows("select record, reason, split_part(detail, ':', 1) from meta.load_error order by record"),
        [
            json!(["1", "not_utf8_name", "sources/docs/Mu\\xf1oz.pdf"]),
            json!(["3", "not_utf8_name", "sources/docs/a\\xf1o/c.txt"]),
        ]
    );
    let told = desk.rows("select detail from meta.load_error order by record");
    assert!(told[0].to_string().contains("convmv"), "{told:?}");
    assert!(desk.load().unwrap().unchanged());
    std::fs::rename(odd(b"Mu\xf1oz.pdf"), odd("Muñoz.pdf".as_bytes())).unwrap();
    assert_eq!(desk.load().unwrap().refused(), 1);
    // Elsewhere globs would pass it over.
    for (place, glob) in
        [("", "*.csv"), ("in", "i?/*.csv"), ("sources", "sources/*.csv"), ("in/deep", "**/s.csv")]
    {
        let folder = desk.clinic_dir().join(place);
        std::fs::create_dir_all(&folder).unwrap();
        let odd = folder.join(std::ffi::OsStr::from_bytes(b"\xf1.csv"));
        desk.configure(&format!(
            "[sources.docs]\nattachments = 'sources/docs/'\n[sources.s]\nfiles = ['{glob}']"
        ));
        std::fs::write(&odd, "x").unwrap();
        assert!(desk.load().unwrap_err().message.contains("is not UTF-8"), "{glob}");
        std::fs::remove_file(odd).unwrap();
    }
}

//! Packages, ours and the original's, and what strangers make of them.

use std::io::{Cursor, Read, Write};
use std::sync::{Arc, Mutex};

use sha2::{Digest, Sha256};
use tenon_protocol::SnapshotId;
use tokio_util::sync::CancellationToken;
use zip::write::SimpleFileOptions;
use zip::{CompressionMethod, ZipArchive, ZipWriter};

use super::*;

const DUMP: &[u8] = b"-- MySQL dump 10.13\nCREATE TABLE `t` (`a` int);\n-- Dump completed\n";
const MANIFEST: &str = r#"{"version":1,"service_version":"5.5","plan":"free","provider":"core"}"#;

fn meter() -> Meter {
    Meter { progress: Arc::default(), stop: CancellationToken::new() }
}

fn zstd(text: &[u8]) -> Vec<u8> {
    zstd::encode_all(text, 1).unwrap()
}

fn gzip(text: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(text).unwrap();
    encoder.finish().unwrap()
}

fn packed(format: &str, data: &[u8]) -> Result<Vec<u8>, PackageError> {
    let sha256 = hex::encode(Sha256::digest(data));
    let what = Packing {
        snapshot: &SnapshotId::from(7),
        format,
        size: data.len() as u64,
        sha256: &sha256,
        service_version: "10.11",
        plan: "free",
        provider: "core",
    };
    let mut out = Cursor::new(Vec::new());
    pack(&what, data, &mut out, 1 << 20, meter())?;
    Ok(out.into_inner())
}

fn zip_of(entries: &[(&str, &[u8])]) -> Vec<u8> {
    let mut zip = ZipWriter::new(Cursor::new(Vec::new()));
    let options = SimpleFileOptions::default().compression_method(CompressionMethod::Deflated);
    for (name, bytes) in entries {
        zip.start_file(*name, options).unwrap();
        zip.write_all(bytes).unwrap();
    }
    zip.finish().unwrap().into_inner()
}

fn unpacked(
    package: &[u8],
    formats: &[&str],
    max: u64,
) -> Result<(Unpacked, Vec<u8>), PackageError> {
    let formats: Vec<String> = formats.iter().map(|&format| format.to_owned()).collect();
    let mut out = Vec::new();
    let found = unpack(Cursor::new(package), &mut out, &formats, max, meter())?;
    Ok((found, out))
}

fn check_refused(package: &[u8], max: u64, expected: &str) {
    let error = unpacked(package, &["mysql-dump/1"], max).unwrap_err();
    assert_eq!(error.to_string(), expected);
}

#[test]
fn a_database_travels_as_the_original_wrote_it() {
    let package = packed("mysql-dump/1", &zstd(DUMP)).unwrap();
    let mut zip = ZipArchive::new(Cursor::new(&package)).unwrap();
    assert_eq!(zip.len(), 2);
    let mut manifest = String::new();
    zip.by_name("manifest").unwrap().read_to_string(&mut manifest).unwrap();
    assert_eq!(manifest, MANIFEST.replace("5.5", "10.11"));
    let mut content = Vec::new();
    let mut entry = zip.by_name("content/7.sql.gz").unwrap();
    assert_eq!(entry.unix_mode().unwrap() & 0o777, 0o644);
    entry.read_to_end(&mut content).unwrap();
    let mut text = Vec::new();
    flate2::read::GzDecoder::new(&*content).read_to_end(&mut text).unwrap();
    assert_eq!(text, DUMP);
}

#[test]
fn the_same_snapshot_gives_the_same_package() {
    let data = zstd(DUMP);
    assert_eq!(packed("mysql-dump/1", &data).unwrap(), packed("mysql-dump/1", &data).unwrap());
}

#[test]
fn what_was_packed_is_unpacked() {
    let package = packed("mysql-dump/1", &zstd(DUMP)).unwrap();
    let (found, data) = unpacked(&package, &["mysql-dump/1"], 1 << 20).unwrap();
    assert_eq!(found.format, "mysql-dump/1");
    assert_eq!(found.service_version.as_deref(), Some("10.11"));
    assert_eq!(zstd::decode_all(&*data).unwrap(), DUMP);

    let package = packed("files-tar/1", b"anything").unwrap();
    let (found, data) = unpacked(&package, &["files-tar/1"], 1 << 20).unwrap();
    assert_eq!((found.format.as_str(), &*data), ("files-tar/1", &b"anything"[..]));
}

#[test]
fn a_package_of_the_original_is_unpacked() {
    let (sql, null) = (gzip(DUMP), MANIFEST.replace("\"5.5\"", "null"));
    let fixture = include_str!("../../../tests/golden/fixtures/file-6.5-package.json");
    let fixture: serde_json::Value = serde_json::from_str(fixture).unwrap();
    let fixture = fixture["entries"]["manifest"].to_string();
    for manifest in [MANIFEST, &fixture, &null, r#"{"version":1}"#] {
        let package = zip_of(&[("manifest", manifest.as_bytes()), ("content/7.sql.gz", &sql)]);
        let (found, data) = unpacked(&package, &["mysql-dump/1"], 1 << 20).unwrap();
        assert_eq!(found.format, "mysql-dump/1");
        assert_eq!(zstd::decode_all(&*data).unwrap(), DUMP);
    }
}

#[test]
fn damaged_data_is_not_packed() {
    let data = zstd(DUMP);
    let what = Packing {
        snapshot: &SnapshotId::from(7),
        format: "mysql-dump/1",
        size: data.len() as u64,
        sha256: "00",
        service_version: "",
        plan: "",
        provider: "",
    };
    let error = pack(&what, &*data, Cursor::new(Vec::new()), 1 << 20, meter()).unwrap_err();
    assert!(matches!(error, PackageError::Corrupt(_)), "{error}");
    assert!(matches!(packed("mysql-dump/1", b"no zstd"), Err(PackageError::Corrupt(_))));
}

#[test]
fn a_package_is_bounded_while_it_is_written() {
    let what = Packing {
        snapshot: &SnapshotId::from(7),
        format: "files-tar/1",
        size: 4_096,
        sha256: "",
        service_version: "",
        plan: "",
        provider: "",
    };
    let error = pack(&what, &[0; 4_096][..], Cursor::new(Vec::new()), 2_048, meter());
    assert!(matches!(error, Err(PackageError::TooLarge(2_048))));
}

#[test]
fn a_job_that_is_over_stops() {
    let stop = CancellationToken::new();
    stop.cancel();
    let meter = Meter { progress: Arc::new(Mutex::default()), stop };
    let package = packed("mysql-dump/1", &zstd(DUMP)).unwrap();
    let formats = ["mysql-dump/1".to_owned()];
    let error = unpack(Cursor::new(package), Vec::new(), &formats, 1 << 20, meter).unwrap_err();
    assert!(matches!(error, PackageError::Stopped), "{error}");
}

#[test]
fn what_is_no_package_is_refused() {
    let sql = gzip(DUMP);
    let manifest = MANIFEST.as_bytes();
    check_refused(b"", 9, "it is no package: it has no directory");
    check_refused(b"<html>404</html>", 9, "it is no package: it has no directory");
    check_refused(
        &zip_of(&[("content/7.sql.gz", &sql)]),
        9,
        "it is no package: it has no manifest",
    );
    check_refused(&zip_of(&[("manifest", manifest)]), 9, "it is no package: it has no content");
    let version = MANIFEST.replace("\"version\":1", "\"version\":2");
    check_refused(
        &zip_of(&[("manifest", version.as_bytes()), ("content/7.sql.gz", &sql)]),
        9,
        "it is no package: its manifest has version 2",
    );
    check_refused(
        &zip_of(&[("manifest", manifest), ("content/dump.rdb", b"REDIS")]),
        9,
        "it is no package: the service does not read dump.rdb",
    );
    check_refused(
        &packed("files-tar/1", b"x").unwrap(),
        9,
        "it is no package: the service does not read files-tar/1",
    );
}

#[test]
fn a_name_that_leads_elsewhere_is_refused() {
    let sql = gzip(DUMP);
    for name in [
        "../x",
        "/etc/passwd",
        "content/../x.sql.gz",
        "content/a/b.sql.gz",
        "content/..",
        "content/a\\b.sql.gz",
        "c:x",
        "content/c:x",
    ] {
        let package =
            zip_of(&[("manifest", MANIFEST.as_bytes()), ("content/7.sql.gz", &sql), (name, b"x")]);
        check_refused(&package, 1 << 20, "it is no package: a name in it is not allowed");
    }
}

#[test]
fn a_bomb_is_bounded_in_entries_manifest_and_content() {
    let names: Vec<String> = (0..70).map(|n| format!("content/{n}")).collect();
    let many: Vec<(&str, &[u8])> = names.iter().map(|name| (name.as_str(), &b""[..])).collect();
    check_refused(&zip_of(&many), 9, "it is no package: it has more than 64 entries");

    let long = format!(r#"{{"version":1,"x":"{}"}}"#, "x".repeat(100_000));
    let entries = [("manifest", long.as_bytes()), ("content/7.sql.gz", &[])];
    check_refused(&zip_of(&entries), 9, "its content has more than 65536 bytes");

    let bomb = gzip(&vec![b'x'; 1 << 20]);
    let entries = [("manifest", MANIFEST.as_bytes()), ("content/7.sql.gz", &*bomb)];
    check_refused(&zip_of(&entries), 65_536, "its content has more than 65536 bytes");
}

#[test]
fn damaged_content_is_told_from_no_package() {
    let mut sql = gzip(DUMP);
    let middle = sql.len() / 2;
    sql[middle] ^= 0xff;
    let entries = [("manifest", MANIFEST.as_bytes()), ("content/7.sql.gz", &*sql)];
    let error = unpacked(&zip_of(&entries), &["mysql-dump/1"], 1 << 20).unwrap_err();
    assert!(matches!(error, PackageError::Corrupt(_)), "{error}");

    let mut package = packed("files-tar/1", b"anything").unwrap();
    let at = package.windows(8).position(|window| window == b"anything").unwrap();
    package[at] = b'A';
    let error = unpacked(&package, &["files-tar/1"], 1 << 20).unwrap_err();
    assert!(matches!(error, PackageError::Corrupt(_)), "{error}");
}

proptest::proptest! {
    #[test]
    fn no_bytes_make_it_fail(
        mut package in proptest::collection::vec(proptest::num::u8::ANY, 0..600),
        at in 0_usize..600,
    ) {
        let good = zip_of(&[("manifest", MANIFEST.as_bytes()), ("content/7.sql.gz", &gzip(DUMP))]);
        let at = at.min(good.len());
        package.truncate(60);
        let mixed = [&good[..at], &package, &good[at..]].concat();
        for bytes in [&*package, &*mixed] {
            drop(unpacked(bytes, &["mysql-dump/1"], 1 << 20));
        }
    }
}

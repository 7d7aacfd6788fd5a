//! The interface as a guest sees it, and ends that outlive their call.

use super::*;

struct Fixture {
    dir: Dir,
    table: ResourceTable,
    _on_disk: tempfile::TempDir,
}

fn fixture() -> Fixture {
    let on_disk = tempfile::tempdir().unwrap();
    let dir = Dir::open_ambient_dir(on_disk.path(), cap_std::ambient_authority()).unwrap();
    Fixture { dir, table: ResourceTable::new(), _on_disk: on_disk }
}

impl Fixture {
    fn sink(&mut self, limit: u64) -> Resource<Sink> {
        self.table.push(Sink::create(&self.dir, "blob", limit).unwrap()).unwrap()
    }

    async fn write(&mut self, sink: &Resource<Sink>, bytes: &[u8]) -> Result<(), Failure> {
        let mut view = BlobView { table: &mut self.table };
        view.write(Resource::new_borrow(sink.rep()), bytes.to_vec()).await.unwrap()
    }

    async fn read(&mut self, source: &Resource<Source>, max: u32) -> Result<Vec<u8>, Failure> {
        let mut view = BlobView { table: &mut self.table };
        view.read(Resource::new_borrow(source.rep()), max).await.unwrap()
    }

    fn finish(&mut self, sink: Resource<Sink>) -> io::Result<Finished> {
        self.table.delete(sink).unwrap().finish()
    }
}

#[tokio::test]
async fn what_is_written_is_counted_hashed_and_read_again() {
    let mut fixture = fixture();
    let sink = fixture.sink(100);
    fixture.write(&sink, b"hello ").await.unwrap();
    fixture.write(&sink, b"world").await.unwrap();
    let finished = fixture.finish(sink).unwrap();
    assert_eq!(finished.size, 11);
    assert_eq!(finished.sha256, "b94d27b9934d3e08a52e52d7da7dabfac484efe37a5380ee9088f7ace2efcde9");

    let source = Source::open(&fixture.dir, "blob").unwrap();
    assert_eq!(source.size, 11);
    let source = fixture.table.push(source).unwrap();
    assert_eq!(fixture.read(&source, 6).await.unwrap(), b"hello ");
    assert_eq!(fixture.read(&source, u32::MAX).await.unwrap(), b"world");
    assert_eq!(fixture.read(&source, 1).await.unwrap(), b"");
}

#[tokio::test]
async fn a_write_beyond_the_limit_fails_and_so_does_the_finish() {
    let mut fixture = fixture();
    let sink = fixture.sink(10);
    fixture.write(&sink, &[0; 10]).await.unwrap();
    assert!(matches!(fixture.write(&sink, &[0; 1]).await, Err(Failure::Limit)));
    assert!(matches!(fixture.write(&sink, &[0; 1]).await, Err(Failure::Unavailable)));
    let error = fixture.finish(sink).unwrap_err();
    assert!(matches!(blob_error(&error), Some(BlobError::Torn)));
}

#[tokio::test]
async fn a_chunk_of_more_than_a_mebibyte_is_refused_and_does_no_harm() {
    let mut fixture = fixture();
    let sink = fixture.sink(u64::MAX);
    let large = vec![0; MAX_CHUNK + 1];
    assert!(matches!(fixture.write(&sink, &large).await, Err(Failure::Limit)));
    fixture.write(&sink, &large[1..]).await.unwrap();
    assert_eq!(fixture.finish(sink).unwrap().size, MAX_CHUNK as u64);
}

#[test]
fn an_end_that_outlives_its_call_moves_no_more_bytes() {
    let fixture = fixture();
    let sink = Sink::create(&fixture.dir, "blob", 100).unwrap();
    let mut writer = sink.writer();
    writer.write_all(b"one").unwrap();
    drop(sink);
    let error = writer.write_all(b"two").unwrap_err();
    assert!(matches!(blob_error(&error), Some(BlobError::Closed)));

    let source = Source::open(&fixture.dir, "blob").unwrap();
    let mut reader = source.reader();
    assert_eq!(reader.while_lent(|| 7), Some(7));
    drop(source);
    assert_eq!(reader.while_lent(|| 7), None);
    let error = reader.read(&mut [0; 4]).unwrap_err();
    assert!(matches!(blob_error(&error), Some(BlobError::Closed)));
}

#[test]
fn a_sink_starts_empty_whatever_an_earlier_attempt_left() {
    let fixture = fixture();
    Sink::create(&fixture.dir, "blob", 100).unwrap().writer().write_all(b"old").unwrap();
    let finished = Sink::create(&fixture.dir, "blob", 100).unwrap().finish().unwrap();
    assert_eq!(finished.size, 0);
}

#[test]
fn a_name_that_leads_out_of_the_directory_is_refused() {
    let fixture = fixture();
    assert!(Sink::create(&fixture.dir, "../blob", 1).is_err());
    assert!(Source::open(&fixture.dir, "/etc/passwd").is_err());
}

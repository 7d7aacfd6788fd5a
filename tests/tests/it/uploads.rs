//! Uploads end to end: what a cloud controller of 2013 sends for its users becomes a snapshot.

use std::time::Duration;

use reqwest::{Client, Method, Response};
use serde_json::{Value, json};
use tenon_tests::{Classic, Options, Platform, wait_until};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use crate::crash::insist;
use crate::letters::{directory, letter, with_letter};
use crate::settings;
use crate::shelf::{PATIENCE, Shelf, text};

/// Made as the original's tools made it in 2013, by its description.
const ORIGINAL: &[u8] = include_bytes!("testdata/original-package.zip");
const BOUNDARY: &str = "----------XnJLe9ZIbbGUYtzPQJ16u1";

/// Whoever uploads: a cloud controller.
struct Uploader {
    http: Client,
    base: String,
    token: String,
}

impl Uploader {
    fn of(platform: &Platform) -> Self {
        let gateway = platform.dev_file().unwrap().gateway;
        let http = Client::builder().no_proxy().build().unwrap();
        let token = gateway.upload_token.reveal().to_owned();
        Self { http, base: gateway.url, token }
    }

    async fn send(
        &self,
        method: Method,
        (service, instance): (&str, &str),
        token: &str,
        form: Vec<u8>,
    ) -> Response {
        let url = format!("{}/serialized/{service}/{instance}/serialized/data", self.base);
        let request = self.http.request(method, url).header("X-VCAP-SDS-Upload-Token", token);
        let content = format!("multipart/form-data; boundary={BOUNDARY}");
        request.header("Content-Type", content).body(form).send().await.unwrap()
    }

    /// A link to an upload that is taken.
    async fn upload(&self, of: (&str, &str), package: &[u8]) -> String {
        let response = self.send(Method::PUT, of, &self.token, form(&[file(package)])).await;
        assert_eq!(response.status(), 200);
        assert_eq!(response.headers()["content-type"], "application/json");
        text(&response.json().await.unwrap(), "url")
    }

    /// Status and number of one that is not.
    async fn refused(&self, of: (&str, &str), form: Vec<u8>) -> (u16, u64) {
        told(self.send(Method::PUT, of, &self.token, form).await).await
    }

    async fn get(&self, url: &str) -> Response {
        self.http.get(url).send().await.unwrap()
    }
}

async fn told(response: Response) -> (u16, u64) {
    let status = response.status().as_u16();
    let body: Value = response.json().await.unwrap();
    (status, body["code"].as_u64().unwrap_or_else(|| panic!("{body}")))
}

/// A field with its head, as a form has it.
fn field(name: &str, more: &str, value: &[u8]) -> Vec<u8> {
    let head = format!("Content-Disposition: form-data; name=\"{name}\"{more}\r\n\r\n");
    [head.as_bytes(), value].concat()
}

fn file(package: &[u8]) -> Vec<u8> {
    let more = "; filename=\"7.zip\"\r\nContent-Type: application/zip";
    field("data_file", more, package)
}

fn form(fields: &[Vec<u8>]) -> Vec<u8> {
    let mut form = Vec::new();
    for field in fields {
        form.extend_from_slice(format!("--{BOUNDARY}\r\n").as_bytes());
        form.extend_from_slice(field);
        form.extend_from_slice(b"\r\n");
    }
    form.extend_from_slice(format!("--{BOUNDARY}--\r\n").as_bytes());
    form
}

/// A package of `letter`, and an instance that has another one.
async fn packaged(classic: &Classic, letter: &str) -> (Vec<u8>, Shelf) {
    let source = insist(async || classic.provision().await).await.unwrap();
    directory(&source).write("letter", letter).unwrap();
    let shelf = Shelf::of(classic, &source.service_id);
    let url = shelf.link(&shelf.take().await).await;
    let http = Client::builder().no_proxy().build().unwrap();
    let package = http.get(url).send().await.unwrap().bytes().await.unwrap();
    (package.to_vec(), shelf)
}

fn kept(platform: &Platform) -> Vec<String> {
    let entries = platform.dir().unwrap().read_dir("snapshots/.uploads").unwrap();
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

#[tokio::test]
async fn what_a_cloud_controller_uploads_is_imported_with_the_gateway_alone() {
    let platform = Platform::start(Options::of(&["files"])).await.unwrap();
    let classic = platform.classic("files").unwrap();
    let uploader = Uploader::of(&platform);
    let (package, _) = packaged(&classic, "dear all").await;
    let target = with_letter(&classic, "another").await;
    let id = target.service_id.as_str();

    // By the label, as its cloud controller did; by `POST`, as its client did.
    let fields = [field("_method", "", b"put"), file(&package)];
    let post = uploader.send(Method::POST, ("files", id), &uploader.token, form(&fields)).await;
    assert_eq!(post.status(), 200);
    let posted = text(&post.json().await.unwrap(), "url");
    let url = uploader.upload(("files", id), &package).await;
    assert_ne!(url, posted);
    let expected = format!("{}/serialized/files/{id}/serialized/file?token=", uploader.base);
    assert!(url.starts_with(&expected), "{url}");
    // And by the name of the service, as links to downloads have it.
    uploader.upload(("FilesystemaaS", id), &package).await;

    // This machine is no public address, and no node was told that it may be reached.
    let shelf = Shelf::of(&classic, id);
    for url in [&url, &posted] {
        let imported = shelf.import(url).await;
        directory(&target).write("letter", "written since").unwrap();
        shelf.roll_back(&imported).await;
        assert_eq!(letter(&target), "dear all");
    }

    let whole = uploader.get(&url).await;
    assert_eq!(whole.headers()["content-type"], "application/octet-stream");
    assert_eq!(whole.bytes().await.unwrap(), package);
    let part = uploader.http.get(&url).header("Range", "bytes=0-1").send().await.unwrap();
    assert_eq!((part.status().as_u16(), part.text().await.unwrap()), (206, "PK".to_owned()));

    // Whoever has the link may not remove it; the platform may, as often as it likes.
    let delete =
        |token: &str| uploader.http.delete(&url).header("X-VCAP-SDS-Upload-Token", token).send();
    assert_eq!(told(delete("").await.unwrap()).await, (403, 30200));
    for _ in 0..2 {
        let deleted = delete(&uploader.token).await.unwrap();
        assert_eq!((deleted.status().as_u16(), deleted.text().await.unwrap()), (200, "{}".into()));
    }
    assert_eq!(told(uploader.get(&url).await).await, (404, 30300));
    let failed = shelf.failed(Method::PUT, "serialized/url", &json!({ "url": url })).await;
    let shown = url.split('?').next().unwrap();
    assert_eq!(failed, (30803, format!("Invalid serialized data file from: {shown}")));
    for log in ["gateway-1", "node-1"] {
        let token = url.split("token=").nth(1).unwrap();
        assert!(!platform.log(log).contains(token), "{log}");
    }
}

#[tokio::test]
async fn an_uploaded_package_of_the_original_becomes_a_database() {
    let platform = Platform::start(Options::of(&["mysql"])).await.unwrap();
    let classic = platform.classic("mysql").unwrap();
    let made = insist(async || classic.provision().await).await.unwrap();
    let shelf = Shelf::of(&classic, &made.service_id);
    let url = Uploader::of(&platform).upload(("mysql", &made.service_id), ORIGINAL).await;
    shelf.roll_back(&shelf.import(&url).await).await;
    let owner = tenon_tests::Login::read(&made.credentials).unwrap();
    assert_eq!(owner.number("SELECT COUNT(*) FROM letters").await.unwrap(), Some(2));
}

#[tokio::test]
async fn a_bad_upload_gets_its_number_and_leaves_nothing() {
    let platform = Platform::start(Options::of(&["files", "echo"])).await.unwrap();
    let lines = "upload_max_mib = 1\nmax_uploads = 2\nnext_upload_token = \"the next one\"";
    settings::set(&platform, "gateway-1", "[snapshots]", lines).await;
    let classic = platform.classic("files").unwrap();
    let made = insist(async || classic.provision().await).await.unwrap();
    let (uploader, id) = (Uploader::of(&platform), made.service_id.as_str());
    let good = form(&[file(b"PK")]);

    for token in ["", "wrong", &uploader.token[1..]] {
        let response = uploader.send(Method::PUT, ("files", id), token, good.clone()).await;
        assert_eq!(told(response).await, (403, 30200), "{token}");
    }
    for (service, instance) in [("files", "dnosuch"), ("echo", id), ("nosuch", id), ("f..", "%2e")]
    {
        assert_eq!(uploader.refused((service, instance), good.clone()).await, (404, 30300));
    }
    let cut_off = form(&[file(b"PK")]);
    let malformed = [
        Vec::new(),
        b"no form".to_vec(),
        form(&[]),
        form(&[field("other", "", b"PK")]),
        form(&[file(b"")]),
        form(&[file(b"PK"), file(b"PK")]),
        form(&[file(b"PK"), field("other", "", &vec![b'x'; 400_000])]),
        cut_off[..cut_off.len() - 20].to_vec(),
        // A head of a field that does not end.
        [format!("--{BOUNDARY}\r\nContent-").into_bytes(), vec![b'x'; 400_000]].concat(),
    ];
    for form in malformed {
        let shown = String::from_utf8_lossy(&form[..form.len().min(60)]).into_owned();
        assert_eq!(uploader.refused(("files", id), form).await, (400, 30001), "{shown:?}");
    }
    let post = uploader.send(Method::POST, ("files", id), &uploader.token, good.clone()).await;
    assert_eq!(told(post).await, (400, 30001), "a POST that is no PUT");
    let large = form(&[file(&vec![7; (1 << 20) + 1])]);
    assert_eq!(uploader.refused(("files", id), large).await, (400, 30804));
    let larger = form(&[file(&vec![7; 12 << 20])]);
    assert_eq!(uploader.refused(("files", id), larger).await, (400, 30804));
    assert_eq!(kept(&platform), [""; 0]);

    // What is no package is taken, as in the original, and refused by the import.
    let url = uploader.upload(("files", id), &vec![7; 1 << 20]).await;
    let shelf = Shelf::of(&classic, id);
    let failed = shelf.failed(Method::PUT, "serialized/url", &json!({ "url": url })).await;
    assert_eq!(failed.0, 30803);
    let next = uploader.send(Method::PUT, ("files", id), "the next one", good.clone()).await;
    assert_eq!(next.status(), 200);
    let many = uploader.send(Method::PUT, ("files", id), &uploader.token, good).await;
    assert!(many.headers().contains_key("retry-after"));
    assert_eq!(told(many).await, (503, 30600));
    assert_eq!(kept(&platform).len(), 2);

    // A link opens one upload of one instance.
    for bad in [
        url.replace("/files/", "/echo/"),
        url.replace(id, "dother"),
        url.replace("token=", "token=1"),
        url.split('?').next().unwrap().to_owned(),
    ] {
        assert_eq!(told(uploader.get(&bad).await).await, (403, 30200), "{bad}");
    }
}

#[tokio::test]
async fn without_a_token_nothing_is_uploaded() {
    let platform = Platform::start(Options::of(&["files"])).await.unwrap();
    let dir = platform.dir().unwrap();
    let text = settings::read(&platform, "gateway-1");
    let off = text.lines().filter(|line| !line.starts_with("upload_token"));
    let off = off.map(|line| format!("{line}\n")).collect::<String>();
    assert_ne!(off, text);
    dir.write("gateway-1.toml", off).unwrap();
    settings::set(&platform, "gateway-1", "[snapshots]", "max_uploads = 2").await;
    let classic = platform.classic("files").unwrap();
    let made = insist(async || classic.provision().await).await.unwrap();
    let uploader = Uploader::of(&platform);
    for token in ["", &uploader.token] {
        let of = ("files", made.service_id.as_str());
        let response = uploader.send(Method::PUT, of, token, form(&[file(b"PK")])).await;
        assert_eq!(told(response).await, (404, 30300), "{token}");
    }
}

#[tokio::test]
async fn p32_an_upload_is_over_after_a_while() {
    let platform = Platform::start(Options::of(&["files"])).await.unwrap();
    settings::set(&platform, "gateway-1", "[snapshots]", "upload_seconds = 5").await;
    let classic = platform.classic("files").unwrap();
    let made = insist(async || classic.provision().await).await.unwrap();
    let uploader = Uploader::of(&platform);
    let url = uploader.upload(("files", &made.service_id), b"PK").await;
    assert_eq!(uploader.get(&url).await.text().await.unwrap(), "PK");
    let over = wait_until("the link expires", PATIENCE, async || {
        (uploader.get(&url).await.status() == 403).then_some(())
    });
    over.await.unwrap();
    let gone = async || kept(&platform).is_empty().then_some(());
    wait_until("the upload is removed", PATIENCE, gone).await.unwrap();
}

/// The beginning of an upload, over a connection of its own.
async fn half(uploader: &Uploader, instance: &str, package: &[u8]) -> TcpStream {
    let address = uploader.base.strip_prefix("http://").unwrap();
    let form = form(&[file(package)]);
    let head = format!(
        "PUT /serialized/files/{instance}/serialized/data HTTP/1.1\r\nHost: {address}\r\n\
         X-VCAP-SDS-Upload-Token: {}\r\nContent-Length: {}\r\n\
         Content-Type: multipart/form-data; boundary={BOUNDARY}\r\n\r\n",
        uploader.token,
        form.len(),
    );
    let mut stream = TcpStream::connect(address).await.unwrap();
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.write_all(&form[..form.len() / 2]).await.unwrap();
    stream
}

#[tokio::test]
async fn half_an_upload_is_none_whoever_ends_it() {
    let platform = Platform::start(Options::of(&["files"])).await.unwrap();
    let lines = "upload_timeout_seconds = 20";
    settings::set(&platform, "gateway-1", "[snapshots]", lines).await;
    settings::set(&platform, "gateway-1", "[http]", "stall_seconds = 5").await;
    let classic = platform.classic("files").unwrap();
    let made = insist(async || classic.provision().await).await.unwrap();
    let (uploader, id) = (Uploader::of(&platform), made.service_id.as_str());
    let package = vec![7; 1 << 20];
    let begun = async || {
        let one = async || (kept(&platform).len() == 1).then_some(());
        wait_until("the upload has begun", PATIENCE, one).await.unwrap();
        assert!(kept(&platform)[0].ends_with(".part"));
    };
    let gone = async || {
        let none = async || kept(&platform).is_empty().then_some(());
        wait_until("half an upload is removed", PATIENCE, none).await.unwrap();
    };

    // A client that stalls is told, and let go.
    let mut stalled = half(&uploader, id, &package).await;
    begun().await;
    gone().await;
    let mut answer = String::new();
    let answered = stalled.read_to_string(&mut answer);
    tokio::time::timeout(Duration::from_secs(30), answered).await.unwrap().unwrap();
    assert!(answer.starts_with("HTTP/1.1 400 ") && answer.contains("30001"), "{answer}");

    // A client that goes away.
    let gone_away = half(&uploader, id, &package).await;
    begun().await;
    drop(gone_away);
    gone().await;

    // A gateway that dies: the next one removes what it finds, once its time is over.
    let _left = half(&uploader, id, &package).await;
    begun().await;
    platform.kill("gateway-1").await.unwrap();
    platform.control().unwrap().start("gateway-1", None).await.unwrap();
    assert_eq!(kept(&platform).len(), 1, "it is too early to tell");
    gone().await;
    uploader.upload(("files", id), &package).await;
}

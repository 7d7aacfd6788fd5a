//! Fetches from servers on this machine, which an operator may allow.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use super::*;

/// Answers every request with `answer`, of which `{port}` becomes its port; the port.
#[expect(clippy::disallowed_methods, reason = "a test's own server")]
async fn server(answer: &'static str) -> (u16, JoinHandle<()>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = listener.local_addr().unwrap().port();
    let answer = answer.replace("{port}", &port.to_string());
    let serving = tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut request = [0; 4_096];
            if stream.read(&mut request).await.is_ok() {
                stream.write_all(answer.as_bytes()).await.ok();
                if answer.ends_with("...") {
                    // Without an end.
                    while stream.write_all(&[b'x'; 1_024]).await.is_ok() {}
                }
            }
        }
    });
    (port, serving)
}

fn limits(networks: &[&str]) -> FetchLimits {
    crate::node::install_tls();
    FetchLimits {
        max_bytes: 10_000,
        max_redirects: 3,
        timeout: Duration::from_secs(20),
        networks: networks.iter().map(|text| text.parse().unwrap()).collect(),
    }
}

const HERE: &[&str] = &["127.0.0.1/32"];

async fn fetched(url: &str, limits: &FetchLimits) -> Result<String, FetchError> {
    let file = tempfile::NamedTempFile::new().unwrap();
    let meter = Meter { progress: Arc::default(), stop: CancellationToken::new() };
    let out = file.reopen().unwrap();
    fetch(&Secret::new(url.to_owned()), limits, out, &meter).await?;
    let mut text = String::new();
    io::Read::read_to_string(&mut file.reopen().unwrap(), &mut text).unwrap();
    Ok(text)
}

async fn refused(url: &str, limits: &FetchLimits) -> String {
    fetched(url, limits).await.unwrap_err().to_string()
}

#[tokio::test]
async fn a_file_is_fetched_over_redirects() {
    let (port, _serving) = server("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello").await;
    let url = format!("http://127.0.0.1:{port}/x?token=1");
    assert_eq!(fetched(&url, &limits(HERE)).await.unwrap(), "hello");
}

#[tokio::test]
async fn p33_an_address_of_the_operators_own_is_not_reached_by_any_name() {
    let (port, _serving) = server("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello").await;
    for host in
        ["127.0.0.1", "localhost", "2130706433", "0x7f.1", "017700000001", "[::ffff:127.0.0.1]"]
    {
        let error = fetched(&format!("http://{host}:{port}/"), &limits(&[])).await.unwrap_err();
        assert!(matches!(error, FetchError::Forbidden(_)), "{host}: {error}");
    }
}

/// A name that means something else whenever it is looked up. The machine does not know it.
struct Rebound {
    answers: Mutex<Vec<&'static str>>,
}

impl Rebound {
    fn to(answers: &[&'static str]) -> Self {
        Self { answers: Mutex::new(answers.iter().rev().copied().collect()) }
    }

    /// What it would mean next.
    fn left(&self) -> usize {
        self.answers.lock().unwrap().len()
    }
}

impl Resolve for Rebound {
    async fn look_up(&self, host: &str, port: u16) -> io::Result<Vec<SocketAddr>> {
        assert_eq!(host, "rebound.invalid");
        let answer = self.answers.lock().unwrap().pop().unwrap();
        Ok(vec![SocketAddr::new(answer.parse().unwrap(), port)])
    }
}

async fn fetched_by(names: &Rebound, port: u16) -> Result<u64, FetchError> {
    let meter = Meter { progress: Arc::default(), stop: CancellationToken::new() };
    let out = tempfile::tempfile().unwrap();
    let url = Secret::new(format!("http://rebound.invalid:{port}/"));
    fetch_by((names, &limits(HERE)), &url, out, &meter).await
}

#[tokio::test]
async fn p33_a_name_is_looked_up_once_and_reached_where_it_was_allowed() {
    let (port, _serving) = server("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello").await;
    let names = Rebound::to(&["127.0.0.1", "127.0.0.2"]);
    assert_eq!(fetched_by(&names, port).await.unwrap(), 5);
    assert_eq!(names.left(), 1);
}

#[tokio::test]
async fn p33_a_name_that_means_something_else_after_a_redirect_is_looked_at_again() {
    let answer = "HTTP/1.1 302 Found\r\nLocation: http://rebound.invalid:{port}/x\r\n\r\n";
    let (port, _serving) = server(answer).await;
    let names = Rebound::to(&["127.0.0.1", "127.0.0.2"]);
    let error = fetched_by(&names, port).await.unwrap_err().to_string();
    assert_eq!(error, "127.0.0.2 is no public address");
    assert_eq!(names.left(), 0);
}

#[tokio::test]
async fn p33_a_redirect_is_looked_at_like_the_first_url() {
    for (answer, expected) in [
        (
            "HTTP/1.1 302 Found\r\nLocation: http://127.0.0.2:{port}/\r\n\r\n",
            "127.0.0.2 is no public address",
        ),
        (
            "HTTP/1.1 302 Found\r\nLocation: http://169.254.169.254/\r\n\r\n",
            "169.254.169.254 is no public address",
        ),
        (
            "HTTP/1.1 302 Found\r\nLocation: file:///etc/passwd\r\n\r\n",
            "the URL is none of http or https",
        ),
        ("HTTP/1.1 302 Found\r\n\r\n", "the server answers 302"),
        ("HTTP/1.1 302 Found\r\nLocation: /again\r\n\r\n", "it leads on more than 3 times"),
    ] {
        let (port, _serving) = server(answer).await;
        let error = refused(&format!("http://127.0.0.1:{port}/"), &limits(HERE)).await;
        assert_eq!(error, expected);
    }
}

#[tokio::test]
async fn p33_another_scheme_is_refused() {
    for url in ["file:///etc/passwd", "ftp://127.0.0.1/", "http://", "x", "gopher://a/http://b"] {
        assert_eq!(refused(url, &limits(HERE)).await, "the URL is none of http or https", "{url}");
    }
}

#[tokio::test]
async fn a_size_is_bounded_as_announced_and_as_received() {
    let too_large = "bytes, at most 10000 are fetched";
    for answer in [
        "HTTP/1.1 200 OK\r\nContent-Length: 10001\r\n\r\nx",
        "HTTP/1.1 200 OK\r\n\r\n...",
        "HTTP/1.1 200 OK\r\nContent-Length: 99999999999\r\n\r\n...",
    ] {
        let (port, _serving) = server(answer).await;
        let error = refused(&format!("http://127.0.0.1:{port}/"), &limits(HERE)).await;
        assert!(error.ends_with(too_large), "{error}");
    }
}

#[tokio::test]
async fn a_body_that_is_cut_off_is_no_file() {
    let (port, _serving) = server("HTTP/1.1 200 OK\r\nContent-Length: 50\r\n\r\nhello").await;
    let error = refused(&format!("http://127.0.0.1:{port}/"), &limits(HERE)).await;
    assert_eq!(error, "it cannot be fetched");
}

#[tokio::test]
async fn a_body_without_an_end_takes_no_longer_than_it_may() {
    let (port, _serving) = server("HTTP/1.1 200 OK\r\n\r\n...").await;
    let limits =
        FetchLimits { max_bytes: u64::MAX, timeout: Duration::from_millis(300), ..limits(HERE) };
    let error = fetched(&format!("http://127.0.0.1:{port}/"), &limits).await.unwrap_err();
    assert!(matches!(error, FetchError::TimedOut(_)), "{error}");
}

#[tokio::test]
async fn a_page_of_an_error_is_no_file() {
    let (port, _serving) = server("HTTP/1.1 404 Not Found\r\nContent-Length: 2\r\n\r\nno").await;
    let url = Secret::new(format!("http://u:p@127.0.0.1:{port}/nosuch.zip?token=hunter2"));
    let error = fetched(url.reveal(), &limits(HERE)).await.unwrap_err();
    assert_eq!(error.to_string(), "the server answers 404");
    let text = error.to_fault(&url).msg.description;
    assert_eq!(
        text,
        format!("Invalid serialized data file from: http://127.0.0.1:{port}/nosuch.zip")
    );
}

#[test]
fn too_many_redirects_have_a_number_of_their_own() {
    let url = Secret::new("http://dl.example.com/a.zip?token=hunter2".to_owned());
    let fault = FetchError::TooManyRedirects(3).to_fault(&url);
    assert_eq!((fault.status, fault.msg.code), (400, 30805));
}

#[tokio::test]
async fn p32_an_error_does_not_show_the_token_of_a_url() {
    let (port, serving) = server("HTTP/1.1 200 OK\r\n\r\n").await;
    serving.abort();
    let error = fetched(&format!("http://127.0.0.1:{port}/?token=hunter2"), &limits(HERE)).await;
    if let Err(error) = error {
        assert!(!format!("{error:?}").contains("hunter2"), "{error:?}");
    }
}

#[test]
fn a_url_is_shown_without_its_secrets() {
    for (url, expected) in [
        ("http://a/b?token=1#x", "http://a/b"),
        ("https://u:p@a:1/b@c", "https://a:1/b@c"),
        ("http://a", "http://a"),
        ("http://u:p@a?x=@", "http://a"),
    ] {
        assert_eq!(shown(url), expected);
    }
}

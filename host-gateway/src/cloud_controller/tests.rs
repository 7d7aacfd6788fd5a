//! A platform to be tested with, and whether its certificate is looked at.

pub(super) mod platform;

use std::io::{self, Seek};
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tenon_protocol::chain;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::task::JoinSet;
use tokio_rustls::TlsAcceptor;

use super::*;
use crate::cloud_controller::tests::platform::offering;
use crate::config::Config;

/// A server with a certificate for `127.0.0.1` that `issuer` signed.
async fn tls_server(issuer: &CertifiedIssuer<'_, KeyPair>) -> (String, JoinSet<()>) {
    let key = KeyPair::generate().unwrap();
    let parameters = CertificateParams::new(["127.0.0.1".to_owned()]).unwrap();
    let certificate = parameters.signed_by(&key, issuer).unwrap();
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let config = rustls::ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(vec![certificate.der().clone()], key)
        .unwrap();
    let acceptor = TlsAcceptor::from(Arc::new(config));
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://{}", listener.local_addr().unwrap());
    let mut server = JoinSet::new();
    server.spawn(async move {
        while let Ok((connection, _)) = listener.accept().await {
            let Ok(mut connection) = acceptor.accept(connection).await else { continue };
            let mut request = [0; 4096];
            assert!(connection.read(&mut request).await.unwrap() > 0);
            connection.write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\n{}").await.unwrap();
        }
    });
    (url, server)
}

fn issuer(name: &str) -> CertifiedIssuer<'static, KeyPair> {
    let mut parameters = CertificateParams::new([name.to_owned()]).unwrap();
    parameters.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    CertifiedIssuer::self_signed(parameters, KeyPair::generate().unwrap()).unwrap()
}

async fn notify(url: &str, ca: Option<&str>) -> Result<(), CloudControllerError> {
    let text = include_str!("../../testdata/gateway.toml");
    let config = Config::parse(text, std::path::Path::new("gw.toml")).unwrap();
    let mut config = config.cloud_controller.unwrap();
    url.clone_into(&mut config.url);
    config.ca = ca.map(|pem| pem.as_bytes().to_vec());
    let cc = CloudController::new(&config, "http://gw").unwrap();
    cc.notify(&offering(), Presence::Here, &[]).await
}

#[tokio::test]
async fn p12_a_certificate_that_nobody_vouches_for_is_refused() {
    crate::gateway::install_tls();
    let (own, other) = (issuer("own"), issuer("other"));
    let (url, _server) = tls_server(&own).await;
    for ca in [None, Some(other.pem())] {
        let error = notify(&url, ca.as_deref()).await.unwrap_err();
        assert!(matches!(error, CloudControllerError::Away { .. }), "{error}");
        let text = chain(&error).to_string();
        assert!(text.contains("certificate"), "{text}");
    }
    notify(&url, Some(&own.pem())).await.unwrap();
}

/// What a line of the log says about `error`.
fn logged(error: &(dyn std::error::Error + 'static), form: Form) -> String {
    let mut file = tempfile::tempfile().unwrap();
    let writer = Arc::new(file.try_clone().unwrap());
    let log = tracing_subscriber::fmt().with_writer(writer).with_ansi(false);
    let warn = || tracing::warn!(error = %chain(error), "heartbeat failed");
    match form {
        Form::Text => tracing::subscriber::with_default(log.finish(), warn),
        Form::Json => tracing::subscriber::with_default(log.json().finish(), warn),
    }
    file.rewind().unwrap();
    io::read_to_string(file).unwrap()
}

#[derive(Clone, Copy)]
enum Form {
    Text,
    Json,
}

#[tokio::test]
async fn p29_the_log_says_why_in_the_end_and_shows_no_login() {
    crate::gateway::install_tls();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let closed = listener.local_addr().unwrap();
    drop(listener);
    let url = format!("http://gateway:hunter2@{closed}/api?token=hunter2");
    let error = notify(&url, None).await.unwrap_err();
    for form in [Form::Text, Form::Json] {
        let line = logged(&error, form);
        assert!(line.contains(&format!("http://{closed}/api?... did not answer: ")), "{line}");
        assert!(line.contains("Connection refused"), "{line}");
        assert!(!line.contains("hunter2"), "{line}");
        assert_eq!(line.matches(&closed.to_string()).count(), 1, "{line}");
    }
}

#[tokio::test]
async fn the_log_tells_a_certificate_a_name_and_a_closed_door_apart() {
    crate::gateway::install_tls();
    let (untrusted, _server) = tls_server(&issuer("nobody")).await;
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let closed = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    // A name that no server may ever give an address.
    let unnamed = "http://cloud-controller.invalid".to_owned();
    for (url, cause) in
        [(untrusted, "certificate"), (unnamed, "dns error"), (closed, "Connection refused")]
    {
        let error = notify(&url, None).await.unwrap_err();
        // As operations hand it on.
        let error = crate::operations::OperationError::Untold(error);
        for form in [Form::Text, Form::Json] {
            let line = logged(&error, form);
            assert!(line.contains("did not answer: ") && line.contains(cause), "{line}");
        }
    }
}

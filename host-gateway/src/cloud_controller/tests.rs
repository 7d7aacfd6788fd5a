//! A platform to be tested with, and whether its certificate is looked at.

pub(super) mod platform;

use std::error::Error;
use std::sync::Arc;

use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
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

fn chain(error: &dyn Error) -> String {
    let causes = std::iter::successors(Some(error), |error| (**error).source());
    causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
}

#[tokio::test]
async fn p12_a_certificate_that_nobody_vouches_for_is_refused() {
    crate::gateway::install_tls();
    let (own, other) = (issuer("own"), issuer("other"));
    let (url, _server) = tls_server(&own).await;
    for ca in [None, Some(other.pem())] {
        let error = notify(&url, ca.as_deref()).await.unwrap_err();
        assert!(matches!(error, CloudControllerError::Away { .. }), "{error}");
        let text = chain(&error);
        assert!(text.contains("certificate"), "{text}");
    }
    notify(&url, Some(&own.pem())).await.unwrap();
}

//! Files with a version 2 cloud controller, good and bad.

use std::path::Path;

use crate::config::{Api, Config, Grant};

const EXAMPLE: &str = include_str!("../../../testdata/gateway.toml");
const V2: &str = "api = \"v2\"\nuaa = { url = \"http://uaa/\", client_id = \"gw\", \
                  client_secret = \"uaa-secret\" }";
const IMPLICIT: &str = "api = \"v2\"\nuaa = { url = \"http://uaa/\", client_id = \"gw\", \
                        grant = \"implicit\", username = \"services\", password = \"uaa-secret\" }";

fn parse(text: &str) -> Result<Config, String> {
    Config::parse(text, Path::new("gw.toml")).map_err(|error| error.to_string())
}

fn with(api: &str) -> String {
    EXAMPLE.replacen("api = \"v1\"", api, 1)
}

fn check_refused(text: &str, expected: &str) {
    assert_eq!(parse(text).unwrap_err(), expected);
}

#[test]
fn a_client_and_a_user_can_be_configured() {
    let api = |text: &str| parse(&with(text)).unwrap().cloud_controller.unwrap().api;
    let Api::V2(uaa) = api(V2) else { panic!("not version 2") };
    assert_eq!((uaa.url.as_str(), uaa.client_id.as_str()), ("http://uaa", "gw"));
    assert!(matches!(uaa.grant, Grant::ClientCredentials { .. }));
    assert!(!format!("{uaa:?}").contains("uaa-secret"));
    let Api::V2(uaa) = api(IMPLICIT) else { panic!("not version 2") };
    assert!(!format!("{uaa:?}").contains("uaa-secret"));
    let Grant::Implicit { redirect_uri, .. } = uaa.grant else { panic!("not implicit") };
    assert_eq!(redirect_uri, "https://uaa.cloudfoundry.com/redirect/gw");
}

#[test]
fn what_does_not_belong_together_is_named() {
    let v1 = V2.replace("\"v2\"", "\"v1\"");
    check_refused(&with(&v1), "gw.toml:29: cloud_controller.uaa is for api = \"v2\"");
    let no_secret = V2.replace(", client_secret = \"uaa-secret\"", "");
    check_refused(
        &with(&no_secret),
        "gw.toml:29: cloud_controller.uaa.grant needs client_secret beside it",
    );
    let both = IMPLICIT.replace("grant = \"implicit\", ", "client_secret = \"s\", ");
    check_refused(
        &with(&both),
        "gw.toml:29: cloud_controller.uaa.username is for grant = \"implicit\"",
    );
    let both = IMPLICIT.replace("username", "client_secret = \"s\", username");
    check_refused(
        &with(&both),
        "gw.toml:29: cloud_controller.uaa.client_secret is for grant = \"client_credentials\"",
    );
    let no_url = V2.replace("http://uaa/", "uaa");
    check_refused(
        &with(&no_url),
        "gw.toml:29: cloud_controller.uaa.url must begin with http:// or https://, not \"uaa\"",
    );
}

#[test]
fn no_url_holds_a_login_and_none_is_shown() {
    let cc = |url: &str| EXAMPLE.replacen("http://127.0.0.1:9022", url, 1);
    check_refused(
        &cc("https://user:hunter2@cc"),
        "gw.toml:27: cloud_controller.url must not hold a login (user:password@): it asks for the \
         offerings' token, or for that of cloud_controller.uaa",
    );
    let proxy = |lines: &str| with(&format!("api = \"v1\"\n{lines}"));
    let public = EXAMPLE.replacen("http://10.0.0.5:8080", "http://u:hunter2@10.0.0.5?x=/", 1);
    let template = EXAMPLE.replacen("http://dl.vcap.me", "http://u:hunter2@dl.vcap.me", 1);
    let logo = "version = \"10.11\"\nlogo_url = \"http://u:hunter2@x\"";
    for (text, key) in [
        (cc("u:hunter2@cc"), "cloud_controller.url"),
        (cc("https://hunter2@cc/x"), "cloud_controller.url"),
        (with(&V2.replace("uaa/", "u:hunter2@uaa/")), "cloud_controller.uaa.url"),
        (proxy("proxy = \"http://u:hunter2@p:3128\""), "cloud_controller.proxy"),
        (public, "http.public_url"),
        (template, "snapshots.download_url_template"),
        (EXAMPLE.replacen("version = \"10.11\"", logo, 1), "offerings.0.logo_url"),
        (EXAMPLE.replacen("nats://", "nats://u:hunter2@", 1), "nats.url"),
    ] {
        let error = parse(&text).unwrap_err();
        assert!(error.contains(&format!(": {key} must not hold a login")), "{error}");
        assert!(!error.contains("hunter2"), "{error}");
    }
    assert!(parse(&cc("http://cc/a@b?c=@")).is_ok(), "an @ elsewhere is no login");
}

#[test]
fn a_proxy_is_logged_in_to_with_user_and_password() {
    let proxy = |lines: &str| {
        let lines = format!("api = \"v1\"\nproxy = \"http://p:3128\"\n{lines}");
        parse(&with(&lines)).map(|config| config.cloud_controller.unwrap().proxy.unwrap())
    };
    assert!(proxy("").unwrap().login.is_none());
    let both = proxy("proxy_user = \"u\"\nproxy_password = \"hunter2\"").unwrap();
    assert!(!format!("{both:?}").contains("hunter2"));
    let (user, password) = both.login.unwrap();
    assert_eq!((user.as_str(), password.reveal()), ("u", "hunter2"));
    let error = proxy("proxy_user = \"u\"").unwrap_err();
    assert!(error.ends_with("needs cloud_controller.proxy_password beside it"), "{error}");
    let error = proxy("proxy_password = \"u\"").unwrap_err();
    assert!(error.ends_with("needs cloud_controller.proxy_user beside it"), "{error}");
}

#[test]
fn certificates_must_be_there() {
    let text = with("api = \"v1\"\nca_file = \"/nosuch\"");
    check_refused(
        &text,
        "gw.toml:29: cloud_controller.ca_file names /nosuch: No such file or directory (os error 2)",
    );
    let text = with("api = \"v1\"\nca_file = \"/dev/null\"");
    check_refused(
        &text,
        "gw.toml:29: cloud_controller.ca_file names /dev/null, which has no certificate",
    );
}

#[test]
fn a_version_2_cloud_controller_takes_a_label_of_a_provider_once() {
    let files = "label = \"files\"\nversion = \"1.0\"";
    let other_version = |api: &str| {
        with(api).replacen(files, "label = \"mysql\"\nversion = \"5.5\"\nunique_id = \"u\"", 1)
    };
    assert!(parse(&other_version("api = \"v1\"")).is_ok());
    let error = "offerings.1.label must not be the same as in an entry before it";
    check_refused(&other_version(V2), &format!("gw.toml:62: {error}"));
    let same_id = with(V2).replacen(files, &format!("{files}\nunique_id = \"core_mysql\""), 1);
    let error = "offerings.1.unique_id must not be the same as in an entry before it";
    check_refused(&same_id, &format!("gw.toml:64: {error}"));
}

#[test]
fn p14_a_next_token_is_nobodys_else() {
    let next = |token: &str| {
        let both = format!("token = \"mysql-secret\"\nnext_token = \"{token}\"");
        EXAMPLE.replacen("token = \"mysql-secret\"", &both, 1)
    };
    let config = parse(&next("newer")).unwrap();
    let offering = config.offerings.first().unwrap();
    assert!(offering.admits("mysql-secret") && offering.admits("newer"));
    assert!(!offering.admits("") && !offering.admits("files-secret"));
    for (token, error) in [
        ("mysql-secret", "gw.toml:37: offerings.0.next_token must not be the same as"),
        ("files-secret", "gw.toml:65: offerings.1.token must not be the same as"),
        ("", "gw.toml:37: offerings.0.next_token must not be empty"),
    ] {
        let text = parse(&next(token)).unwrap_err();
        assert!(text.starts_with(error), "{text}");
    }
}

//! `[cloud_controller]`: the platform, and how a gateway shows it who it is.

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Deserialize;
use tenon_protocol::Secret;

use super::check::{self, Problem};
use super::defaults;
use super::secret::{self, SecretSource};

/// `[cloud_controller]`.
#[derive(Debug, Clone)]
pub struct CloudControllerConfig {
    /// Its base, without a slash at the end.
    pub url: String,
    /// Which of its interfaces is spoken.
    pub api: Api,
    /// How often offerings are announced to it.
    pub heartbeat_interval: Duration,
    /// Pause between attempts to fetch handles, until the first success.
    pub handle_fetch_interval: Duration,
    /// Certificates, as PEM, that are trusted besides the machine's own.
    pub ca: Option<Vec<u8>>,
    /// Asked instead of the cloud controller and the UAA.
    pub proxy: Option<ProxyConfig>,
}

/// A proxy.
#[derive(Debug, Clone)]
pub struct ProxyConfig {
    /// Where it is.
    pub url: String,
    /// User and password, if it asks for them.
    pub login: Option<(String, Secret)>,
}

/// Interfaces of cloud controllers.
#[derive(Debug, Clone)]
pub enum Api {
    /// `/services/v1/offerings`.
    V1,
    /// `/v2/services`, with tokens of a UAA.
    V2(UaaConfig),
}

/// `[cloud_controller.uaa]`.
#[derive(Debug, Clone)]
pub struct UaaConfig {
    /// Its base, without a slash at the end.
    pub url: String,
    /// As whom a token is asked for.
    pub client_id: String,
    /// How it is asked for.
    pub grant: Grant,
}

/// Ways to get a token.
#[derive(Debug, Clone)]
pub enum Grant {
    /// The gateway is a client of its own, with the scopes that it needs.
    ClientCredentials {
        /// Of the client.
        secret: Secret,
    },
    /// The way of 2013: with a user's password.
    Implicit {
        /// Who.
        username: String,
        /// Whose.
        password: Secret,
        /// Where the UAA sends the token; nothing is there.
        redirect_uri: String,
    },
}

/// As it is written, before secrets are read.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct CloudControllerFile {
    url: String,
    #[serde(default)]
    api: ApiName,
    uaa: Option<UaaFile>,
    #[serde(default = "defaults::heartbeat_interval_seconds")]
    heartbeat_interval_seconds: u64,
    #[serde(default = "defaults::handle_fetch_interval_seconds")]
    handle_fetch_interval_seconds: u64,
    ca_file: Option<PathBuf>,
    proxy: Option<String>,
    proxy_user: Option<String>,
    proxy_password: Option<SecretSource>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "snake_case")]
enum ApiName {
    #[default]
    V1,
    V2,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct UaaFile {
    url: String,
    client_id: String,
    #[serde(default)]
    grant: GrantName,
    client_secret: Option<SecretSource>,
    username: Option<String>,
    password: Option<SecretSource>,
    redirect_uri: Option<String>,
}

#[derive(Deserialize, Default)]
#[serde(rename_all = "snake_case")]
enum GrantName {
    #[default]
    ClientCredentials,
    Implicit,
}

impl CloudControllerFile {
    /// Reads the secrets, and checks.
    ///
    /// # Errors
    ///
    /// [`Problem`] names the key.
    pub(super) fn resolve(self, dir: &Path) -> Result<CloudControllerConfig, Problem> {
        let instead = "it asks for the offerings' token, or for that of cloud_controller.uaa";
        check::http_url("cloud_controller.url", &self.url, instead)?;
        let proxy = self.proxy.map(|url| proxy(url, self.proxy_user, self.proxy_password, dir));
        let key = "cloud_controller.heartbeat_interval_seconds";
        check::range(key, self.heartbeat_interval_seconds, 1..=86_400)?;
        let key = "cloud_controller.handle_fetch_interval_seconds";
        check::range(key, self.handle_fetch_interval_seconds, 1..=3_600)?;
        let api = match (self.api, self.uaa) {
            (ApiName::V1, None) => Api::V1,
            (ApiName::V2, Some(uaa)) => Api::V2(uaa.resolve(dir)?),
            (ApiName::V1, Some(_)) => {
                return Err(Problem::new("cloud_controller.uaa", "is for api = \"v2\""));
            }
            (ApiName::V2, None) => {
                let message = "\"v2\" needs cloud_controller.uaa";
                return Err(Problem::new("cloud_controller.api", message));
            }
        };
        Ok(CloudControllerConfig {
            url: base(&self.url),
            api,
            heartbeat_interval: Duration::from_secs(self.heartbeat_interval_seconds),
            handle_fetch_interval: Duration::from_secs(self.handle_fetch_interval_seconds),
            ca: self.ca_file.map(|path| read_ca(&dir.join(path))).transpose()?,
            proxy: proxy.transpose()?,
        })
    }
}

impl UaaFile {
    fn resolve(self, dir: &Path) -> Result<UaaConfig, Problem> {
        let instead = "client_id and client_secret do, or username and password";
        check::http_url("cloud_controller.uaa.url", &self.url, instead)?;
        let grant = match self.grant {
            GrantName::ClientCredentials => {
                refuse(self.username.as_ref(), "username", "implicit")?;
                refuse(self.password.as_ref(), "password", "implicit")?;
                refuse(self.redirect_uri.as_ref(), "redirect_uri", "implicit")?;
                let secret = needed(self.client_secret, "client_secret")?;
                let secret = secret.read("cloud_controller.uaa.client_secret", dir)?;
                Grant::ClientCredentials { secret }
            }
            GrantName::Implicit => {
                refuse(self.client_secret.as_ref(), "client_secret", "client_credentials")?;
                let password = needed(self.password, "password")?;
                Grant::Implicit {
                    username: needed(self.username, "username")?,
                    password: password.read("cloud_controller.uaa.password", dir)?,
                    redirect_uri: self
                        .redirect_uri
                        .unwrap_or_else(|| defaults::redirect_uri(&self.client_id)),
                }
            }
        };
        Ok(UaaConfig { url: base(&self.url), client_id: self.client_id, grant })
    }
}

fn proxy(
    url: String,
    user: Option<String>,
    password: Option<SecretSource>,
    dir: &Path,
) -> Result<ProxyConfig, Problem> {
    const USER: &str = "cloud_controller.proxy_user";
    const PASSWORD: &str = "cloud_controller.proxy_password";
    let instead = "cloud_controller.proxy_user and proxy_password do";
    check::http_url("cloud_controller.proxy", &url, instead)?;
    let login = match (user, password) {
        (Some(user), Some(password)) => Some((user, password.read(PASSWORD, dir)?)),
        (None, None) => None,
        (Some(_), None) => return Err(Problem::new(USER, format!("needs {PASSWORD} beside it"))),
        (None, Some(_)) => return Err(Problem::new(PASSWORD, format!("needs {USER} beside it"))),
    };
    Ok(ProxyConfig { url, login })
}

fn base(url: &str) -> String {
    url.trim_end_matches('/').to_owned()
}

fn needed<T>(value: Option<T>, name: &str) -> Result<T, Problem> {
    let missing = || Problem::new("cloud_controller.uaa.grant", format!("needs {name} beside it"));
    value.ok_or_else(missing)
}

fn refuse<T>(value: Option<&T>, name: &str, grant: &str) -> Result<(), Problem> {
    if value.is_none() {
        return Ok(());
    }
    let message = format!("is for grant = \"{grant}\"");
    Err(Problem::new(format!("cloud_controller.uaa.{name}"), message))
}

fn read_ca(path: &Path) -> Result<Vec<u8>, Problem> {
    let key = "cloud_controller.ca_file";
    let text = secret::read_file(path)
        .map_err(|source| Problem::new(key, format!("names {}: {source}", path.display())))?;
    if text.contains("-----BEGIN CERTIFICATE-----") {
        Ok(text.into_bytes())
    } else {
        Err(Problem::new(key, format!("names {}, which has no certificate", path.display())))
    }
}

#[cfg(test)]
mod tests;

//! Links to packages and uploads: made here, and known again when a user has one imported. What
//! they lead to lies in the store that nodes share, so nobody has to fetch it.
//!
//! The signature proves whose a link is, not the place it names: gateways have several addresses.

use std::collections::HashMap;

use reqwest::Url;
use tenon_protocol::clock::Millis;
use tenon_protocol::download::Download;
use tenon_protocol::link::{LinkError, LinkKey, Linked};
use tenon_protocol::upload::{Recipient, UploadId};
use tenon_protocol::{InstanceId, Secret, ServiceName, SnapshotId};

/// What a link to a download looks like when the operator does not say.
const PATH: &str = "/serialized/%{service}/%{name}/snapshots/%{snapshot_id}?token=%{token}";

/// Makes links, and knows them again.
pub(crate) struct Links {
    key: LinkKey,
    own_url: String,
    template: String,
}

/// What a URL says that it is a link to.
enum Named {
    Download(Download),
    Upload(Recipient),
}

impl Links {
    /// Links below `own_url`; those to downloads are like `template` if the operator has one.
    pub(crate) fn new(key: LinkKey, own_url: &str, template: Option<String>) -> Self {
        let own_url = own_url.trim_end_matches('/').to_owned();
        let template = template.unwrap_or_else(|| format!("{own_url}{PATH}"));
        Self { key, own_url, template }
    }

    /// A link to `download`, good until `expiry`.
    pub(crate) fn to_download(&self, download: &Download, expiry: Millis) -> Secret {
        let token = download.sign(&self.key, expiry);
        let link = self.template.replace("%{service}", download.service.as_str());
        let link = link.replace("%{name}", download.instance.as_str());
        let link = link.replace("%{snapshot_id}", download.snapshot.as_str());
        Secret::new(link.replace("%{token}", token.reveal()))
    }

    /// A link to upload `id`.
    pub(crate) fn to_upload(&self, recipient: &Recipient, id: &UploadId) -> Secret {
        let Recipient { service, instance } = recipient;
        let token = recipient.sign(&self.key, id);
        let path = format!("serialized/{service}/{instance}/serialized/file");
        Secret::new(format!("{}/{path}?token={}", self.own_url, token.reveal()))
    }

    /// Whether `token` leads to `download` now.
    pub(crate) fn allows(&self, token: &str, download: &Download) -> bool {
        download.check(token, &self.key, Millis::now()).is_ok()
    }

    /// The upload of `recipient` that `token` leads to now.
    pub(crate) fn upload(&self, token: &str, recipient: &Recipient) -> Option<UploadId> {
        recipient.read(token, &self.key, Millis::now()).ok()
    }

    /// What of the store `url` leads to at `now`; `None` when it leads somewhere else.
    ///
    /// # Errors
    ///
    /// [`LinkError`] when it is a link of ours, and opens nothing, or nothing any more.
    pub(crate) fn behind(&self, url: &str, now: Millis) -> Result<Option<Linked>, LinkError> {
        let as_made = by_template(&self.template, url);
        let is_ours = as_made.is_some()
            || url.strip_prefix(&self.own_url).is_some_and(|rest| rest.starts_with('/'));
        let Some((named, token)) = as_made.or_else(|| by_path(url)) else {
            return Ok(None);
        };
        let opened = match named {
            Named::Download(download) => {
                download.check(&token, &self.key, now).map(|()| Linked::Download(download))
            }
            Named::Upload(recipient) => recipient.read(&token, &self.key, now).map(Linked::Upload),
        };
        match opened {
            // Another platform has links of the same form.
            Err(LinkError::Forged) if !is_ours => Ok(None),
            opened => opened.map(Some),
        }
    }
}

/// The download that `url` names, if it was made like `template`, and its token.
fn by_template(template: &str, url: &str) -> Option<(Named, String)> {
    let values = values(template, url)?;
    let value = |name: &str| values.get(name).copied();
    let named = download(value("service")?, value("name")?, value("snapshot_id")?)?;
    Some((named, value("token")?.to_owned()))
}

/// What stands in `text` where `template` has `%{name}`; `None` when the rest differs.
fn values<'a>(template: &'a str, text: &'a str) -> Option<HashMap<&'a str, &'a str>> {
    let mut parts = template.split("%{");
    let mut rest = text.strip_prefix(parts.next()?)?;
    let mut values = HashMap::new();
    for part in parts {
        let (name, literal) = part.split_once('}')?;
        let (value, after) =
            if literal.is_empty() { (rest, "") } else { rest.split_once(literal)? };
        if values.insert(name, value).is_some_and(|before| before != value) {
            return None;
        }
        rest = after;
    }
    rest.is_empty().then_some(values)
}

/// What the path of `url` names, at whatever address a gateway has, and its token.
fn by_path(url: &str) -> Option<(Named, String)> {
    let url = Url::parse(url).ok()?;
    let segments: Vec<&str> = url.path_segments()?.collect();
    let named = match *segments {
        [.., "serialized", service, instance, "snapshots", snapshot] => {
            download(service, instance, snapshot)?
        }
        [.., "serialized", service, instance, "serialized", "file"] => {
            let service = ServiceName::new(service).ok()?;
            Named::Upload(Recipient { service, instance: InstanceId::new(instance).ok()? })
        }
        _ => return None,
    };
    let token = url.query_pairs().find(|(name, _)| name == "token");
    Some((named, token.map(|(_, token)| token.into_owned()).unwrap_or_default()))
}

fn download(service: &str, instance: &str, snapshot: &str) -> Option<Named> {
    Some(Named::Download(Download {
        service: ServiceName::new(service).ok()?,
        instance: InstanceId::new(instance).ok()?,
        snapshot: SnapshotId::new(snapshot).ok()?,
    }))
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tenon_protocol::SealKey;

    use super::*;

    const HOUR: Duration = Duration::from_secs(3_600);

    fn links(seed: u8, template: Option<&str>) -> Links {
        let key = LinkKey::of(&SealKey::from_hex(&format!("{seed:02}").repeat(32)).unwrap());
        Links::new(key, "http://gw:1/", template.map(str::to_owned))
    }

    fn package() -> Download {
        Download {
            service: ServiceName::new("MyaaS").unwrap(),
            instance: InstanceId::new("d1").unwrap(),
            snapshot: SnapshotId::from(7),
        }
    }

    fn recipient() -> Recipient {
        let (service, instance) = (ServiceName::new("mysql"), InstanceId::new("d1"));
        Recipient { service: service.unwrap(), instance: instance.unwrap() }
    }

    fn check_behind(links: &Links, url: &str, expected: &Result<Option<Linked>, LinkError>) {
        assert_eq!(&links.behind(url, Millis::now()), expected, "{url}");
    }

    #[test]
    fn a_link_has_the_form_of_the_original() {
        let link = links(1, None).to_download(&package(), Millis::from_millis(9_000));
        let link = link.reveal();
        assert!(link.starts_with("http://gw:1/serialized/MyaaS/d1/snapshots/7?token=9-"), "{link}");
    }

    #[test]
    fn p33_a_link_of_a_sibling_leads_to_the_store_whatever_its_address() {
        let own = links(1, None);
        let later = Millis::now().after(HOUR);
        let link = own.to_download(&package(), later);
        let link = link.reveal();
        let found = Ok(Some(Linked::Download(package())));
        check_behind(&own, link, &found);
        for place in ["http://sibling:2/", "https://public.example/below/"] {
            check_behind(&own, &link.replace("http://gw:1/", place), &found);
        }
        // Made by a proxy's template, and by a gateway that had none.
        for template in [
            "https://dl.example/%{service}-%{name}/%{snapshot_id}/%{token}.zip",
            "https://dl.example/%{token}/%{snapshot_id}?n=%{name}&s=%{service}",
        ] {
            let proxied = links(1, Some(template));
            let link_there = proxied.to_download(&package(), later);
            check_behind(&proxied, link_there.reveal(), &found);
            check_behind(&proxied, link, &found);
            check_behind(&own, link_there.reveal(), &Ok(None));
        }
        let id = UploadId::until(later);
        let link = own.to_upload(&recipient(), &id);
        let link = link.reveal();
        assert!(
            link.starts_with("http://gw:1/serialized/mysql/d1/serialized/file?token="),
            "{link}"
        );
        check_behind(&own, link, &Ok(Some(Linked::Upload(id.clone()))));
        let other = link.replace("http://gw:1/", "https://public.example/below/");
        check_behind(&own, &other, &Ok(Some(Linked::Upload(id))));
    }

    #[test]
    fn p32_a_link_of_ours_that_is_forged_or_over_is_told_from_one_of_somebody_else() {
        let own = links(1, None);
        let later = Millis::now().after(HOUR);
        let good = [
            own.to_download(&package(), later).reveal().to_owned(),
            own.to_upload(&recipient(), &UploadId::until(later)).reveal().to_owned(),
        ];
        for link in good {
            let changed = [
                link.replace("/d1/", "/d2/"),
                link.replace("token=", "token=1"),
                link.split('?').next().unwrap().to_owned(),
            ];
            for bad in changed {
                check_behind(&own, &bad, &Err(LinkError::Forged));
                // Another platform's links look the same.
                check_behind(&own, &bad.replace("gw:1", "elsewhere"), &Ok(None));
            }
            check_behind(&links(2, None), &link.replace("gw:1", "elsewhere"), &Ok(None));
            let over = own.behind(&link.replace("gw:1", "elsewhere"), later);
            assert_eq!(over, Err(LinkError::Over), "{link}");
        }
        for other in ["http://gw:1/", "http://gw:1/7.zip", "http://gw:10/7.zip", "x", ""] {
            check_behind(&own, other, &Ok(None));
        }
    }
}

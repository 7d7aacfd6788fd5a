//! Everything is given back, and nothing remains.

use futures_util::future::try_join_all;

use super::DemoError;
use super::database::Tenant;
use super::narrator::{Narrator, Told};
use crate::mysql::Login;
use crate::platform::Platform;

/// Unbinds, unprovisions, and looks for remains.
pub(super) async fn leave(
    narrator: &mut Narrator,
    platform: &Platform,
    tenant: Tenant,
    files: Vec<String>,
) -> Result<(), DemoError> {
    let unbind = async {
        let (instance, binding) = (&tenant.instance.service_id, &tenant.binding.service_id);
        tenant.classic.unbind(instance, binding).await?;
        expect_refused(&tenant.application).await?;
        tenant.owner.connect().await?.disconnect().await?;
        Ok(Told::new(()).with("the application is shut out, the owner is not"))
    };
    narrator.step("Unbind the application", unbind).await?;

    let unprovision = async {
        tenant.classic.unprovision(&tenant.instance.service_id).await?;
        expect_refused(&tenant.owner).await?;
        let classic = platform.classic("files")?;
        try_join_all(files.iter().map(|instance| classic.unprovision(instance))).await?;
        Ok(Told::new(()))
    };
    narrator.step("Unprovision every instance", unprovision).await?;
    narrator.step("Nothing remains", look(platform)).await
}

async fn look(platform: &Platform) -> Result<Told<()>, DemoError> {
    let (server, records) = (platform.server(1)?, platform.records().await?);
    let remains = [
        ("databases", server.databases().await?),
        ("accounts", server.accounts().await?),
        ("instance records", records.living_instances().await?),
        ("binding records", records.living_bindings().await?),
    ];
    let mut told = Told::new(());
    for (what, names) in remains {
        if !names.is_empty() {
            return Err(DemoError::NotAsTold(format!("{what} remain: {}", names.join(", "))));
        }
        told.line(format!("0 {what}"));
    }
    Ok(told)
}

async fn expect_refused(login: &Login) -> Result<(), DemoError> {
    match login.connect().await {
        Err(_) => Ok(()),
        Ok(_) => Err(DemoError::NotAsTold(format!("{} still logs in", login.user))),
    }
}

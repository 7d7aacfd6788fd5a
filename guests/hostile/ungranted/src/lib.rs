//! Asks for the capability `files`. A node that grants it nothing has to refuse to load it, and to
//! say why; one that grants `files` serves it.

use tenon_guest::{
    Binding, BindingRef, Call, Credential, Instance, InventoryPage, Offering, Parameters, Result,
    Service,
};

struct Ungranted;

tenon_guest::export!(Ungranted: Service);

impl Service for Ungranted {
    fn describe() -> Offering {
        Offering::new("hostile-ungranted", "Wants directories", env!("CARGO_PKG_VERSION"))
    }

    fn provision(
        cx: &Call<'_>,
        instance: &Instance,
        _parameters: &Parameters,
        _reuse: Option<&Credential>,
    ) -> Result<Credential> {
        let root = cx.files().create(&instance.id, None)?;
        Ok(Credential::new().public("path", root.host_path()))
    }

    fn unprovision(cx: &Call<'_>, instance: &Instance, _bindings: &[Binding]) -> Result<()> {
        Ok(cx.files().destroy(&instance.id)?)
    }

    fn bind(
        _cx: &Call<'_>,
        _binding: &BindingRef,
        _parameters: &Parameters,
        _reuse: Option<&Credential>,
    ) -> Result<Credential> {
        Ok(Credential::new())
    }

    fn unbind(_cx: &Call<'_>, _binding: &Binding) -> Result<()> {
        Ok(())
    }

    fn inventory(_cx: &Call<'_>, _page: Option<&str>) -> Result<InventoryPage> {
        Ok(InventoryPage::default())
    }
}

//! Panics when it is asked what it is: a node has to refuse it, and to go on serving what it has.

use tenon_guest::{
    Binding, BindingRef, Call, Credential, Instance, InventoryPage, Offering, Parameters, Result,
    Service,
};

struct Describe;

tenon_guest::export!(Describe: Service);

impl Service for Describe {
    fn describe() -> Offering {
        panic!("would not say what it is")
    }

    fn provision(
        _cx: &Call<'_>,
        _instance: &Instance,
        _parameters: &Parameters,
        _reuse: Option<&Credential>,
    ) -> Result<Credential> {
        Ok(Credential::new())
    }

    fn unprovision(_cx: &Call<'_>, _instance: &Instance, _bindings: &[Binding]) -> Result<()> {
        Ok(())
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

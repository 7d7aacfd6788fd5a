//! The least that a service can be: it owns nothing and answers at once.
//!
//! Benchmarks measure the platform's own price with it. It uses no capability, so that the
//! component imports the context of the call and the log (for panics), and nothing else.

use tenon_guest::{
    Binding, BindingRef, Call, Credential, Instance, InventoryPage, Offering, Parameters, Result,
    Service,
};

struct Echo;

tenon_guest::export!(Echo: Service);

impl Service for Echo {
    fn describe() -> Offering {
        Offering::new("echo", "Answers what it is sent", env!("CARGO_PKG_VERSION"))
    }

    fn provision(
        cx: &Call<'_>,
        _instance: &Instance,
        _parameters: &Parameters,
        reuse: Option<&Credential>,
    ) -> Result<Credential> {
        Ok(reuse.cloned().unwrap_or_else(|| address(cx)))
    }

    fn unprovision(_cx: &Call<'_>, _instance: &Instance, _bindings: &[Binding]) -> Result<()> {
        Ok(())
    }

    fn bind(
        cx: &Call<'_>,
        _binding: &BindingRef,
        _parameters: &Parameters,
        reuse: Option<&Credential>,
    ) -> Result<Credential> {
        Ok(reuse.cloned().unwrap_or_else(|| address(cx)))
    }

    fn unbind(_cx: &Call<'_>, _binding: &Binding) -> Result<()> {
        Ok(())
    }

    /// Empty: there is nothing that could be left over.
    fn inventory(_cx: &Call<'_>, _page: Option<&str>) -> Result<InventoryPage> {
        Ok(InventoryPage::default())
    }
}

/// The same for everybody, as the original's was; the node adds `name`.
fn address(cx: &Call<'_>) -> Credential {
    let host = cx.setting("host").unwrap_or_else(|| "127.0.0.1".to_owned());
    Credential::new().public("host", host).public("port", 5002)
}

#[cfg(test)]
mod tests {
    use tenon_guest::fake::World;

    use super::*;

    fn instance() -> Instance {
        Instance { id: "e1".to_owned(), plan: "free".to_owned(), version: "1".to_owned() }
    }

    #[test]
    fn provision_answers_with_host_and_port() {
        let world = World::new().with_setting("host", "echo.example");
        let made =
            world.call(|cx| Echo::provision(cx, &instance(), &Parameters::new(), None)).unwrap();
        assert_eq!(made, Credential::new().public("host", "echo.example").public("port", 5002));
    }

    #[test]
    fn a_binding_gets_the_same_as_the_instance() {
        let binding = BindingRef { id: "b1".to_owned(), instance: instance() };
        let bound =
            World::new().call(|cx| Echo::bind(cx, &binding, &Parameters::new(), None)).unwrap();
        assert_eq!(bound.require("host"), Ok("127.0.0.1".to_owned()));
    }

    #[test]
    fn a_credential_from_elsewhere_is_kept() {
        let known = Credential::new().public("host", "old.example").public("port", 7);
        let made = World::new()
            .call(|cx| Echo::provision(cx, &instance(), &Parameters::new(), Some(&known)));
        assert_eq!(made, Ok(known));
    }

    #[test]
    fn there_is_nothing_to_be_found() {
        let found = World::new().call(|cx| Echo::inventory(cx, None));
        assert_eq!(found, Ok(InventoryPage::default()));
    }
}

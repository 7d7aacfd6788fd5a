//! Misbehaves as it is told: `provision` with the parameter `do` is what a node has to survive.
//!
//! | `do` | what happens |
//! |---|---|
//! | `loop` | never returns |
//! | `hog` | allocates until it is refused |
//! | `recurse` | calls itself until the stack ends |
//! | `panic` | panics with `told to panic` |
//! | `huge-result` | answers with a credential of 100 MB |
//! | `log-flood` | logs 100 MB, then answers well |
//! | `state-hog` | writes state until it is refused, then answers with that refusal |
//!
//! Without it, and in every other operation, it is as good as any service.

use std::hint::black_box;

use tenon_guest::{
    Binding, BindingRef, Call, Credential, Error, Instance, InventoryPage, Offering, Parameters,
    Result, Service, log,
};

struct Hostile;

tenon_guest::export!(Hostile: Service);

const MEBIBYTE: usize = 1 << 20;

impl Service for Hostile {
    fn describe() -> Offering {
        Offering::new("hostile", "Misbehaves as it is told", env!("CARGO_PKG_VERSION"))
    }

    fn provision(
        cx: &Call<'_>,
        _instance: &Instance,
        parameters: &Parameters,
        _reuse: Option<&Credential>,
    ) -> Result<Credential> {
        match parameters.get::<String>("do")?.as_deref() {
            Some("loop") => endless(),
            Some("hog") => hog(),
            Some("recurse") => Ok(Credential::new().public("depth", recurse(0))),
            Some("panic") => panic!("told to panic"),
            Some("huge-result") => Ok(Credential::new().public("huge", "x".repeat(100_000_000))),
            Some("log-flood") => Ok(log_flood()),
            Some("state-hog") => state_hog(cx),
            Some(other) => Err(Error::invalid_input(0, format!("cannot do {other:?}"))),
            None => Ok(well_behaved()),
        }
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
        Ok(well_behaved())
    }

    fn unbind(_cx: &Call<'_>, _binding: &Binding) -> Result<()> {
        Ok(())
    }

    fn inventory(_cx: &Call<'_>, _page: Option<&str>) -> Result<InventoryPage> {
        Ok(InventoryPage::default())
    }
}

fn well_behaved() -> Credential {
    Credential::new().public("host", "127.0.0.1")
}

fn endless() -> ! {
    let mut turns: u64 = 0;
    loop {
        turns = black_box(turns.wrapping_add(1));
    }
}

/// The allocator ends the call when it is refused.
fn hog() -> ! {
    let mut hoard = Vec::new();
    loop {
        // Written to, so that it is memory and not only a promise of it.
        hoard.push(black_box(vec![1_u8; MEBIBYTE]));
    }
}

/// Not a loop in disguise: the result of the call within is still needed after it.
#[expect(unconditional_recursion, reason = "that is the deed")]
fn recurse(depth: u64) -> u64 {
    black_box(recurse(black_box(depth + 1))) + 1
}

fn log_flood() -> Credential {
    let line = "flood ".repeat(1024 / 6);
    for _ in 0..100_000 {
        log::info(&line);
    }
    well_behaved()
}

fn state_hog(cx: &Call<'_>) -> Result<Credential> {
    let value = vec![1; 64 << 10];
    for number in 0_u64.. {
        cx.state().put(&format!("hog/{number}"), &value)?;
    }
    Ok(well_behaved())
}

#[cfg(test)]
mod tests {
    use tenon_guest::ErrorKind;
    use tenon_guest::fake::World;

    use super::*;

    fn provision(world: &World, parameters: &Parameters) -> Result<Credential> {
        let id = "h1".to_owned();
        let instance = Instance { id, plan: "free".to_owned(), version: "1".to_owned() };
        world.call(|cx| Hostile::provision(cx, &instance, parameters, None))
    }

    fn told_to(deed: &str) -> Parameters {
        Parameters::new().with("do", deed)
    }

    #[test]
    fn untold_it_behaves_well() {
        assert_eq!(provision(&World::new(), &Parameters::new()), Ok(well_behaved()));
    }

    #[test]
    #[should_panic(expected = "told to panic")]
    fn told_to_panic_it_does() {
        assert_eq!(provision(&World::new(), &told_to("panic")), Ok(well_behaved()));
    }

    #[test]
    fn a_flood_of_log_lines_ends_well() {
        let world = World::new();
        assert_eq!(provision(&world, &told_to("log-flood")), Ok(well_behaved()));
        assert_eq!(world.logged().len(), 100_000);
    }

    #[test]
    fn a_hog_of_state_is_refused() {
        let refused = provision(&World::new(), &told_to("state-hog")).unwrap_err();
        assert_eq!(refused.kind(), ErrorKind::QuotaExceeded);
    }

    #[test]
    fn what_it_cannot_do_is_refused() {
        let refused = provision(&World::new(), &told_to("sleep")).unwrap_err();
        assert_eq!(refused, Error::invalid_input(0, "cannot do \"sleep\""));
    }
}

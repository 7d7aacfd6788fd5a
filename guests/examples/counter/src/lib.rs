//! A whole service in one file, to learn from: counters, and numbered tickets for who waits.
//!
//! An instance is a counter. Each binding draws the next number from it, as at a butcher's. There
//! is no server behind this service: all it knows is in its `state`, a small store that the node
//! keeps for it. A service with a server behind it looks the same, and asks `cx.mysql(..)` or
//! `cx.files()` instead: see `guests/mysql` and `guests/files`.
//!
//! Read this first: **nothing in memory survives a call.** The node makes a fresh sandbox for
//! each one and throws it away. So there are no fields below, no statics and no start-up. And
//! **every call may come twice**, because an answer can get lost on its way; the second time has
//! to end where the first one did.

use tenon_guest::blob::{Sink, Source};
use tenon_guest::{
    Binding, BindingRef, Call, Credential, Error, Facts, FoundBinding, Instance, InventoryPage,
    Offering, Parameters, Result, Service, Snapshots, log,
};

/// The type that the traits are implemented for. It is never made.
struct Counter;

// What the component exports: `Service` always, and of the optional interfaces those that are
// named here. The node finds them by looking; nobody has to tell it.
tenon_guest::export!(Counter: Service + Snapshots);

impl Service for Counter {
    /// What users can order. Which plans there are, and what they cost, is the operator's.
    fn describe() -> Offering {
        Offering::new("counter", "Draw a number", env!("CARGO_PKG_VERSION")).tag("example")
    }

    /// Makes an instance, and says what its owner needs to know to use it.
    fn provision(
        cx: &Call<'_>,
        instance: &Instance,
        parameters: &Parameters,
        _reuse: Option<&Credential>,
    ) -> Result<Credential> {
        // Parameters are what the user typed, so they may be anything. `?` on a wrong type makes
        // an error that names the parameter and is the user's fault.
        let first: u64 = parameters.get("first")?.unwrap_or(1);
        // Only if there is no counter yet: a repeated call must not set it back.
        if next_number(cx, instance)?.is_none() {
            cx.state().create(&counter_key(&instance.id), first.to_string().as_bytes())?;
        }
        Ok(Credential::new().public("first", first))
    }

    /// Removes an instance. Removing what is gone is no error: somebody tries again.
    fn unprovision(cx: &Call<'_>, instance: &Instance, _bindings: &[Binding]) -> Result<()> {
        // The node lists the bindings it knows. What is really there is the better list.
        for user in users(cx, &instance.id)? {
            cx.state().delete(&ticket_key(&instance.id, &user))?;
        }
        Ok(cx.state().delete(&counter_key(&instance.id))?)
    }

    /// Gives an application access: here, a number.
    fn bind(
        cx: &Call<'_>,
        binding: &BindingRef,
        _parameters: &Parameters,
        _reuse: Option<&Credential>,
    ) -> Result<Credential> {
        let key = ticket_key(&binding.instance.id, &binding.id);
        let number = match cx.state().get(&key)? {
            // The same binding again: the same number again.
            Some(entry) => number_in(&entry.value)?,
            None => {
                let number = draw(cx, &binding.instance)?;
                cx.state().put(&key, number.to_string().as_bytes())?;
                number
            }
        };
        // Both writes become durable together with this answer, or neither does: a call that
        // fails, or whose node dies, has written nothing.
        Ok(Credential::new().public("user", binding.id.as_str()).public("number", number))
    }

    /// Takes the access away. The number is not drawn again.
    fn unbind(cx: &Call<'_>, binding: &Binding) -> Result<()> {
        Ok(cx.state().delete(&ticket_key(&binding.instance.id, &binding.id))?)
    }

    /// What really exists. The platform compares it with what it believes, and has the rest
    /// purged.
    fn inventory(cx: &Call<'_>, page: Option<&str>) -> Result<InventoryPage> {
        // A page is one reading of at most 1,000 keys. What `next` holds is ours to choose: it
        // comes back as `page`.
        let keys = cx.state().keys("", page, 1_000)?;
        let next = if keys.len() == 1_000 { keys.last().cloned() } else { None };
        let mut found = InventoryPage { next, ..InventoryPage::default() };
        for key in keys {
            match key.split('/').collect::<Vec<_>>().as_slice() {
                ["counter", instance] => found.instances.push((*instance).to_owned()),
                ["ticket", instance, user] => found.bindings.push(FoundBinding {
                    instance: (*instance).to_owned(),
                    user: (*user).to_owned(),
                }),
                // Shown to whoever reads the node's log, marked with plugin and operation.
                _ => log::warn(format_args!("state has the unknown key {key}")),
            }
        }
        Ok(found)
    }

    /// Removes what nobody owns. A service whose inventory names no bindings can do without this.
    fn purge(cx: &Call<'_>, instances: &[Instance], bindings: &[FoundBinding]) -> Result<u32> {
        let mut purged = 0;
        for found in bindings {
            cx.state().delete(&ticket_key(&found.instance, &found.user))?;
            purged += 1;
        }
        for instance in instances {
            Self::unprovision(cx, instance, &[])?;
            purged += 1;
        }
        Ok(purged)
    }
}

/// Optional: with it, users can take snapshots of an instance and roll back to them.
impl Snapshots for Counter {
    /// The first is what `snapshot` writes. Older ones stay for as long as there may be such
    /// snapshots.
    fn formats() -> Vec<String> {
        vec!["counter/1".to_owned()]
    }

    fn snapshot(cx: &Call<'_>, instance: &Instance, out: &Sink<'_>) -> Result<Facts> {
        let next = next_number(cx, instance)?.ok_or_else(|| no_counter(instance))?;
        out.write(next.to_string().as_bytes())?;
        Ok(Facts::new().with("next", next))
    }

    fn restore(
        cx: &Call<'_>,
        instance: &Instance,
        input: &Source<'_>,
        _format: &str,
    ) -> Result<()> {
        // A snapshot may have been damaged, or made up: read no more than it can be, check it,
        // and only then replace anything.
        let next = number_in(&input.read_all(20)?)?;
        cx.state().put(&counter_key(&instance.id), next.to_string().as_bytes())?;
        Ok(())
    }
}

/// Draws a number. Two calls at once cannot draw the same one: the counter is replaced only if
/// it still has the revision that was read. Otherwise `?` answers with a conflict.
fn draw(cx: &Call<'_>, instance: &Instance) -> Result<u64> {
    let key = counter_key(&instance.id);
    let entry = cx.state().get(&key)?.ok_or_else(|| no_counter(instance))?;
    let number = number_in(&entry.value)?;
    // Numbers that came with a request or a snapshot may be as large as can be.
    let next =
        number.checked_add(1).ok_or_else(|| Error::quota_exceeded(0, "no number is left"))?;
    cx.state().replace(&key, next.to_string().as_bytes(), entry.revision)?;
    Ok(number)
}

/// What would be drawn next; `None` when there is no such counter.
fn next_number(cx: &Call<'_>, instance: &Instance) -> Result<Option<u64>> {
    let entry = cx.state().get(&counter_key(&instance.id))?;
    entry.map(|entry| number_in(&entry.value)).transpose()
}

/// Who has a number of this counter.
fn users(cx: &Call<'_>, instance: &str) -> Result<Vec<String>> {
    let prefix = ticket_key(instance, "");
    let mut users = Vec::new();
    let mut last: Option<String> = None;
    loop {
        let keys = cx.state().keys(&prefix, last.as_deref(), 1_000)?;
        let Some(key) = keys.last() else {
            return Ok(users);
        };
        last = Some(key.clone());
        users.extend(keys.iter().filter_map(|key| key.strip_prefix(&prefix)).map(str::to_owned));
    }
}

fn number_in(bytes: &[u8]) -> Result<u64> {
    let text = str::from_utf8(bytes).unwrap_or_default();
    text.parse().map_err(|cause| Error::corrupt_data(0, format!("not a number: {cause}")))
}

/// An error is a kind, which says whose fault it is; a number, 0 when there is no special one;
/// and a sentence for the user, without any secret.
fn no_counter(instance: &Instance) -> Error {
    Error::not_found(0, format!("there is no counter {}", instance.id))
}

fn counter_key(instance: &str) -> String {
    format!("counter/{instance}")
}

fn ticket_key(instance: &str, user: &str) -> String {
    format!("ticket/{instance}/{user}")
}

// Natively, capabilities are fakes that behave like a node's, so a service's tests need none.
#[cfg(test)]
mod tests;

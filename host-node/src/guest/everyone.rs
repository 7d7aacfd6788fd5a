//! An instance with all who have access to it, as a guest is given it.

use super::wit::{Binding, Credential, InstanceRef};

/// An instance with all who have access to it.
#[derive(Clone)]
pub(crate) struct Everyone {
    pub(crate) instance: InstanceRef,
    pub(crate) owner: Credential,
    pub(crate) bindings: Vec<Binding>,
}

/// Bytes of bindings in one call: what a guest makes of them has to fit into its memory as well.
const PART_BYTES: usize = 4 << 20;

impl Everyone {
    /// The same in parts that a guest can be given, each with the owner; one at least.
    pub(crate) fn in_parts(self) -> Vec<Self> {
        let Self { instance, owner, bindings } = self;
        let (mut parts, mut part, mut used) = (Vec::new(), Vec::new(), 0);
        for binding in bindings {
            let more = size(&binding);
            if used + more > PART_BYTES && !part.is_empty() {
                parts.push(std::mem::take(&mut part));
                used = 0;
            }
            used += more;
            part.push(binding);
        }
        parts.push(part);
        let with_owner =
            |bindings| Self { instance: instance.clone(), owner: owner.clone(), bindings };
        parts.into_iter().map(with_owner).collect()
    }
}

fn size(Binding { binding, credential }: &Binding) -> usize {
    let attrs = credential.public.iter().chain(&credential.secret);
    let attrs: usize = attrs.map(|(key, text)| key.len() + text.len()).sum();
    binding.id.len() + binding.instance.id.len() + attrs
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::guest::wit::BindingRef;

    fn check_parts(options: &[usize], expected: &[usize]) {
        let instance =
            InstanceRef { id: "d1".to_owned(), plan: String::new(), version: String::new() };
        let owner = Credential { public: Vec::new(), secret: Vec::new() };
        let bindings = options.iter().map(|&length| Binding {
            binding: BindingRef { id: "b".to_owned(), instance: instance.clone() },
            credential: Credential {
                public: vec![("options".to_owned(), "x".repeat(length))],
                secret: Vec::new(),
            },
        });
        let bindings = bindings.collect();
        let everyone = Everyone { instance: instance.clone(), owner: owner.clone(), bindings };
        let parts: Vec<_> = everyone.in_parts().iter().map(|part| part.bindings.len()).collect();
        assert_eq!(parts, expected, "{options:?}");
    }

    #[test]
    fn a_guest_is_given_no_more_than_fits() {
        const MIB: usize = 1 << 20;
        check_parts(&[], &[0]);
        check_parts(&[MIB; 3], &[3]);
        check_parts(&[MIB; 7], &[3, 3, 1]);
        check_parts(&[5 * MIB, 1, 5 * MIB], &[1, 1, 1]);
    }
}

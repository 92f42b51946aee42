//! From keys to names: digests under the fleet's secret.

use super::{FenceScope, Name};

/// What all names of one kind of flight have in common: the secret, the namespace, what is behind the layer, and how its keys
/// are made. Those with another of these never meet.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Domain {
    scopes: [u8; 32],
    keys: [u8; 32],
}

impl Domain {
    pub(super) fn new(secret: &[u8; 32], namespace: &str) -> Self {
        let root = blake3::derive_key("tower-singleflight 2026-11 names of a fleet", secret);
        let scopes = digest(&root, &[b"namespace", namespace.as_bytes()]);
        Self { scopes, keys: digest(&scopes, &[b"keys"]) }
    }

    /// Returns the part of it that is behind one layer.
    pub(super) fn named(&self, name: &str) -> Self {
        let scopes = digest(&self.scopes, &[b"name", name.as_bytes()]);
        Self { scopes, keys: digest(&scopes, &[b"keys"]) }
    }

    /// Returns the part of it whose keys are made in one way. Its fences are those of all ways.
    #[cfg(any(test, feature = "http"))]
    pub(crate) fn of_recipe(&self, recipe: &[u8]) -> Self {
        Self { scopes: self.scopes, keys: digest(&self.keys, &[b"recipe", recipe]) }
    }

    /// Returns the scope that one fence ends; no two scopes have the same parts.
    pub(crate) fn scope(&self, parts: &[&[u8]]) -> FenceScope {
        let digest = digest(&self.scopes, parts);
        let mut scope = [0; 16];
        scope.copy_from_slice(&digest[..16]);
        FenceScope::from(scope)
    }

    pub(crate) fn name(&self, scope: FenceScope, key: &[u8]) -> Name {
        let digest = digest(&self.keys, &[b"key", key]);
        let mut name = [0; 32];
        name[..16].copy_from_slice(scope.as_bytes());
        name[16..].copy_from_slice(&digest[..16]);
        Name::from(name)
    }

    /// Returns a digest of what two processes compare without showing it.
    #[cfg(feature = "http")]
    pub(crate) fn compared(&self, parts: &[&[u8]]) -> [u8; 16] {
        let mut compared = [0; 16];
        compared.copy_from_slice(&digest(&self.keys, parts)[..16]);
        compared
    }
}

/// The length stands before each part, so that none can be taken for another.
fn digest(key: &[u8; 32], parts: &[&[u8]]) -> [u8; 32] {
    let mut hasher = blake3::Hasher::new_keyed(key);
    for part in parts {
        hasher.update(&(part.len() as u64).to_le_bytes());
        hasher.update(part);
    }
    *hasher.finalize().as_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_meet_only_if_all_that_they_are_made_of_is_equal() {
        let name = |secret: u8, namespace: &str, name: &str, recipe: &[u8], key: &[u8]| {
            let domain = Domain::new(&[secret; 32], namespace).named(name).of_recipe(recipe);
            domain.name(domain.scope(&[b"/"]), key)
        };
        let one = name(1, "a", "b", b"c", b"d");
        assert_eq!(one, name(1, "a", "b", b"c", b"d"));
        for other in [
            name(2, "a", "b", b"c", b"d"),
            name(1, "b", "b", b"c", b"d"),
            name(1, "a", "c", b"c", b"d"),
            name(1, "a", "b", b"d", b"d"),
            name(1, "a", "b", b"c", b"e"),
            name(1, "ab", "", b"c", b"d"),
        ] {
            assert_ne!(one, other);
        }
    }

    #[test]
    fn a_fence_reaches_all_recipes_of_one_name() {
        let domain = Domain::new(&[1; 32], "a").named("b");
        let (one, other) = (domain.of_recipe(b"c"), domain.of_recipe(b"d"));
        assert_eq!(one.scope(&[b"/"]), other.scope(&[b"/"]));
        assert_ne!(one.scope(&[b"/"]), domain.named("e").scope(&[b"/"]));
        let scope = one.scope(&[b"/"]);
        assert_eq!(one.name(scope, b"k").scope(), scope);
    }
}

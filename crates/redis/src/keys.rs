//! The keys in the store.
//!
//! All keys of one scope have one hash tag, so a cluster keeps them on one node, where one script reaches them all.

use tower_singleflight::fleet::{FenceScope, Name, Token};

/// How the name of an inbox's channel begins; the inbox's number follows.
pub(crate) const CHANNELS: &str = "tsf:i:";

fn of(scope: FenceScope, rest: &str) -> String {
    format!("tsf:{{{scope}}}:{rest}")
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Returns the key of a name's running flights: a hash.
pub(crate) fn flights(name: Name) -> String {
    of(name.scope(), &format!("l:{}", hex(name.key())))
}

/// Returns the key of what became of a flight: pending or landed.
pub(crate) fn result(name: Name, token: Token) -> String {
    of(name.scope(), &format!("r:{}:{token}", hex(name.key())))
}

/// Returns the key that says that a token was closed, and is refused.
pub(crate) fn refusal(name: Name, token: Token) -> String {
    of(name.scope(), &format!("x:{token}"))
}

/// Returns the key of a scope's fence: a value that no other fence has.
pub(crate) fn fence(scope: FenceScope) -> String {
    of(scope, "f")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_belongs_to_one_scope_has_one_hash_tag() {
        let (name, token) = (Name::from([0xab; 32]), Token::from([0xcd; 24]));
        let (scope, token_hex) = ("ab".repeat(16), "cd".repeat(24));
        assert_eq!(flights(name), format!("tsf:{{{scope}}}:l:{scope}"));
        assert_eq!(result(name, token), format!("tsf:{{{scope}}}:r:{scope}:{token_hex}"));
        assert_eq!(refusal(name, token), format!("tsf:{{{scope}}}:x:{token_hex}"));
        assert_eq!(fence(name.scope()), format!("tsf:{{{scope}}}:f"));
    }
}

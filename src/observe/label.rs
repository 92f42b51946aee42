//! What labels may be: they may be made of what clients send, so they are bounded (S26).

/// How many labels are told apart at most.
pub(crate) const MOST: usize = 1_000;

/// How many bytes a label has at most; the rest is cut off.
const LENGTH: usize = 128;

/// Stands for all labels beyond the cap, and for calls without one.
pub(crate) const OTHER: &str = "other";

/// Returns a new label where `known` are known already, or the one that stands for all others if those are enough.
pub(crate) fn capped(label: &str, known: usize) -> &str {
    if known < MOST { label } else { OTHER }
}

/// Returns the beginning of a label, within the cap.
pub(crate) fn cut(label: &str) -> &str {
    cut_at(label, LENGTH)
}

/// Returns the beginning of a text, at most `length` bytes of it.
pub(crate) fn cut_at(text: &str, length: usize) -> &str {
    let end = (0..=length.min(text.len())).rev().find(|&end| text.is_char_boundary(end));
    &text[..end.unwrap_or_default()]
}

#[cfg(test)]
mod tests {
    use super::cut;

    #[test]
    fn a_long_name_is_cut_between_characters() {
        assert_eq!(cut(&"ö".repeat(100)), "ö".repeat(64));
        assert_eq!(cut(&format!("a{}", "ö".repeat(100))), format!("a{}", "ö".repeat(63)));
        assert_eq!(cut("short"), "short");
    }
}

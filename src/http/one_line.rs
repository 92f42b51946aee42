//! Text that others chose, such as the names of routes, on one line.

/// Returns text that cannot make a terminal show what its line does not say: it ends no line, moves no cursor, and turns no
/// direction.
pub(super) fn one_line(text: &str) -> String {
    text.chars().map(|c| if is_unseen(c) { ' ' } else { c }).collect()
}

/// Returns whether a character is a control, ends a line, or decides the direction of what is around it (Unicode's
/// `Bidi_Control`).
fn is_unseen(c: char) -> bool {
    let directs = matches!(c, '\u{61c}' | '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}');
    c.is_control() || directs || matches!(c, '\u{2028}' | '\u{2029}')
}

#[cfg(test)]
mod tests {
    use super::one_line;

    #[test]
    fn what_is_not_seen_is_a_space_and_all_else_stays() {
        assert_eq!(one_line("/a\n\u{1b}[31m\u{9b}b\u{85}\u{7f}"), "/a  [31m b  ");
        assert_eq!(one_line("\u{202e}a\u{2066}b\u{2069}c\u{200f}d\u{61c}\u{2028}\u{2029}"), " a b c d   ");
        assert_eq!(one_line("/é/レポート/שלום/{id}"), "/é/レポート/שלום/{id}");
    }
}

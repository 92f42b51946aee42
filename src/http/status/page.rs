//! The one HTML page: nothing of it is fetched from elsewhere.

/// The page, as it is sent.
pub(super) const HTML: &str = concat!(
    include_str!("page/head.html"),
    "<style>",
    include_str!("page/page.css"),
    "</style>\n",
    include_str!("page/body.html"),
    "<script>",
    include_str!("page/page.js"),
    "</script>\n</body>\n</html>\n",
);

/// Nothing runs but the page's own script, and that speaks to nobody but where the page comes from.
pub(super) const POLICY: &str = concat!(
    "default-src 'none'; base-uri 'none'; connect-src 'self'; form-action 'none'; frame-ancestors 'none'; ",
    "img-src data:; style-src 'sha256-",
    include_str!("page/page.css.sha256"),
    "'; script-src 'sha256-",
    include_str!("page/page.js.sha256"),
    "'",
);

#[cfg(test)]
mod tests {
    use base64::{Engine, prelude::BASE64_STANDARD};
    use sha2::{Digest, Sha256};

    use super::*;

    #[test]
    fn the_policy_allows_just_this_style_and_this_script() {
        let (style, script) = (include_str!("page/page.css"), include_str!("page/page.js"));
        for (file, text) in [("page.css", style), ("page.js", script)] {
            let digest = BASE64_STANDARD.encode(Sha256::digest(text));
            assert!(
                POLICY.contains(&format!("'sha256-{digest}'")),
                "{file}.sha256 must be {digest}, without a line end"
            );
            assert!(!text.contains("</s"), "{file} would end its element");
        }
        assert!(
            !HTML.contains(" style=") && !HTML.contains(" onclick="),
            "the policy allows no attribute to hold code"
        );
    }

    #[test]
    fn nothing_is_fetched_from_elsewhere() {
        for scheme in ["http:", "https:", "src=\"", "@import", "url("] {
            assert!(!HTML.contains(scheme), "{scheme}");
        }
    }
}

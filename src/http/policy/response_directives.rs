//! What the `Cache-Control` of a response says of sharing it (RFC 9111, section 5.2.2).

use std::time::SystemTime;

use super::directives::{Directive, directives, seconds};

/// All lines of one answer, taken together.
#[derive(Clone, Debug, Default)]
pub(super) struct ResponseDirectives {
    /// It says `private`, with or without fields (S8; section 5.2.2.7).
    pub(super) private: bool,
    /// It says `no-store` or `no-cache`, with or without fields (S8; sections 5.2.2.4, 5.2.2.5).
    pub(super) unstored: bool,
    public: bool,
    /// A directive lets an authorized answer be stored (S5; RFC 9111, section 3.5).
    permits: bool,
    /// Once stale, it is for nobody before the origin was asked again (sections 5.2.2.2, 5.2.2.8, 5.2.2.10).
    revalidates: bool,
    /// It has a lifetime, or `public` in place of one (sections 4.2.1, 5.2.2.9).
    pub(super) storable: bool,
    /// In seconds, the least of all lines; what is no number counts as 0 (section 4.2.1).
    max_age: Option<u64>,
    s_maxage: Option<u64>,
    expires: bool,
    /// `Expires` lies ahead of `Date`, or of now.
    expires_later: bool,
    age: u64,
}

impl ResponseDirectives {
    /// Reads one line; `None` if it is not in order.
    pub(super) fn read(&mut self, line: &[u8]) -> Option<()> {
        for directive in directives(line) {
            let directive = directive.ok()?;
            self.private |= directive.is("private");
            self.unstored |= directive.is("no-store") || directive.is("no-cache");
            if directive.is("max-age") {
                self.storable |= lessen(&mut self.max_age, &directive);
            } else if directive.is("s-maxage") {
                let number = lessen(&mut self.s_maxage, &directive);
                self.storable |= number;
                self.permits |= number;
                self.revalidates = true;
            } else if directive.is("public") {
                self.public |= directive.argument.is_none();
                self.storable |= directive.argument.is_none();
                self.permits |= directive.argument.is_none();
            } else if directive.is("must-revalidate") {
                self.permits |= directive.argument.is_none();
                self.revalidates = true;
            } else if directive.is("proxy-revalidate") {
                self.revalidates = true;
            }
        }
        Some(())
    }

    /// Reads a line that is for caches like this one alone (RFC 9213); only what it forbids counts.
    pub(super) fn read_targeted(&mut self, line: &[u8]) -> Option<()> {
        let mut targeted = Self::default();
        targeted.read(line)?;
        self.private |= targeted.private;
        self.unstored |= targeted.unstored;
        Some(())
    }

    /// Reads `Expires` (section 5.3), and the `Date` that it is compared with. What is no date counts as one in the
    /// past, and gives no lifetime.
    pub(super) fn read_expires(&mut self, value: &[u8], date: Option<&[u8]>) {
        let read = |value: &[u8]| httpdate::parse_http_date(std::str::from_utf8(value).ok()?).ok();
        let expires = read(value);
        self.expires = true;
        self.storable |= expires.is_some();
        self.expires_later |= expires > Some(date.and_then(read).unwrap_or_else(SystemTime::now));
    }

    /// Reads `Age` (section 5.1); what is no number is older than anything.
    pub(super) fn read_age(&mut self, value: &[u8]) {
        self.age = self.age.max(seconds(value).unwrap_or(u64::MAX));
    }

    /// S29: returns whether it says that it is for all: by `public`, or by a lifetime above 0.
    pub(super) fn is_meant_for_all(&self) -> bool {
        self.public || self.s_maxage.or(self.max_age).map_or(self.expires_later, |lifetime| lifetime > 0)
    }

    /// S5: returns whether an answer may reach those with other credentials (section 3.5). An answer that is stale from
    /// the start is shared with those who waited (D5), but not here: the directives that let it be shared demand that
    /// the origin is asked again once it is stale.
    pub(super) fn is_for_all(&self) -> bool {
        self.permits && !(self.revalidates && self.is_stale())
    }

    /// Returns whether it may be stale on arrival (sections 4.2, 4.2.1). Dates are not compared.
    fn is_stale(&self) -> bool {
        self.s_maxage.or(self.max_age).map_or(self.expires, |lifetime| lifetime <= self.age)
    }
}

/// Lowers `least` to the argument of a directive; returns whether that is a number.
fn lessen(least: &mut Option<u64>, directive: &Directive<'_>) -> bool {
    let seconds = directive.seconds();
    let found = seconds.unwrap_or(0);
    *least = Some(least.map_or(found, |least| least.min(found)));
    seconds.is_some()
}

//! What a request shows beside its key: by name, with digests in place of values.

use std::{collections::BTreeMap, fmt};

use http::{HeaderName, header, request};

use super::digest::Digester;
use crate::http::key::{Recipe, authority_of, cookies_by_name, is_of_one_call, original_uri};

/// How many inputs of a request are held, and how many that differ between two. What names one call comes last.
const MOST: usize = 64;
const MOST_UNEQUAL: usize = 16;

/// How long a name is at most, in characters: clients choose some of them.
const LONGEST: usize = 64;

/// How many bytes of memory an input takes beside its name, about.
const ENTRY: usize = 48;

/// Something that a request shows, and that its key may lack.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Input(Kind);

#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Field(Box<str>),
    Cookie(Box<str>),
    /// A parameter; without a name, what has none.
    Query(Box<str>),
    Path,
    Authority,
    Version,
    /// Names one call, such as a trace: no two requests agree in it, so that it explains nothing.
    OneCall(Box<str>),
}

impl Input {
    #[cfg(test)]
    pub(super) fn field(name: &str) -> Self {
        Self(field(&HeaderName::from_bytes(name.as_bytes()).unwrap()))
    }

    /// Returns its name: that of a field, `cookie name` for a cookie, `?name` for a query parameter, or `path`, `authority` or
    /// `version`; `query` for what has no name in the query, which may be a value.
    pub fn name(&self) -> String {
        match &self.0 {
            Kind::Field(name) | Kind::OneCall(name) => name.to_string(),
            Kind::Cookie(name) => format!("cookie {name}"),
            Kind::Query(name) if name.is_empty() => "query".to_owned(),
            Kind::Query(name) => format!("?{name}"),
            Kind::Path => "path".to_owned(),
            Kind::Authority => "authority".to_owned(),
            Kind::Version => "version".to_owned(),
        }
    }

    /// Returns which option of the layer keeps requests apart that differ in it.
    pub fn remedy(&self) -> String {
        match &self.0 {
            Kind::Field(name) => match &**name {
                "authorization" | "proxy-authorization" => "per_credential()".to_owned(),
                "cookie" => "key_cookies([..]) or per_credential()".to_owned(),
                name => format!("key_header(\"{name}\")"),
            },
            Kind::Cookie(name) => format!("key_cookies([\"{name}\"]) or per_credential()"),
            Kind::Query(name) if !name.is_empty() => format!("no ignore_query([\"{name}\"])"),
            Kind::Query(_) | Kind::Path | Kind::Authority => "key_fn(..) that has it".to_owned(),
            Kind::OneCall(_) | Kind::Version => "coalesce_if(..)".to_owned(),
        }
    }

    /// Returns the rule by which it is in the key or left out, by its number on
    /// [the page of rules](crate::guide::http_rules).
    pub fn rule(&self) -> &'static str {
        match &self.0 {
            Kind::Field(name) => match &**name {
                "authorization" | "proxy-authorization" => "S5",
                "cookie" => "S6",
                _ => "S27",
            },
            Kind::Cookie(_) => "S6",
            Kind::Query(_) | Kind::Path | Kind::Authority => "S2",
            Kind::OneCall(_) => "S27",
            Kind::Version => "S30",
        }
    }

    fn name_length(&self) -> usize {
        match &self.0 {
            Kind::Field(name) | Kind::Cookie(name) | Kind::Query(name) | Kind::OneCall(name) => name.len(),
            Kind::Path | Kind::Authority | Kind::Version => 0,
        }
    }

    /// Returns whether it names one call, as a trace does: a field of which no two requests have the same.
    pub(super) fn is_of_one_call(&self) -> bool {
        matches!(self.0, Kind::OneCall(_))
    }
}

impl fmt::Display for Input {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.name())
    }
}

/// The inputs of one request.
#[derive(Debug, Default)]
pub(super) struct Inputs {
    digests: BTreeMap<Input, u64>,
}

impl Inputs {
    /// Notes everything in which requests of equal keys may differ; fields that are wholly in the key do not.
    pub(super) fn of(parts: &request::Parts, recipe: &Recipe, digester: &Digester) -> Self {
        let mut inputs = Self::default();
        let headers = &parts.headers;
        let lines = headers.get_all(header::COOKIE).iter().map(http::HeaderValue::as_bytes);
        let cookies = if recipe.covers(&header::COOKIE) { None } else { cookies_by_name(lines) };
        let is_told = |name: &HeaderName| *name == header::HOST || (*name == header::COOKIE && cookies.is_some());
        for name in headers.keys().filter(|name| !recipe.covers(name) && !is_told(name)) {
            let digest = digester.of(headers.get_all(name).iter().map(http::HeaderValue::as_bytes));
            inputs.note(field(name), digest);
        }
        let uri = original_uri(parts).unwrap_or(&parts.uri);
        inputs.note(Kind::Path, digester.of([uri.path().as_bytes()]));
        let host = headers.get(header::HOST).map(http::HeaderValue::as_bytes);
        inputs.note(Kind::Authority, digester.of([authority_of(uri, host).unwrap_or_default()]));
        inputs.note(Kind::Version, digester.of([format!("{:?}", parts.version).as_bytes()]));
        let is_counted = |(name, _): &(&[u8], Vec<&[u8]>)| !recipe.covers_cookie(name);
        // As in a query, what has nothing behind a `=` may be a value.
        let is_named = |values: &[&[u8]]| values.iter().any(|value| value.iter().any(|byte| *byte != b'='));
        let (named, nameless): (Vec<_>, Vec<_>) =
            cookies.into_iter().flatten().filter(is_counted).partition(|(_, values)| is_named(values));
        for (name, values) in named {
            inputs.note(Kind::Cookie(capped(&String::from_utf8_lossy(name))), digester.of(values));
        }
        if !nameless.is_empty() {
            inputs.note(field(&header::COOKIE), digester.of(nameless.iter().map(|(name, _)| *name)));
        }
        let mut query: BTreeMap<&str, Vec<&[u8]>> = BTreeMap::new();
        for parameter in uri.query().unwrap_or_default().split('&').filter(|parameter| !parameter.is_empty()) {
            let (name, value) = parameter.split_once('=').unwrap_or((parameter, ""));
            // Without anything behind a `=` it is a value as much as a name, unless the application has named it.
            let is_named =
                value.bytes().any(|byte| byte != b'=') || recipe.ignored_query.iter().any(|ignored| **ignored == *name);
            let (name, value) = if is_named { (name, value) } else { ("", parameter) };
            query.entry(name).or_default().push(value.as_bytes());
        }
        for (name, values) in query {
            inputs.note(Kind::Query(capped(name)), digester.of(values));
        }
        inputs
    }

    /// Returns how many bytes of memory they take, about.
    pub(super) fn size(&self) -> usize {
        self.digests.keys().map(|input| ENTRY + input.name_length()).sum()
    }

    fn note(&mut self, input: Kind, digest: u64) {
        if self.digests.len() < MOST {
            self.digests.insert(Input(input), digest);
        }
    }

    /// Returns those in which two requests differ: unequal, or there in one of them only.
    pub(super) fn unequal(&self, other: &Self) -> Vec<Input> {
        let differs = |input: &&Input| self.digests.get(*input) != other.digests.get(*input);
        let ours = self.digests.keys().filter(differs);
        let theirs = other.digests.keys().filter(|input| !self.digests.contains_key(*input));
        let mut unequal: Vec<_> = ours.chain(theirs).cloned().collect();
        unequal.sort_unstable();
        unequal.truncate(MOST_UNEQUAL);
        unequal
    }
}

fn field(name: &HeaderName) -> Kind {
    let text = name.as_str();
    if is_of_one_call(text) { Kind::OneCall(capped(text)) } else { Kind::Field(capped(text)) }
}

fn capped(name: &str) -> Box<str> {
    let printable = |letter: &char| !letter.is_control();
    name.chars().filter(printable).take(LONGEST).collect::<String>().into_boxed_str()
}

/// Returns which options of the layer keep requests apart that differ in these inputs. Without inputs, what tells the requests
/// apart does not show in them, and `identity(..)` has to name it (S25).
pub(super) fn remedies<'a>(inputs: impl Iterator<Item = &'a Input>) -> Vec<String> {
    let mut remedies: Vec<_> = inputs.map(Input::remedy).collect();
    if remedies.is_empty() {
        remedies.push("identity(..)".to_owned());
    }
    let always = "coalesce_if(..)".to_owned();
    if !remedies.contains(&always) {
        remedies.push(always);
    }
    remedies
}

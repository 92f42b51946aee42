//! In what two keys differ: by names, and by values only where they are asked for.

use std::collections::{BTreeMap, BTreeSet};

use http::{HeaderName, header};

use super::{
    HttpKey,
    cookies::cookies_by_name,
    decoded::{Decoded, DecodedTarget, Named},
    fields::all_lines,
};

/// A part of a request in which its key differs from that of another one.
///
/// It has names in it, and no values: the names of fields, of cookies, of query parameters and of types.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum Difference {
    /// They are in two groups: one shows the URI it was asked for, as requests inside an axum router do, and the other
    /// does not.
    Group,
    /// The method; `HEAD` has a key of its own (S4).
    Method,
    /// The scheme, or what [`default_scheme`](crate::HttpSingleflightLayer::default_scheme) puts in its place.
    Scheme,
    /// Host and port, byte by byte.
    Authority,
    /// The path as it was asked for.
    Path,
    /// The parameter of the query that has this name, as it was sent.
    Parameter(String),
    /// What has no name in the query, or the order of its parameters.
    Query,
    /// What a router made of the URI.
    Rewritten,
    /// A field.
    Field(HeaderName),
    /// A field that says who asks, `Authorization` or `Proxy-Authorization`.
    Credentials(HeaderName),
    /// The cookie of this name.
    Cookie(String),
    /// The content.
    Content,
    /// A value of this type, which [`identity`](crate::HttpSingleflightLayer::identity) or
    /// [`key_fn`](crate::HttpSingleflightLayer::key_fn) found.
    Identity(&'static str),
    /// How many services of the layer value they have passed before, or whether they had a key there (S2).
    Passed,
    /// A difference between their keys at the last service of the layer value that they passed before (S2).
    Above(Box<Difference>),
    /// A write was answered between the one and the other (S21); or it was answered at one of two places that the key
    /// function takes for the same.
    Fence,
    /// Something that has no name.
    Other,
}

impl HttpKey {
    /// Returns in what the key differs from another one: in nothing if, and only if, they are equal.
    ///
    /// For keys that were made at different times. [`explain`](crate::HttpSingleflightLayer::explain) compares two requests
    /// as they would be taken now, with the rules.
    ///
    /// # Examples
    ///
    /// ```
    /// use http::Request;
    /// use tower_singleflight::{HttpSingleflightLayer, http::Difference};
    ///
    /// let layer = HttpSingleflightLayer::new();
    /// let key = || layer.key(&Request::get("/entries").body(()).unwrap().into_parts().0).unwrap();
    /// let before = key();
    /// layer.get_group().fence(None, "/entries"); // as a write does
    /// assert_eq!(before.differences(&key()), [Difference::Fence]);
    /// ```
    pub fn differences(&self, other: &Self) -> Vec<Difference> {
        let mut found = Vec::new();
        compare(self.parts(), other.parts(), &mut found);
        let (a, b) = (self.identities(), other.identities());
        let differing = (0..a.len().max(b.len())).filter(|at| a.get(*at) != b.get(*at));
        let types = differing.filter_map(|at| a.get(at).or_else(|| b.get(at)));
        types.for_each(|identity| add(Difference::Identity(identity.type_name()), &mut found));
        if found.is_empty() && self != other {
            found.push(Difference::Other);
        }
        found
    }

    /// Returns the fields that do not count and in which the two requests differ: `Vary` may name them (S9).
    pub(in crate::http) fn differing_besides(&self, other: &Self) -> Vec<HeaderName> {
        let by_name = |fields| {
            let mut named = BTreeMap::<_, Vec<_>>::new();
            all_lines(fields).for_each(|(name, line)| named.entry(name).or_default().push(line));
            named
        };
        let (a, b) = (by_name(self.others()), by_name(other.others()));
        differing(&a, &b).filter_map(|name| HeaderName::from_bytes(name).ok()).collect()
    }

    /// Returns what the key has where it differs from another one; nothing if it has nothing there, or nothing that can be
    /// printed.
    pub(in crate::http) fn values(&self, difference: &Difference) -> Vec<Vec<u8>> {
        values(self.parts(), difference)
    }
}

/// The field by which a gRPC call is known.
const CONTENT_TYPE: &[u8] = b"content-type";

/// Adds a difference, unless it was found before.
fn add(difference: Difference, found: &mut Vec<Difference>) {
    if !found.contains(&difference) {
        found.push(difference);
    }
}

/// Adds in what the parts of two keys differ.
fn compare(a: &[u8], b: &[u8], found: &mut Vec<Difference>) {
    if a == b {
        return;
    }
    let before = found.len();
    let (a, b) = (&Decoded::of(a), &Decoded::of(b));
    if a.method != b.method {
        found.push(Difference::Method);
    }
    let same_method = found.len();
    compare_targets(&a.asked, &b.asked, found);
    // What a router makes of two URIs differs where they do.
    if found.len() == same_method && a.rewritten != b.rewritten {
        found.push(Difference::Rewritten);
    }
    found.extend(differing(&a.fields, &b.fields).flat_map(|name| field(name, a, b)));
    if (&a.forwarded, a.gateways) != (&b.forwarded, b.gateways) {
        add(Difference::Field(header::FORWARDED), found);
    }
    for name in differing(&a.cookies, &b.cookies) {
        // It may be there in whole lines too.
        add(Difference::Cookie(text(name)), found);
    }
    if a.content != b.content {
        found.push(Difference::Content);
    }
    if (a.passed, a.above.is_some()) != (b.passed, b.above.is_some()) {
        found.push(Difference::Passed);
    }
    if let (Some(a), Some(b)) = (a.above, b.above) {
        let mut above = Vec::new();
        compare(a, b, &mut above);
        found.extend(above.into_iter().map(|difference| Difference::Above(Box::new(difference))));
    }
    // The fences of two places differ as the places do, and those of a service of gRPC are for its calls alone.
    let same_place = a.method == b.method
        && a.asked == b.asked
        && a.rewritten == b.rewritten
        && a.fields.get(CONTENT_TYPE) == b.fields.get(CONTENT_TYPE);
    if same_place && (a.epoch, &a.places) != (b.epoch, &b.places) {
        found.push(Difference::Fence);
    }
    if found.len() == before {
        found.push(Difference::Other);
    }
}

fn compare_targets(a: &DecodedTarget<'_>, b: &DecodedTarget<'_>, found: &mut Vec<Difference>) {
    let parts = [
        (a.scheme, b.scheme, Difference::Scheme),
        (a.authority, b.authority, Difference::Authority),
        (a.path, b.path, Difference::Path),
    ];
    found.extend(parts.into_iter().filter(|(a, b, _)| a != b).map(|(.., difference)| difference));
    if a.query == b.query {
        return;
    }
    let pairs = [a, b].map(|target| target.query.as_deref().unwrap_or_default());
    let [named_a, named_b] = pairs.map(by_name);
    let names: BTreeSet<_> = differing(&named_a, &named_b).collect();
    found.extend(names.iter().map(|name| Difference::Parameter(text(name))));
    // What is left: the order of the parameters that agree, and whether there is a query at all.
    let [a, b] = pairs.map(|pairs| pairs.iter().filter(|pair| !name_of(pair).is_some_and(|name| names.contains(name))));
    if names.is_empty() || !a.eq(b) {
        found.push(Difference::Query);
    }
}

/// Returns the pairs of a query by their names.
fn by_name<'a>(pairs: &[&'a [u8]]) -> BTreeMap<&'a [u8], Vec<&'a [u8]>> {
    let mut named = BTreeMap::<_, Vec<_>>::new();
    for pair in pairs {
        if let Some(name) = name_of(pair) {
            named.entry(name).or_default().push(*pair);
        }
    }
    named
}

/// Returns the name of a pair. One without anything behind a `=` has none, since it may as well be a value: a token in Base64
/// ends in one or two.
fn name_of(pair: &[u8]) -> Option<&[u8]> {
    let equals = pair.iter().position(|byte| *byte == b'=')?;
    let (name, value) = pair.split_at(equals);
    value.iter().any(|byte| *byte != b'=').then_some(name)
}

/// Returns the names under which the two have different values.
fn differing<'a, V: PartialEq>(a: &BTreeMap<&'a [u8], V>, b: &BTreeMap<&'a [u8], V>) -> impl Iterator<Item = &'a [u8]> {
    let names: BTreeSet<_> = a.keys().chain(b.keys()).copied().filter(|name| a.get(name) != b.get(name)).collect();
    names.into_iter()
}

/// Returns what a field differs in: cookies by their names, if they are all that tells its lines apart.
fn field(name: &[u8], a: &Decoded<'_>, b: &Decoded<'_>) -> Vec<Difference> {
    let Ok(name) = HeaderName::from_bytes(name) else { return vec![Difference::Other] };
    if name == header::AUTHORIZATION || name == header::PROXY_AUTHORIZATION {
        return vec![Difference::Credentials(name)];
    }
    if name == header::COOKIE {
        if let (Some(a), Some(b)) = (cookies(&a.fields), cookies(&b.fields)) {
            let differing: Vec<_> = differing(&a, &b).map(|name| Difference::Cookie(text(name))).collect();
            if !differing.is_empty() {
                return differing;
            }
        }
    }
    vec![Difference::Field(name)]
}

/// Returns the cookies of the lines that count; `None` if they are outside the grammar.
fn cookies<'a>(fields: &Named<'a>) -> Option<BTreeMap<&'a [u8], Vec<&'a [u8]>>> {
    cookies_by_name(fields.get(&header::COOKIE.as_str().as_bytes()).into_iter().flatten().map(|(_, line)| *line))
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn values(parts: &[u8], difference: &Difference) -> Vec<Vec<u8>> {
    let decoded = Decoded::of(parts);
    let one = |value: Option<&[u8]>| value.map(<[u8]>::to_vec).into_iter().collect();
    let of = |named: &Named<'_>, name: &str| -> Vec<_> {
        named.get(name.as_bytes()).into_iter().flatten().map(|(_, value)| value.to_vec()).collect()
    };
    let query = |wanted: Option<&str>| -> Vec<_> {
        let pairs = decoded.asked.query.iter().flatten();
        pairs
            .filter(|pair| wanted.is_none_or(|name| name_of(pair) == Some(name.as_bytes())))
            .map(|pair| pair.to_vec())
            .collect()
    };
    match difference {
        Difference::Method => one(decoded.method),
        Difference::Scheme => one(decoded.asked.scheme),
        Difference::Authority => one(decoded.asked.authority),
        Difference::Path => one(decoded.asked.path),
        Difference::Parameter(name) => query(Some(name)),
        Difference::Query => query(None),
        Difference::Rewritten => one(decoded.rewritten.and_then(|target| target.path)),
        Difference::Field(name) if *name == header::FORWARDED => {
            decoded.forwarded.iter().map(|(_, name, value)| [name, &b"="[..], value].concat()).collect()
        }
        Difference::Field(name) | Difference::Credentials(name) => of(&decoded.fields, name.as_str()),
        Difference::Cookie(name) => {
            let lines = cookies(&decoded.fields).unwrap_or_default();
            let lines = lines.get(name.as_bytes()).into_iter().flatten().map(|value| value.to_vec());
            of(&decoded.cookies, name).into_iter().chain(lines).collect()
        }
        Difference::Content => one(decoded.content),
        Difference::Above(difference) => decoded.above.map(|above| values(above, difference)).unwrap_or_default(),
        Difference::Group | Difference::Identity(_) | Difference::Passed | Difference::Fence | Difference::Other => {
            Vec::new()
        }
    }
}

//! throw-away
#![allow(warnings)]
use http::{HeaderName, HeaderValue, Method, Request, Uri, request::Parts, uri::Scheme};
use std::collections::BTreeMap;
use tower_singleflight::HttpSingleflightLayer;

pub struct R(pub u64);
impl R {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e3779b97f4a7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58476d1ce4e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d049bb133111eb);
        z ^ (z >> 31)
    }
    fn below(&mut self, n: usize) -> usize { (self.next() % n as u64) as usize }
    fn one_in(&mut self, n: usize) -> bool { self.below(n) == 0 }
    fn pick<'a, T>(&mut self, list: &'a [T]) -> &'a T { &list[self.below(list.len())] }
}

const SETTLED: &[&str] = &["host","authorization","proxy-authorization","cookie","cache-control","pragma","range","if-range","if-match","if-none-match","if-modified-since","if-unmodified-since","expect","forwarded"];
const HOP: &[&str] = &["connection","keep-alive","proxy-connection","te","trailer","transfer-encoding","upgrade","http2-settings","content-length","via","cdn-loop","max-forwards","date","priority"];
const CALL: &[&str] = &["traceparent","tracestate","baggage","b3","uber-trace-id","x-ot-span-context","x-cloud-trace-context","x-amzn-trace-id","x-amzn-requestid","x-amz-cf-id","sentry-trace","grpc-trace-bin","grpc-tags-bin","grpc-previous-rpc-attempts","newrelic","elastic-apm-traceparent","l5d-ctx-trace","x-envoy-attempt-count","x-envoy-external-address","x-envoy-decorator-operation","x-request-id","x-correlation-id","x-trace-id","x-client-trace-id","x-request-start","cf-ray","fly-request-id","x-vercel-id","x-azure-ref","grpc-timeout","connect-timeout-ms","x-envoy-upstream-rq-timeout-ms","x-envoy-upstream-rq-per-try-timeout-ms","x-envoy-expected-rq-timeout-ms","request-timeout","x-request-timeout","x-request-deadline","x-forwarded-for","x-real-ip","cf-connecting-ip","true-client-ip","x-client-ip","x-cluster-client-ip","fastly-client-ip","user-agent","sec-ch-ua","sec-ch-ua-mobile","sec-ch-ua-platform","referer"];
const PREF: &[&str] = &["x-b3-", "x-datadog-", "x-instana-"];
const OTHER: &[&str] = &["accept","accept-language","content-language","a-language","zz-language","origin","x-tenant","x-api-key","content-type","dnt","x-forwarded-host","x-forwarded-proto","sec-fetch-mode","x","xx","x-b4","x-b3","x-b3-traceid","x-b3-","x-datadog-x","x-instana","sec-purpose","accept-encoding","x-http-method","x-http_method_override","x_http_method","x-method-override","x-http-methods","http-method","set-cookie","a","bb","ccc","dddd","eeeee","ffffff","ggggggg","hhhhhhhh","xhhhhhhhh","yhhhhhhhh","xyhhhhhhhh","sec-ch-ua-model","idempotency-key","traceparent2","x-request-idx"];

#[derive(Clone, Default, Debug)]
pub struct Conf {
    per_credential: bool,
    key_headers: Vec<String>,
    ignore: Vec<String>,
    ignore_query: Vec<String>,
    cookies: Option<Cook>,
    key_cookies: Vec<String>,
    validators: bool,
    https: bool,
    max: Option<usize>,
    methods: Vec<String>,
    share_authorized: bool,
    identity: bool,
}
#[derive(Clone, Debug)]
enum Cook { Named(Vec<String>), All }

fn conf(r: &mut R) -> Conf {
    let mut c = Conf::default();
    if r.one_in(2) { return c; }
    c.per_credential = r.one_in(6);
    if r.one_in(4) { for _ in 0..1 + r.below(3) { c.key_headers.push(any_name(r)); } }
    if r.one_in(4) { for _ in 0..1 + r.below(3) { let n = if r.one_in(3) { r.pick(&["x-*","x-b*","accept*","*","sec-*","c*","content-*"]).to_string() } else { any_name(r) }; if n != "*" { c.ignore.push(n); } } }
    if r.one_in(3) { c.ignore_query = r.pick(&[&["utm"][..], &["a", "utm"], &[""], &["b%61"], &["utm", "", "a"]]).iter().map(|s| s.to_string()).collect(); }
    if r.one_in(4) { c.cookies = Some(if r.one_in(2) { Cook::All } else { Cook::Named(vec!["_ga".into(), "b".into()]) }); }
    if !c.per_credential && c.cookies.is_none() && r.one_in(4) { c.key_cookies = vec!["sid".into(), "a".into()]; }
    c.validators = r.one_in(6);
    c.https = r.one_in(6);
    if r.one_in(8) { c.max = Some(*r.pick(&[0, 10, 60, 128, 200, 700])); }
    if r.one_in(5) { c.methods = r.pick(&[&["POST"][..], &["QUERY", "OPTIONS"], &["CONNECT", "FOO"]]).iter().map(|s| s.to_string()).collect(); }
    if !c.per_credential { c.share_authorized = r.one_in(6); }
    c.identity = r.one_in(8);
    c
}

fn layer(c: &Conf) -> HttpSingleflightLayer {
    let mut l = HttpSingleflightLayer::new();
    if c.per_credential { l = l.per_credential(); }
    for n in &c.key_headers { l = l.key_header(HeaderName::from_bytes(n.as_bytes()).unwrap()); }
    l = l.ignore_headers(&c.ignore);
    l = l.ignore_query(c.ignore_query.clone());
    if !c.key_cookies.is_empty() { l = l.key_cookies(&c.key_cookies); }
    match &c.cookies { Some(Cook::All) => l = l.ignore_cookies(), Some(Cook::Named(n)) => l = l.ignore_cookies_named(n), None => {} }
    if c.validators { l = l.key_validators(); }
    if c.https { l = l.default_scheme(Scheme::HTTPS); }
    if let Some(m) = c.max { l = l.max_key_bytes(m); }
    l = l.methods(c.methods.iter().map(|m| Method::from_bytes(m.as_bytes()).unwrap()));
    if c.share_authorized { l = l.share_authorized(); }
    if c.identity { l = l.identity(|p: &Parts| p.extensions.get::<u8>().copied()); }
    l
}

fn any_name(r: &mut R) -> String {
    let list = *r.pick(&[SETTLED, HOP, CALL, OTHER, OTHER]);
    r.pick(list).to_string()
}

fn any_value(r: &mut R, name: &str) -> Vec<u8> {
    if r.one_in(2) {
        let special: &[&[u8]] = match name {
            "host" => &[b"h", b"h", b"H", b"h:80", b"g", b"u@h", b"h/", b"", b"[::1]", b"h:", b"[::1]:8", b"h;"],
            "cookie" => &[b"a=1", b"a=1; b=2", b"b=2", b"sid=1; a=2", b"_ga=1", b"a=\"x\"", b"a=\"", b"bad", b"", b"a=1;;b=2", b"A=1"],
            "cache-control" => &[b"no-cache", b"max-age=0", b"max-age=5", b"max-age=\"0\"", b"no-store", b"No-Transform", b"no-transform", b"x=\"a, no-cache, b\"", b"x=\"a, b\"", b"x=\"a,b\"", b"x=\"a,,b\"", b"", b",", b"max-age", b"only-if-cached", b"x=\"", b"max-stale", b"max-stale=1, min-fresh=2", b"max-age=00", b"max-age=-1"],
            "pragma" => &[b"no-cache", b"x", b"x=\"a, b\"", b"x=\"a,no-cache,b\"", b"", b"NO-CACHE", b"x=\"a,,b\""],
            "connection" => &[b"close", b"keep-alive", b"Keep-Alive, TE", b"upgrade", b"x-foo", b"upgrade, http2-settings", b"", b","],
            "upgrade" => &[b"h2c", b"H2C, h2c", b"websocket", b"", b"h2c, websocket"],
            "transfer-encoding" => &[b"chunked", b""],
            "content-length" => &[b"0", b"1", b"00", b"", b"0"],
            "forwarded" => &[b"for=a", b"for=b", b"for=a;host=h", b"host=h;for=a", b"host=h", b"host=g", b"FOR=b; Host=h", b"for=\"<x>\"", b"for=a, host=h", b"for=b;by=c,for=d;proto=http", b"for=a,", b"", b";;", b"for", b"host=\"h\"", b"for=\"[::1]:80\""],
            "baggage" => &[b"sentry-a=1", b"sentry-b=2, a=1", b"a=1", b"a=1,b=2", b"b=2, a=1", b"sentry-a=<", b"", b"a=\xff", b"sentry-a=\xff"],
            "sec-ch-ua" => &[b"\"Chrome\";v=\"1\"", b"\"Edge\"", b"<"],
            _ => &[],
        };
        if !special.is_empty() { return r.pick(special).to_vec(); }
    }
    let pool: &[&[u8]] = &[b"", b"a", b"a", b"b", b"A", b"a, b", b"a,b", b"a b", b"\"q\"", b"<x>", b"\xff", b"\xc3\xa9", b"`", b"~", b"{", b"^", b"|", b"a\tb", b"\\"];
    if r.one_in(30) { return vec![b'x'; *r.pick(&[126, 127, 128, 129, 200, 640, 700, 5000, 9000])]; }
    if r.one_in(40) { let mut v = vec![b'x'; 10 + r.below(40)]; let at = r.below(v.len()); v[at] = *r.pick(b"<\"`{~\t^"); return v; }
    r.pick(pool).to_vec()
}

fn any_uri(r: &mut R) -> Uri {
    let list = ["/x","/x","/x","/x?","/x?a=1","/x?a=1&utm=2","/x?utm=2","/x?utm=2&a=1","/X","/x/","http://h/x","https://h/x","http://h:80/x","http://H/x","*","h:80","/","//x","/x?utm=1;a=2","http://u@h/x","/x?&","/x?a=1&&utm=3","/x?b%61=1","/x?=1","http://[::1]/x","http://h","/x?utm","ftp://h/x","/%78"];
    r.pick(&list).parse().unwrap()
}

#[derive(Clone, Debug)]
pub struct Q { method: String, uri: Uri, original: Option<Uri>, lines: Vec<(String, Vec<u8>)>, id: Option<u8> }

fn question(r: &mut R) -> Q {
    let method = if r.one_in(4) { r.pick(&["HEAD","POST","QUERY","OPTIONS","CONNECT","FOO","get"]) } else { &"GET" }.to_string();
    let uri = any_uri(r);
    let original = r.one_in(3).then(|| any_uri(r));
    let n = if r.one_in(10) { r.below(40) } else { r.below(6) };
    let mut lines = Vec::new();
    if r.one_in(2) { lines.push(("host".into(), b"h".to_vec())); }
    for _ in 0..n { let name = any_name(r); let v = any_value(r, &name); lines.push((name, v)); }
    Q { method, uri, original, lines, id: (!r.one_in(4)).then(|| r.below(2) as u8) }
}

fn mutate(q: &Q, r: &mut R) -> Q {
    let mut q = q.clone();
    for _ in 0..r.below(3) {
        match r.below(9) {
            0 => { if !q.lines.is_empty() { let at = r.below(q.lines.len()); q.lines.remove(at); } }
            1 => { if !q.lines.is_empty() { let at = r.below(q.lines.len()); let n = q.lines[at].0.clone(); q.lines[at].1 = any_value(r, &n); } }
            2 => { let name = any_name(r); let v = any_value(r, &name); q.lines.push((name, v)); }
            3 => { let at = r.below(q.lines.len() + 1); if !q.lines.is_empty() { let k = at.min(q.lines.len()); q.lines.rotate_left(k); } }
            4 => { if !q.lines.is_empty() { let at = r.below(q.lines.len()); let l = q.lines[at].clone(); q.lines.push(l); } }
            5 => q.uri = any_uri(r),
            6 => q.original = r.one_in(3).then(|| any_uri(r)),
            7 => { let n = any_name(r); let old = q.lines.len(); q.lines.retain(|(x, _)| *x != n); let _ = old; }
            _ => q.id = Some(r.below(2) as u8),
        }
    }
    q
}

fn parts(q: &Q) -> Parts {
    let (mut p, ()) = Request::new(()).into_parts();
    p.method = Method::from_bytes(q.method.as_bytes()).unwrap();
    p.uri = q.uri.clone();
    for (n, v) in &q.lines {
        p.headers.append(HeaderName::from_bytes(n.as_bytes()).unwrap(), HeaderValue::from_bytes(v).unwrap());
    }
    if let Some(o) = &q.original { p.extensions.insert(axum::extract::OriginalUri(o.clone())); }
    if let Some(id) = q.id { p.extensions.insert(id); }
    p
}

// ---- the oracle: an independent reading of docs/http-rules.md
type Canon = Vec<String>;

fn plain(name: &str, v: &[u8]) -> bool {
    v.iter().all(|b| b.is_ascii_alphanumeric() || b" -._~:/?#[]@!$&'()*+,;=%".contains(b) || (*b == b'"' && name.starts_with("sec-ch-ua")))
}

fn ignored(c: &Conf, n: &str) -> bool {
    c.ignore.iter().any(|i| i.strip_suffix('*').map_or(i == n, |p| n.starts_with(p)))
}

fn split_list(v: &[u8]) -> Option<Vec<(String, Option<Vec<u8>>)>> {
    // strict directive list
    let mut out = Vec::new();
    let mut at = 0;
    let tok = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
    loop {
        while at < v.len() && (v[at].is_ascii_whitespace() || v[at] == b',') { at += 1; }
        if at == v.len() { return Some(out); }
        let s = at;
        while at < v.len() && tok(v[at]) { at += 1; }
        if s == at { return None; }
        let name = String::from_utf8_lossy(&v[s..at]).to_lowercase();
        let mut arg = None;
        if v.get(at) == Some(&b'=') {
            at += 1;
            let s = at;
            if v.get(at) == Some(&b'"') {
                at += 1;
                loop { match v.get(at)? { b'"' => { at += 1; break; } b'\\' => at += 2, b if *b < 0x7f => at += 1, _ => return None } }
            } else { while at < v.len() && tok(v[at]) { at += 1; } if s == at { return None; } }
            arg = Some(v[s..at].to_vec());
        }
        out.push((name, arg));
        while at < v.len() && v[at].is_ascii_whitespace() { at += 1; }
        if at < v.len() && v[at] != b',' { return None; }
    }
}

fn canon(q: &Q, c: &Conf) -> Option<Canon> {
    let mut out: Canon = Vec::new();
    let get = |n: &str| q.lines.iter().filter(|(x, _)| x == n).map(|(_, v)| v.clone()).collect::<Vec<_>>();
    if q.method == "CONNECT" { return None; }
    if !(q.method == "GET" || q.method == "HEAD" || c.methods.contains(&q.method)) { return None; }
    out.push(format!("method {}", q.method));
    if c.identity { out.push(format!("id {}", q.id?)); }
    // target
    let hosts = get("host");
    if hosts.len() > 1 { return None; }
    let original = q.original.as_ref().filter(|o| **o != q.uri);
    let auth = |u: &Uri| u.authority().map(|a| a.as_str().as_bytes().to_vec());
    let of_uri = auth(&q.uri).or_else(|| original.and_then(auth));
    if let (Some(a), Some(h)) = (&of_uri, hosts.first()) { if !a.eq_ignore_ascii_case(h) { return None; } }
    let authority = of_uri.or(hosts.first().cloned());
    if let Some(a) = &authority {
        let ok = |a: &[u8]| -> bool {
            let s = match std::str::from_utf8(a) { Ok(s) => s, Err(_) => return false };
            let (h, p) = if s.starts_with('[') { match s.find(']') { Some(e) => (&s[..=e], &s[e + 1..]), None => return false } } else { match s.find(':') { Some(e) => (&s[..e], &s[e..]), None => (s, "") } };
            if h.is_empty() { return false; }
            if h.starts_with('[') { if !h[1..h.len()-1].bytes().all(|b| b.is_ascii_hexdigit() || b == b':' || b == b'.') || h.len() < 3 { return false; } }
            else if !h.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._~%".contains(&b)) { return false; }
            p.is_empty() || (p.starts_with(':') && p.len() > 1 && p[1..].bytes().all(|b| b.is_ascii_digit()))
        };
        if !ok(a) { return None; }
    }
    let default = if c.https { "https" } else { "http" };
    let query = |u: &Uri| u.query().and_then(|query| {
        if c.ignore_query.is_empty() { return Some(vec![query.to_string()]); }
        let left: Vec<String> = query.split('&').filter(|p| { let n = p.split('=').next().unwrap(); p.contains(';') || !c.ignore_query.iter().any(|i| i == n) }).map(String::from).collect();
        (!left.is_empty()).then_some(left)
    });
    out.push(format!("uri {} {:?} {} {:?}", q.uri.scheme_str().unwrap_or(default), authority, q.uri.path(), query(&q.uri)));
    if let Some(o) = original { out.push(format!("original {} {:?} {} {:?}", o.scheme_str().unwrap_or(default), auth(o).or(hosts.first().cloned()), o.path(), query(o))); }
    // rules on fields
    if !c.per_credential && !c.share_authorized && !get("authorization").is_empty() { return None; }
    if !c.per_credential && !get("proxy-authorization").is_empty() { return None; }
    for n in ["range", "if-range", "if-match", "if-unmodified-since", "expect"] { if !get(n).is_empty() { return None; } }
    if !c.validators { for n in ["if-none-match", "if-modified-since"] { if !get(n).is_empty() { return None; } } }
    if !get("transfer-encoding").is_empty() { return None; }
    if get("content-length").iter().any(|v| v != b"0") { return None; }
    for (n, _) in &q.lines { let m = n.replace('_', "-"); if n.starts_with('x') && ["x-http-method-override", "x-method-override", "x-http-method"].contains(&m.as_str()) { return None; } }
    // connection
    let els = |n: &str| get(n).iter().map(|l| l.split(|b| *b == b',').map(|e| String::from_utf8_lossy(e.trim_ascii()).to_lowercase()).filter(|e| !e.is_empty()).collect::<Vec<_>>()).collect::<Vec<_>>();
    let ups = els("upgrade");
    if ups.iter().any(|l| l.is_empty() || l.iter().any(|e| e != "h2c")) { return None; }
    let h2c = !ups.is_empty();
    for e in els("connection").concat() { if !["close", "keep-alive", "te", "upgrade"].contains(&e.as_str()) && !(e == "http2-settings" && h2c) { return None; } }
    // cookies
    let cookies = get("cookie");
    let mut pairs = Vec::new(); let mut bad = false;
    for l in &cookies { for p in l.split(|b| *b == b';').map(|p| p.trim_ascii()).filter(|p| !p.is_empty()) {
        match p.iter().position(|b| *b == b'=') { Some(e) => { let (n, v) = (p[..e].to_vec(), p[e+1..].to_vec());
            let inner = v.strip_prefix(b"\"").and_then(|v| v.strip_suffix(b"\"")).unwrap_or(&v);
            if n.is_empty() || !n.iter().all(|b| b.is_ascii_graphic() && !b"()<>@,;:\\\"/[]?={}".contains(b)) || !inner.iter().all(|b| b.is_ascii_graphic() && !b"\",;\\".contains(b)) { bad = true } else { pairs.push((n, v)) } }, None => bad = true } } }
    if !cookies.is_empty() {
        match &c.cookies {
            Some(Cook::All) => {}
            Some(Cook::Named(names)) => { if bad || pairs.iter().any(|(n, _)| !names.iter().any(|k| k.as_bytes() == n)) { return None; } }
            None if c.per_credential || !c.key_cookies.is_empty() => {}
            None => return None,
        }
    }
    if !c.key_cookies.is_empty() {
        if bad { return None; }
        for k in &c.key_cookies { let v: Vec<_> = pairs.iter().filter(|(n, _)| n == k.as_bytes()).map(|(_, v)| v.clone()).collect(); out.push(format!("cookie {k} {v:?}")); }
    }
    // cache-control
    let mut cc = Vec::new();
    for l in get("cache-control") { cc.extend(split_list(&l)?.into_iter().map(|d| d)); if split_list(&l)?.iter().any(|(n, _)| n == "no-store" || n == "only-if-cached") { return None; } }
    let keyed = |n: &str| c.key_headers.iter().any(|k| k == n) || (c.per_credential && ["authorization", "proxy-authorization", "cookie"].contains(&n)) || (c.validators && ["if-none-match", "if-modified-since"].contains(&n));
    for n in ["cache-control", "pragma"] {
        if ignored(c, n) && !keyed(n) { continue; }
        // the directives as they stand, case counts
        let mut left = Vec::new();
        for l in get(n) {
            // quote-aware split
            let mut cur = Vec::new(); let mut inq = false; let mut esc = false; let mut pieces = Vec::new();
            for b in &l { if esc { esc = false; cur.push(*b); continue; } match b { b'\\' if inq => { esc = true; cur.push(*b) } b'"' => { inq = !inq; cur.push(*b) } b',' if !inq => { pieces.push(std::mem::take(&mut cur)); } b => cur.push(*b) } }
            pieces.push(cur);
            for p in pieces { let p = p.trim_ascii().to_vec(); if p.is_empty() { continue; } let s = String::from_utf8_lossy(&p).to_lowercase(); let (name, arg) = s.split_once('=').map_or((s.as_str(), None), |(a, b)| (a, Some(b)));
                let settled = ["no-cache", "no-store", "only-if-cached"].contains(&name) || (name == "max-age" && !arg.is_some_and(|a| a.bytes().any(|b| (b'1'..=b'9').contains(&b))));
                if !settled { left.push(p); } }
        }
        out.push(format!("{n} {left:?}"));
    }
    // forwarded
    let fw = get("forwarded");
    if !fw.is_empty() && true {
        let mut hops = 0; let mut found = Vec::new();
        for l in &fw {
            hops += 1;
            let mut rest: &[u8] = l;
            loop {
                rest = rest.trim_ascii_start();
                if rest.is_empty() { break; }
                let pl = |b: &u8| b.is_ascii_graphic() && !b"\"\\;,=".contains(b);
                let e = rest.iter().position(|b| !pl(b))?;
                let name = String::from_utf8_lossy(&rest[..e]).to_lowercase();
                if rest[e] != b'=' { return None; }
                rest = &rest[e + 1..];
                let value; 
                if rest.first() == Some(&b'"') { let e = rest[1..].iter().position(|b| *b == b'"')?; value = &rest[1..1 + e]; rest = &rest[e + 2..]; }
                else { let e = rest.iter().position(|b| !pl(b)).unwrap_or(rest.len()); value = &rest[..e]; rest = &rest[e..]; }
                if !value.iter().all(pl) { return None; }
                rest = rest.trim_ascii_start();
                if let Some(b) = rest.first() { if !b";,".contains(b) { return None; } }
                if !["for", "by"].contains(&name.as_str()) || !plain("", value) { found.push((name, hops, value.to_vec())); }
                if rest.first() == Some(&b',') { hops += 1; }
                rest = rest.get(1..).unwrap_or_default();
            }
        }
        if !found.is_empty() { out.push(format!("forwarded {found:?} {hops}")); }
    }
    // baggage
    let mut bg = Vec::new();
    for l in get("baggage") { for m in l.split(|b| *b == b',').map(|m| m.trim_ascii()).filter(|m| !m.is_empty()) { if !m.starts_with(b"sentry-") || !plain("", m) { if !m.is_ascii() { return None; } bg.push(m.to_vec()); } } }
    if !bg.is_empty() { out.push(format!("baggage {bg:?}")); }
    // all other
    let mut fields: BTreeMap<String, Vec<Vec<u8>>> = BTreeMap::new();
    for (n, v) in &q.lines {
        let settled = SETTLED.contains(&n.as_str()) || n == "baggage";
        let listed = settled || HOP.contains(&n.as_str()) || CALL.contains(&n.as_str()) || PREF.iter().any(|p| n.starts_with(p));
        let counts = if keyed(n) { true } else if settled { false } else if listed || ignored(c, n) { !plain(n, v) } else { true };
        if counts { if !v.is_ascii() { return None; } fields.entry(n.clone()).or_default().push(v.clone()); }
    }
    out.push(format!("{fields:?}"));
    Some(out)
}

#[test]
fn keys() {
    let seed0: u64 = std::env::var("SEED").ok().and_then(|s| s.parse().ok()).unwrap_or(1);
    let n: u64 = std::env::var("N").ok().and_then(|s| s.parse().ok()).unwrap_or(100_000);
    let mut faults = 0; let mut both = 0; let mut eq = 0;
    for seed in seed0..seed0 + n {
        let mut r = R(seed.wrapping_mul(0x1234567));
        let c = conf(&mut r);
        let l = layer(&c);
        let a = question(&mut r);
        let b = mutate(&a, &mut r);
        let (ka, kb) = (l.key(&parts(&a)), l.key(&parts(&b)));
        let (ca, cb) = (canon(&a, &c), canon(&b, &c));
        let capped = c.max.is_some() || a.lines.iter().chain(&b.lines).map(|l| l.1.len()).sum::<usize>() > 3000;
        let mut bad = String::new();
        if !capped {
            if ka.is_some() != ca.is_some() { bad += "a alone? "; }
            if kb.is_some() != cb.is_some() { bad += "b alone? "; }
        } else {
            if ka.is_some() && ca.is_none() { bad += "a should be alone "; }
        }
        if let (Some(ka), Some(kb)) = (&ka, &kb) {
            both += 1;
            if (ka == kb) { eq += 1; }
            if let (Some(ca), Some(cb)) = (&ca, &cb) { if (ka == kb) != (ca == cb) { bad += &format!("equal: key {} canon {}", ka == kb, ca == cb); } }
            // explain agrees
        }
        if !bad.is_empty() {
            faults += 1;
            if faults < 12 { println!("seed {seed}: {bad}\n  conf {c:?}\n  a {a:?}\n  b {b:?}\n  ca {ca:?}\n  cb {cb:?}"); }
        }
    }
    println!("both keyed {both}, equal {eq}, faults {faults}");
    assert_eq!(faults, 0);
}

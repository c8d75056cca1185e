//! Which requests come from where they should: from the page itself, or from a program.
//!
//! A page of another site can have a browser send requests here. Two headers tell: `Host` is the
//! name that the browser was told, which is a foreign one where a foreign name was made to point
//! here; `Origin` is the page that asks, and must be this server. Names that are no addresses are
//! known only if `http-hosts` has them.

use hyper::HeaderMap;
use hyper::header::{HOST, HeaderName, ORIGIN};
use std::net::IpAddr;

/// Sent by browsers with each request: who asks for it.
const SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// Checks where a request comes from. A page may be opened from anywhere (`is_page`); what it
/// shows is asked for by the page alone.
///
/// # Errors
/// Why it is refused.
pub fn check(headers: &HeaderMap, known: &[String], is_page: bool) -> Result<(), &'static str> {
    let mut hosts = headers.get_all(HOST).iter();
    let host = hosts.next().and_then(|host| host.to_str().ok()).ok_or("No Host was named")?;
    if hosts.next().is_some() || !is_known(host, known) {
        return Err("This server does not go by that name: add it to http-hosts");
    }
    let mut origins = headers.get_all(ORIGIN).iter();
    if let Some(origin) = origins.next() {
        let origin = origin.to_str().unwrap_or_default();
        let place = origin.strip_prefix("http://").or_else(|| origin.strip_prefix("https://"));
        if place != Some(host) || origins.next().is_some() {
            return Err("Another page asks");
        }
    }
    let site = headers.get(SITE).map(|site| site.as_bytes());
    match site {
        Some(b"same-origin" | b"none") | None => Ok(()),
        Some(_) if is_page => Ok(()),
        Some(_) => Err("Another page asks"),
    }
}

/// Whether a `Host` is an address, this machine or a name that is known.
fn is_known(host: &str, known: &[String]) -> bool {
    let (name, port) = match host.strip_prefix('[') {
        Some(rest) => match rest.split_once(']') {
            Some((name, port)) => (name, port),
            None => return false,
        },
        None => host.split_at(host.find(':').unwrap_or(host.len())),
    };
    let port = port.strip_prefix(':').unwrap_or(port);
    if !port.bytes().all(|byte| byte.is_ascii_digit()) {
        return false;
    }
    let is = |known: &str| name.eq_ignore_ascii_case(known);
    name.parse::<IpAddr>().is_ok() || is("localhost") || known.iter().any(|known| is(known))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checked(pairs: &[(&str, &str)], is_page: bool) -> bool {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            let name: HeaderName = name.parse().unwrap();
            headers.append(name, value.parse().unwrap());
        }
        check(&headers, &["cache.example".to_owned()], is_page).is_ok()
    }

    #[test]
    fn hosts_are_addresses_this_machine_and_names_that_are_known() {
        let hosts = ["127.0.0.1:8379", "[::1]:8379", "10.1.2.3", "LocalHost:1", "cache.example"];
        assert!(hosts.iter().all(|host| checked(&[("host", host)], false)));
        let foreign =
            ["evil.example:8379", "localhost.evil.example", "", "[::1", "127.0.0.1:80@x", "a:b"];
        assert!(foreign.iter().all(|host| !checked(&[("host", host)], true)));
        assert!(!checked(&[], true));
        assert!(!checked(&[("host", "localhost"), ("host", "localhost")], true));
    }

    #[test]
    fn only_the_page_itself_asks() {
        let host = ("host", "localhost:8379");
        assert!(checked(&[host, ("origin", "http://localhost:8379")], false));
        for origin in ["http://localhost:80", "http://evil.example", "null", "localhost:8379"] {
            assert!(!checked(&[host, ("origin", origin)], false), "{origin}");
        }
        assert!(checked(&[host, ("sec-fetch-site", "same-origin")], false));
        assert!(checked(&[host, ("sec-fetch-site", "cross-site")], true));
        assert!(!checked(&[host, ("sec-fetch-site", "cross-site")], false));
        assert!(!checked(&[host, ("sec-fetch-site", "same-site")], false));
    }
}

//! The client's address: the peer, or what trusted proxies say stands behind it.

use std::net::IpAddr;

use http::HeaderMap;
use ipnet::IpNet;

/// From a trusted peer, the right-most hop of `X-Forwarded-For` that is not trusted itself; in every other case, and
/// when a hop on the way there cannot be read, the peer.
pub(crate) fn address(peer: IpAddr, headers: &HeaderMap, trusted: &[IpNet]) -> IpAddr {
    let peer = peer.to_canonical();
    let is_trusted = |address: &IpAddr| trusted.iter().any(|network| network.contains(address));
    if !is_trusted(&peer) {
        return peer;
    }
    let mut outermost = None;
    for line in headers.get_all("x-forwarded-for").iter().rev() {
        let Ok(line) = line.to_str() else { return peer };
        for hop in line.rsplit(',') {
            let Some(hop) = parse_hop(hop.trim()) else {
                return peer;
            };
            if !is_trusted(&hop) {
                return hop;
            }
            outermost = Some(hop);
        }
    }
    outermost.unwrap_or(peer)
}

/// `1.2.3.4`, `1.2.3.4:5`, `::1`, `[::1]` or `[::1]:5`. Names, zones and anything else: `None`.
fn parse_hop(text: &str) -> Option<IpAddr> {
    let address = text.parse::<IpAddr>().ok().or_else(|| {
        text.parse::<std::net::SocketAddr>()
            .ok()
            .map(|socket| socket.ip())
    });
    let bracketed = || {
        text.strip_prefix('[')?
            .strip_suffix(']')?
            .parse()
            .ok()
            .map(IpAddr::V6)
    };
    if text.contains('%') {
        return None;
    }
    address
        .or_else(bracketed)
        .map(|address| address.to_canonical())
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn seen(peer: &str, lines: &[&str]) -> String {
        let mut headers = HeaderMap::new();
        for line in lines {
            headers.append(
                "x-forwarded-for",
                HeaderValue::from_bytes(line.as_bytes()).unwrap(),
            );
        }
        let trusted = ["10.0.0.0/8".parse().unwrap(), "::1/128".parse().unwrap()];
        address(peer.parse().unwrap(), &headers, &trusted).to_string()
    }

    #[test]
    fn the_rightmost_untrusted_hop() {
        for (peer, lines, expected) in [
            ("203.0.113.9", &["1.2.3.4"][..], "203.0.113.9"),
            ("10.0.0.1", &[], "10.0.0.1"),
            ("10.0.0.1", &["1.2.3.4"], "1.2.3.4"),
            ("::ffff:10.0.0.1", &["1.2.3.4"], "1.2.3.4"),
            ("10.0.0.1", &["::ffff:1.2.3.4"], "1.2.3.4"),
            ("10.0.0.1", &["6.6.6.6, 1.2.3.4, 10.0.0.2"], "1.2.3.4"),
            ("10.0.0.1", &["6.6.6.6", "1.2.3.4,10.0.0.2"], "1.2.3.4"),
            ("10.0.0.1", &["6.6.6.6", "10.0.0.3"], "6.6.6.6"),
            ("10.0.0.1", &["10.0.0.3, 10.0.0.2"], "10.0.0.3"),
            ("::1", &["[2001:db8::1]:4711"], "2001:db8::1"),
            ("::1", &["[2001:db8::1]"], "2001:db8::1"),
            ("::1", &["1.2.3.4:80"], "1.2.3.4"),
        ] {
            assert_eq!(seen(peer, lines), expected, "{peer} {lines:?}");
        }
    }

    #[test]
    fn garbage_names_the_peer() {
        for line in [
            "a",
            "",
            ",",
            "1.2.3.4,",
            "1.2.3",
            "fe80::1%lo",
            "[fe80::1%lo]:80",
            "unknown",
            "_hidden",
            "1.2.3.4 5",
            "\"1.2.3.4\"",
            "\u{ff}",
        ] {
            assert_eq!(seen("10.0.0.1", &[line]), "10.0.0.1", "{line}");
        }
        assert_eq!(
            seen("10.0.0.1", &["garbage, 1.2.3.4"]),
            "1.2.3.4",
            "beyond the untrusted hop nothing counts"
        );
        let many = vec!["10.0.0.7"; 10_000].join(",");
        assert_eq!(seen("10.0.0.1", &[&many]), "10.0.0.7");
    }
}

//! The one host that a request is for: that of the Host header. Forwarded hosts are never believed.

use http::{HeaderMap, Uri, header};

/// A host name or address in lower case, and the port that the request named.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Host {
    name: String,
    port: Option<u16>,
}

impl Host {
    /// The request's host; `None` (a bad request) when there is none, more than one, one that is not valid, or a target
    /// that names another.
    pub(crate) fn of(uri: &Uri, headers: &HeaderMap) -> Option<Host> {
        let mut lines = headers.get_all(header::HOST).iter();
        let line = lines.next();
        if lines.next().is_some() {
            return None;
        }
        let in_target = uri
            .authority()
            .map(|authority| Host::parse(authority.as_str()));
        match (line, in_target) {
            (Some(line), None) => Host::parse(line.to_str().ok()?),
            (Some(line), Some(target)) => {
                let (line, target) = (Host::parse(line.to_str().ok()?)?, target?);
                let scheme = uri.scheme_str().unwrap_or("http");
                let same = line.name == target.name
                    && line.explicit_port(scheme) == target.explicit_port(scheme);
                same.then_some(line)
            }
            (None, _) => None,
        }
    }

    /// Reads `name`, `name:port`, `[v6]` or `[v6]:port`.
    pub(crate) fn parse(text: &str) -> Option<Host> {
        let (name, port) = match text.strip_prefix('[') {
            Some(rest) => {
                let (address, rest) = rest.split_once(']')?;
                let address: std::net::Ipv6Addr = address.parse().ok()?;
                let port = if rest.is_empty() {
                    None
                } else {
                    Some(rest.strip_prefix(':')?)
                };
                (format!("[{address}]"), port)
            }
            None => {
                let (name, port) = text
                    .split_once(':')
                    .map_or((text, None), |(name, port)| (name, Some(port)));
                let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_');
                if name.is_empty()
                    || name.len() > 253
                    || !name.bytes().all(plain)
                    || name.starts_with('.')
                    || name.contains("..")
                {
                    return None;
                }
                (name.to_ascii_lowercase(), port)
            }
        };
        let port = match port {
            None => None,
            Some(digits) if !digits.is_empty() && digits.bytes().all(|b| b.is_ascii_digit()) => {
                Some(digits.parse().ok()?)
            }
            Some(_) => return None,
        };
        Some(Host { name, port })
    }

    /// Without the port; an IPv6 address in brackets.
    pub(crate) fn name(&self) -> &str {
        &self.name
    }

    /// The port, unless it is the scheme's own.
    pub(crate) fn explicit_port(&self, scheme: &str) -> Option<u16> {
        let own = if scheme == "https" { 443 } else { 80 };
        self.port.filter(|port| *port != own)
    }
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    fn of(uri: &str, hosts: &[&'static str]) -> Option<String> {
        let mut headers = HeaderMap::new();
        for host in hosts {
            headers.append(header::HOST, HeaderValue::from_static(host));
        }
        headers.insert("x-forwarded-host", HeaderValue::from_static("evil.test"));
        Host::of(&uri.parse().unwrap(), &headers).map(|host| host.name)
    }

    #[test]
    fn exactly_one_valid_host() {
        assert_eq!(
            of("/", &["LMS.acme.test:8080"]).as_deref(),
            Some("lms.acme.test")
        );
        assert_eq!(of("/", &["[::1]:8080"]).as_deref(), Some("[::1]"));
        for hosts in [&[][..], &["a.test", "a.test"], &["a.test", "b.test"]] {
            assert_eq!(of("/", hosts), None, "{hosts:?}");
        }
        for host in [
            "",
            ":80",
            "a b",
            "a@b",
            "user:pw@a.test",
            "a.test:",
            "a.test:x",
            "a.test:99999",
            "a.test:+80",
            "a.test/..",
            "a,b",
            "a..b",
            ".a",
            "[::1",
            "[::1]x",
            "[::1]:",
            "[1.2.3.4]",
            "a.test:80:80",
            "a\\b",
            "a?b",
            "a#b",
            "a%2eb",
            "<a>",
        ] {
            assert_eq!(of("/", &[host]), None, "{host} passed");
        }
    }

    #[test]
    fn the_target_must_agree() {
        assert_eq!(
            of("http://a.test/x", &["a.test"]).as_deref(),
            Some("a.test")
        );
        assert_eq!(
            of("http://A.test:80/x", &["a.test"]).as_deref(),
            Some("a.test")
        );
        assert_eq!(of("http://evil.test/x", &["a.test"]), None);
        assert_eq!(of("http://a.test:81/x", &["a.test"]), None);
        assert_eq!(of("http://x@a.test/x", &["a.test"]), None);
        assert_eq!(of("http://a.test/x", &[]), None, "the header is wanted");
    }
}

//! Where outbound requests may go: to the public internet, and to what networks of the operator's own are opened.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::sync::Arc;

use reqwest::Url;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};
use url::Host;
use vestibule_http::IpNet;

/// Why an address is not asked. The texts name no address: they may travel further than the log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Unreachable {
    #[error("not a web address without user name and password")]
    NotAWebAddress,
    #[error("leads to an address that is not public; `outbound_allow` opens networks of your own")]
    NotPublic,
    #[error("plain http leads to networks in `outbound_allow` only")]
    NotEncrypted,
    #[error("the name cannot be resolved")]
    Unresolved,
}

/// The rule for addresses of one scheme: public ones by https only, those in `allowed` by http as well.
#[derive(Clone, Debug)]
pub(super) struct Reach {
    allowed: Arc<[IpNet]>,
    encrypted: bool,
}

impl Reach {
    pub(super) fn new(allowed: Arc<[IpNet]>, encrypted: bool) -> Reach {
        Reach { allowed, encrypted }
    }

    /// Looks at what the URL itself says; a name in it is looked at by [`Resolve`], answer by answer.
    pub(super) fn check(&self, url: &Url) -> Result<(), Unreachable> {
        if !url.username().is_empty() || url.password().is_some() {
            return Err(Unreachable::NotAWebAddress);
        }
        match url.host() {
            Some(Host::Ipv4(address)) => self.check_address(address.into()),
            Some(Host::Ipv6(address)) => self.check_address(address.into()),
            Some(Host::Domain(_)) => Ok(()),
            None => Err(Unreachable::NotAWebAddress),
        }
    }

    fn check_address(&self, address: IpAddr) -> Result<(), Unreachable> {
        let address = address.to_canonical();
        if self
            .allowed
            .iter()
            .any(|network| network.contains(&address))
        {
            return Ok(());
        }
        match (is_public(address), self.encrypted) {
            (true, true) => Ok(()),
            (true, false) => Err(Unreachable::NotEncrypted),
            (false, _) => Err(Unreachable::NotPublic),
        }
    }

    /// Those of a name's addresses that may be asked; the connection goes to one of these and is looked up no more.
    fn pick(
        &self,
        found: impl Iterator<Item = SocketAddr>,
    ) -> Result<Vec<SocketAddr>, Unreachable> {
        let mut refused = Unreachable::Unresolved;
        let mut picked = Vec::new();
        for address in found {
            match self.check_address(address.ip()) {
                Ok(()) => picked.push(address),
                Err(why) => refused = why,
            }
        }
        match picked.is_empty() {
            true => Err(refused),
            false => Ok(picked),
        }
    }
}

impl Resolve for Reach {
    fn resolve(&self, name: Name) -> Resolving {
        let reach = self.clone();
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await;
            let picked = reach.pick(found.map_err(|_| Unreachable::Unresolved)?)?;
            Ok(Box::new(picked.into_iter()) as Addrs)
        })
    }
}

/// Whether the address is one of the public internet's, by the IANA registries of special addresses (RFC 6890).
fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    const SPECIAL: [([u8; 4], u8); 15] = [
        ([0, 0, 0, 0], 8),       // this network
        ([10, 0, 0, 0], 8),      // private
        ([100, 64, 0, 0], 10),   // behind a carrier's NAT
        ([127, 0, 0, 0], 8),     // loopback
        ([169, 254, 0, 0], 16),  // link-local, and the metadata services of clouds
        ([172, 16, 0, 0], 12),   // private
        ([192, 0, 0, 0], 24),    // protocol assignments
        ([192, 0, 2, 0], 24),    // documentation
        ([192, 88, 99, 0], 24),  // 6to4 relays
        ([192, 168, 0, 0], 16),  // private
        ([198, 18, 0, 0], 15),   // benchmarks
        ([198, 51, 100, 0], 24), // documentation
        ([203, 0, 113, 0], 24),  // documentation
        ([224, 0, 0, 0], 4),     // multicast
        ([240, 0, 0, 0], 4),     // reserved, and broadcast
    ];
    let bits = u32::from(address);
    !SPECIAL
        .iter()
        .any(|(network, length)| (bits ^ u32::from(Ipv4Addr::from(*network))) >> (32 - length) == 0)
}

/// Global unicast, without what stands for other addresses or for nothing in particular. An IPv4 address behind a NAT64
/// (RFC 6052) is as public as it is by itself; IPv4-mapped ones have been unwrapped by now.
fn is_public_v6(address: Ipv6Addr) -> bool {
    let s = address.segments();
    if s[..6] == [0x64, 0xff9b, 0, 0, 0, 0] {
        let [.., a, b, c, d] = address.octets();
        return is_public_v4(Ipv4Addr::new(a, b, c, d));
    }
    let is_global = s[0] & 0xe000 == 0x2000;
    let is_assigned_to_protocols = s[0] == 0x2001 && s[1] < 0x200; // Teredo among them
    let is_documentation = (s[0] == 0x2001 && s[1] == 0xdb8) || (s[0] == 0x3fff && s[1] < 0x1000);
    let is_6to4 = s[0] == 0x2002;
    is_global && !is_assigned_to_protocols && !is_documentation && !is_6to4
}

#[cfg(test)]
mod tests {
    use super::*;

    fn reach(allowed: &[&str], encrypted: bool) -> Reach {
        let allowed = allowed.iter().map(|network| network.parse().unwrap());
        Reach::new(allowed.collect(), encrypted)
    }

    fn check(reach: &Reach, host: &str) -> Result<(), Unreachable> {
        reach.check(&Url::parse(&format!("https://{host}/keys")).unwrap())
    }

    #[test]
    fn special_addresses_are_out_of_reach_in_every_spelling() {
        let reach = reach(&[], true);
        for host in [
            "0.0.0.0",
            "0.1.2.3",
            "10.0.0.1",
            "10.255.255.255",
            "100.64.0.1",
            "100.127.255.255",
            "127.0.0.1",
            "127.1",
            "127.255.255.254",
            "0177.0.0.1",
            "0x7f.1",
            "0x7f000001",
            "2130706433",
            "017700000001",
            "127.0.0.1.",
            "１２７.0.0.1",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.1",
            "192.0.2.1",
            "192.88.99.1",
            "192.168.0.1",
            "198.18.0.1",
            "198.19.255.255",
            "198.51.100.1",
            "203.0.113.1",
            "224.0.0.1",
            "239.255.255.255",
            "240.0.0.1",
            "255.255.255.255",
            "[::]",
            "[::1]",
            "[0:0:0:0:0:0:0:1]",
            "[::127.0.0.1]",
            "[::ffff:127.0.0.1]",
            "[::ffff:7f00:1]",
            "[::ffff:169.254.169.254]",
            "[::ffff:0:127.0.0.1]",
            "[64:ff9b::127.0.0.1]",
            "[64:ff9b::a9fe:a9fe]",
            "[64:ff9b:1::8.8.8.8]",
            "[100::1]",
            "[2001::1]",
            "[2001:2::1]",
            "[2001:10::1]",
            "[2001:20::1]",
            "[2001:db8::1]",
            "[2002:7f00:1::1]",
            "[2002:808:808::1]",
            "[3fff::1]",
            "[3fff:fff::1]",
            "[5f00::1]",
            "[fc00::1]",
            "[fd12:3456::1]",
            "[fe80::1]",
            "[febf::1]",
            "[fec0::1]",
            "[ff02::1]",
            "[ff0e::1]",
        ] {
            assert_eq!(check(&reach, host), Err(Unreachable::NotPublic), "{host}");
        }
    }

    #[test]
    fn public_addresses_are_reached_by_https() {
        for host in [
            "8.8.8.8",
            "1.1.1.1",
            "9.255.255.255",
            "11.0.0.0",
            "100.63.255.255",
            "100.128.0.0",
            "126.255.255.255",
            "128.0.0.0",
            "169.253.255.255",
            "172.15.255.255",
            "172.32.0.0",
            "192.0.1.0",
            "192.167.255.255",
            "198.17.255.255",
            "198.20.0.0",
            "223.255.255.255",
            "[2606:4700::1111]",
            "[2001:4860:4860::8888]",
            "[2001:200::1]",
            "[2003::1]",
            "[3ffe::1]",
            "[64:ff9b::8.8.8.8]",
            "[::ffff:8.8.8.8]",
        ] {
            assert_eq!(check(&reach(&[], true), host), Ok(()), "{host}");
            assert_eq!(
                check(&reach(&[], false), host),
                Err(Unreachable::NotEncrypted),
                "{host}"
            );
        }
    }

    #[test]
    fn networks_that_the_operator_opens_are_reached() {
        for encrypted in [true, false] {
            let reach = reach(&["127.0.0.0/8", "fd00::/8", "198.51.100.7/32"], encrypted);
            for host in [
                "127.0.0.1",
                "[::ffff:127.0.0.1]",
                "[fd00::1]",
                "198.51.100.7",
            ] {
                assert_eq!(check(&reach, host), Ok(()), "{host}");
            }
            for host in [
                "10.0.0.1",
                "[::1]",
                "[::127.0.0.1]",
                "[64:ff9b::127.0.0.1]",
                "198.51.100.8",
            ] {
                assert_eq!(check(&reach, host), Err(Unreachable::NotPublic), "{host}");
            }
        }
    }

    #[test]
    fn urls_that_say_more_than_an_address_are_refused() {
        for host in ["user@8.8.8.8", ":pw@8.8.8.8", "user:pw@keys.example"] {
            assert_eq!(
                check(&reach(&[], true), host),
                Err(Unreachable::NotAWebAddress),
                "{host}"
            );
        }
    }

    #[test]
    fn of_a_names_addresses_only_those_in_reach_are_taken() {
        let found = |addresses: &[&str]| {
            let parsed: Vec<SocketAddr> = addresses
                .iter()
                .map(|a| SocketAddr::new(a.parse().unwrap(), 0))
                .collect();
            reach(&[], true)
                .pick(parsed.into_iter())
                .map(|picked| picked.len())
        };
        assert_eq!(found(&["8.8.8.8", "127.0.0.1", "::1", "1.1.1.1"]), Ok(2));
        assert_eq!(
            found(&["10.0.0.1", "::ffff:10.0.0.1", "fe80::1"]),
            Err(Unreachable::NotPublic)
        );
        assert_eq!(found(&[]), Err(Unreachable::Unresolved));
    }
}

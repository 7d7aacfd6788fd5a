//! Which addresses a node reaches for a user: public ones, and those that the operator names. Pure.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::IpNet;

/// Whether `address` is public, or in one of `networks`.
pub(super) fn is_allowed(address: IpAddr, networks: &[IpNet]) -> bool {
    // An IPv4 address in the clothes of IPv6 is what it is.
    let address = address.to_canonical();
    networks.iter().any(|network| network.contains(&address)) || is_public(address)
}

fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => is_public_v6(address),
    }
}

/// Source: the registry of special addresses of RFC 6890.
fn is_public_v4(address: Ipv4Addr) -> bool {
    let [a, b, c, _] = address.octets();
    let special = match (a, b, c) {
        // This host; private; loopback; link-local, where clouds keep their metadata.
        (0 | 10 | 127, _, _) | (169, 254, _) | (172, 16..=31, _) | (192, 168, _) => true,
        // Behind a carrier; protocols; documentation; 6to4 relays; benchmarks.
        (100, 64..=127, _)
        | (192, 0, 0 | 2)
        | (192, 88, 99)
        | (198, 18 | 19, _)
        | (198, 51, 100)
        | (203, 0, 113) => true,
        // Multicast, and what nobody has.
        (224..=255, _, _) => true,
        (_, _, _) => false,
    };
    !special
}

/// Only what is given out to the public, without what stands for something else.
fn is_public_v6(address: Ipv6Addr) -> bool {
    let [a, b, ..] = address.segments();
    let special = match (a, b) {
        // Protocols and tunnels; documentation; 6to4, which holds an IPv4 address.
        (0x2001, 0..=0x1ff | 0xdb8) | (0x2002, _) | (0x3fff, 0..=0xfff) => true,
        (0x2000..=0x3fff, _) => false,
        (_, _) => true,
    };
    !special
}

#[cfg(test)]
mod tests {
    use super::*;

    fn allowed(address: &str, networks: &[&str]) -> bool {
        let networks: Vec<IpNet> = networks.iter().map(|text| text.parse().unwrap()).collect();
        is_allowed(address.parse().unwrap(), &networks)
    }

    #[test]
    fn p33_an_address_that_is_not_public_is_not_reached() {
        for address in [
            "0.0.0.0",
            "10.0.0.1",
            "100.64.0.1",
            "127.0.0.1",
            "127.255.255.254",
            "169.254.169.254",
            "172.16.0.1",
            "172.31.255.255",
            "192.0.0.1",
            "192.0.2.1",
            "192.168.1.1",
            "198.18.0.1",
            "198.51.100.1",
            "203.0.113.1",
            "224.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::ffff:127.0.0.1",
            "::ffff:169.254.169.254",
            "::127.0.0.1",
            "64:ff9b::7f00:1",
            "fe80::1",
            "fd00:ec2::254",
            "fc00::1",
            "ff02::1",
            "2001::1",
            "2001:db8::1",
            "2002:7f00:1::",
        ] {
            assert!(!allowed(address, &[]), "{address}");
        }
    }

    #[test]
    fn public_addresses_are_reached() {
        for address in ["8.8.8.8", "172.32.0.1", "192.0.1.1", "2606:4700::1111", "2a00:1450::1"] {
            assert!(allowed(address, &[]), "{address}");
        }
        assert!(allowed("::ffff:8.8.8.8", &[]));
    }

    #[test]
    fn an_operator_can_name_networks() {
        let networks = ["127.0.0.0/8", "fd00::/8"];
        assert!(allowed("127.0.0.1", &networks));
        assert!(allowed("::ffff:127.0.0.1", &networks));
        assert!(allowed("fd00::1", &networks));
        assert!(!allowed("10.0.0.1", &networks));
    }
}

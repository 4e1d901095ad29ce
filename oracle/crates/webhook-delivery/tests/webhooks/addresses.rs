use ipnet::IpNet;
use proptest::prelude::*;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};
use webhook_delivery::{AddressKind::*, *};

const REFUSED: &[(AddressKind, &[&str])] = &[
	(Unspecified, &["0.0.0.0", "::"]),
	(Loopback, &["127.0.0.1", "127.255.255.255", "::1"]),
	(
		Private,
		&[
			"10.0.0.0",
			"10.255.255.255",
			"172.16.0.1",
			"172.31.255.255",
			"192.168.0.1",
			"192.168.255.255",
		],
	),
	(Shared, &["100.64.0.0", "100.127.255.255"]),
	(LinkLocal, &["169.254.0.1", "169.254.170.2", "fe80::1", "febf::1"]),
	(UniqueLocal, &["fc00::1", "fd00::1", "fdff:ffff::1"]),
	(Multicast, &["224.0.0.1", "239.255.255.255", "ff02::1", "ff0e::1"]),
	(
		Documentation,
		&["192.0.2.1", "198.51.100.1", "203.0.113.255", "2001:db8::1", "3fff::1", "3fff:fff::1"],
	),
	(Benchmarking, &["198.18.0.1", "198.19.255.255", "2001:2::1"]),
	(
		Embedded,
		&[
			"::ffff:127.0.0.1",
			"::ffff:8.8.8.8",
			"::127.0.0.1",
			"::8.8.8.8",
			"64:ff9b::a00:1",
			"64:ff9b::808:808",
			"64:ff9b:1::1",
			"2001::1",
			"2001:0:ffff::1",
			"2002:7f00:1::",
			"2002:808:808::1",
		],
	),
	(
		Metadata,
		&[
			"169.254.169.254",
			"100.100.100.200",
			"168.63.129.16",
			"192.0.0.192",
			"fd00:ec2::254",
			"fd20:ce::254",
		],
	),
	(
		Reserved,
		&[
			"0.0.0.1",
			"0.255.255.255",
			"192.0.0.1",
			"192.88.99.1",
			"240.0.0.1",
			"255.255.255.255",
			"100::1",
			"2001:20::1",
			"2001:1ff::1",
			"fec0::1",
			"5f00::1",
			"4000::1",
			"1::1",
		],
	),
];

const PUBLIC: &[&str] = &[
	"1.1.1.1",
	"8.8.8.8",
	"9.255.255.255",
	"11.0.0.0",
	"100.63.255.255",
	"100.128.0.0",
	"126.255.255.255",
	"128.0.0.0",
	"169.253.255.255",
	"169.255.0.0",
	"172.15.255.255",
	"172.32.0.0",
	"192.167.255.255",
	"192.169.0.0",
	"198.17.255.255",
	"198.20.0.0",
	"223.255.255.255",
	"2001:200::1",
	"2001:4860:4860::8888",
	"2606:4700::1",
	"2a00::1",
	"3ffe:ffff::1",
];

fn everything() -> AddressGuard {
	AddressGuard::new(vec!["0.0.0.0/0".parse().unwrap(), "::/0".parse().unwrap()])
}

#[test]
fn check_refuses_every_kind_that_is_not_public() {
	for (kind, addresses) in REFUSED {
		for text in *addresses {
			let address: IpAddr = text.parse().unwrap();
			let refused = AddressGuard::default().check(address);
			assert_eq!(refused, Err(AddressRefused(*kind)), "{text}");
			let can_be_allowed = matches!(kind, Loopback | Private | Shared | UniqueLocal);
			assert_eq!(everything().check(address).is_ok(), can_be_allowed, "{text}");
		}
	}
	for text in PUBLIC {
		assert_eq!(AddressGuard::default().check(text.parse().unwrap()), Ok(()), "{text}");
	}
}

#[test]
fn check_takes_private_addresses_of_allowed_networks_only() {
	let networks: Vec<IpNet> = vec!["10.1.0.0/16".parse().unwrap(), "fd01::/16".parse().unwrap()];
	let guard = AddressGuard::new(networks);
	for (text, expected) in [
		("10.1.2.3", Ok(())),
		("10.2.0.0", Err(AddressRefused(Private))),
		("fd01::1", Ok(())),
		("fd02::1", Err(AddressRefused(UniqueLocal))),
		("::ffff:10.1.2.3", Err(AddressRefused(Embedded))),
		("8.8.8.8", Ok(())),
	] {
		assert_eq!(guard.check(text.parse().unwrap()), expected, "{text}");
	}
}

proptest! {
	/// What the standard library knows of addresses is never public here.
	#[test]
	fn no_special_address_is_public(bits: u32) {
		let address = Ipv4Addr::from(bits);
		let special = address.is_private() || address.is_loopback() || address.is_link_local()
			|| address.is_broadcast() || address.is_documentation() || address.is_multicast()
			|| address.is_unspecified();
		prop_assert!(!(special && AddressKind::of(address.into()) == Public), "{}", address);
	}

	/// An IPv4 address gets no further inside an IPv6 address.
	#[test]
	fn embedded_address_is_refused(bits: u32) {
		let address = Ipv4Addr::from(bits);
		let [a, b, c, d] = address.octets();
		let (high, low) = (u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d]));
		for embedded in [
			address.to_ipv6_mapped(),
			Ipv6Addr::new(0x64, 0xff9b, 0, 0, 0, 0, high, low),
			Ipv6Addr::new(0x2002, high, low, 0, 0, 0, 0, 1),
			Ipv6Addr::new(0x2001, 0, 1, 2, 3, 4, !high, !low),
		] {
			prop_assert!(everything().check(embedded.into()).is_err(), "{}", embedded);
		}
	}

	/// Outside of 2000::/3 nothing is public.
	#[test]
	fn public_ipv6_is_global_unicast(bits: u128) {
		let kind = AddressKind::of(Ipv6Addr::from(bits).into());
		prop_assert!(kind != Public || bits >> 125 == 1);
	}
}

#[test]
fn url_is_taken_in_its_normal_form() {
	for (text, uri, port) in [
		("https://Receiver.Example/hook", "https://receiver.example/hook", 443),
		("https://receiver.example:443", "https://receiver.example/", 443),
		("https://receiver.example:8443/a?b=c", "https://receiver.example:8443/a?b=c", 8443),
		("https://receiver.example:1024/", "https://receiver.example:1024/", 1024),
		("https://XN--bcher-kva.example/", "https://xn--bcher-kva.example/", 443),
		("https://8.8.8.8/", "https://8.8.8.8/", 443),
		("https://[2a00::1]/", "https://[2a00::1]/", 443),
	] {
		let target = UrlRules::default().parse(text).unwrap();
		assert_eq!(target.uri.to_string(), uri);
		assert_eq!((target.port, target.tls), (port, true));
	}
}

#[test]
fn url_is_refused_with_the_reason() {
	let rules = UrlRules::default();
	let scheme = |name: &str| UrlError::Scheme(name.into());
	for (text, error) in [
		("http://receiver.example/", scheme("http")),
		("http://127.0.0.1/", scheme("http")),
		("ftp://receiver.example/", scheme("ftp")),
		("https://me@receiver.example/", UrlError::UserInfo),
		("https://:secret@receiver.example/", UrlError::UserInfo),
		("https://receiver.example/#", UrlError::Fragment),
		("https://receiver.example/#part", UrlError::Fragment),
		("https://receiver.example:25/", UrlError::Port(25)),
		("https://receiver.example:80/", UrlError::Port(80)),
		("https://receiver.example:1023/", UrlError::Port(1023)),
		("https://receiver.example:0/", UrlError::Port(0)),
		// The same address in the ways that a browser reads it.
		("https://127.0.0.1/", AddressRefused(Loopback).into()),
		("https://127.1/", AddressRefused(Loopback).into()),
		("https://0x7f000001/", AddressRefused(Loopback).into()),
		("https://2130706433/", AddressRefused(Loopback).into()),
		("https://0177.0.0.1/", AddressRefused(Loopback).into()),
		("https://[::1]/", AddressRefused(Loopback).into()),
		("https://[::ffff:127.0.0.1]/", AddressRefused(Embedded).into()),
		("https://169.254.169.254/latest/", AddressRefused(Metadata).into()),
	] {
		assert_eq!(rules.parse(text), Err(error), "{text}");
	}
	for malformed in [
		"",
		"receiver.example",
		"https://",
		"https://a b/",
		"https://a\n/",
		"https:\\\\a/",
		"https://bücher.example/",
		"data:a",
	] {
		assert!(
			matches!(rules.parse(malformed), Err(UrlError::Malformed(_))),
			"{malformed}: {:?}",
			rules.parse(malformed)
		);
	}
	let long = format!("https://receiver.example/{}", "a".repeat(MAX_URL_BYTES));
	assert_eq!(rules.parse(&long), Err(UrlError::TooLong(long.len())));
}

#[test]
fn http_is_taken_for_loopback_when_the_setting_says_so() {
	let rules = UrlRules { http_to_loopback: true, ..UrlRules::default() };
	for text in ["http://localhost:8080/", "http://127.0.0.1/", "http://[::1]:9000/"] {
		let target = rules.parse(text).unwrap();
		assert!(!target.tls, "{text}");
		for (address, taken) in [("127.0.0.1", true), ("::1", true), ("8.8.8.8", false)] {
			let checked = rules.check_address(&target, address.parse().unwrap());
			assert_eq!(checked.is_ok(), taken, "{text} {address}");
		}
	}
	for text in ["http://receiver.example/", "http://10.0.0.1/", "http://localhost.example/"] {
		assert_eq!(rules.parse(text), Err(UrlError::Scheme("http".into())), "{text}");
	}
	let https = rules.parse("https://127.0.0.1/");
	assert_eq!(https, Err(AddressRefused(Loopback).into()));
}

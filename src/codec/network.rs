//! `inet`, `cidr`: `src/backend/utils/adt/{network,inet_net_pton}.c`, `src/port/inet_net_ntop.c`; `macaddr`, `macaddr8`:
//! `mac.c`, `mac8.c`. Abbreviated IPv4 networks (`10/8`) are not taken: write all four numbers.

use std::fmt::Write as _;
use std::net::Ipv6Addr;

use super::Refusal;
use super::parser::trimmed;
use super::uuid::{hex_digit, push_hex};

const FAMILY_V4: u8 = 2;
const FAMILY_V6: u8 = 3;

/// An address and the length of its network prefix.
pub(super) struct Network {
    address: Address,
    prefix: u8,
}

enum Address {
    V4([u8; 4]),
    V6([u8; 16]),
}

impl Address {
    fn bytes(&self) -> &[u8] {
        match self {
            Address::V4(bytes) => bytes,
            Address::V6(bytes) => bytes,
        }
    }

    fn bits(&self) -> u8 {
        (self.bytes().len() * 8) as u8
    }
}

impl Network {
    /// Reads an address; a `cidr` may have no bits behind its prefix.
    pub(super) fn parse(text: &str, cidr: bool) -> Result<Self, Refusal> {
        let (host, prefix) = text.split_once('/').map_or((text, None), |(host, prefix)| (host, Some(prefix)));
        let address = if host.contains(':') {
            Address::V6(host.parse::<Ipv6Addr>().map_err(|_| Refusal::InvalidSyntax)?.octets())
        } else {
            Address::V4(parse_v4(host)?)
        };
        let prefix = prefix.map_or(Ok(address.bits()), |prefix| parse_prefix(prefix, address.bits()))?;
        let network = Self { address, prefix };
        if cidr && network.has_host_bits() { Err(Refusal::InvalidSyntax) } else { Ok(network) }
    }

    fn has_host_bits(&self) -> bool {
        self.address.bytes().iter().enumerate().any(|(index, byte)| {
            let kept = (usize::from(self.prefix)).saturating_sub(index * 8).min(8);
            u16::from(*byte) & (0xff >> kept) != 0
        })
    }

    pub(super) fn write(&self, cidr: bool, out: &mut String) {
        match &self.address {
            Address::V4(bytes) => write_v4(bytes, out),
            Address::V6(bytes) => write_v6(bytes, out),
        }
        if cidr || self.prefix != self.address.bits() {
            write!(out, "/{}", self.prefix).expect("a String takes all");
        }
    }

    /// Family, prefix, whether it is a cidr, byte count, bytes (`network_send`).
    pub(super) fn send(&self, cidr: bool, out: &mut Vec<u8>) {
        let bytes = self.address.bytes();
        let family = if bytes.len() == 4 { FAMILY_V4 } else { FAMILY_V6 };
        out.extend_from_slice(&[family, self.prefix, u8::from(cidr), bytes.len() as u8]);
        out.extend_from_slice(bytes);
    }
}

/// Four decimal numbers; zeros in front mean nothing.
fn parse_v4(host: &str) -> Result<[u8; 4], Refusal> {
    let mut bytes = [0; 4];
    let mut parts = host.split('.');
    for byte in &mut bytes {
        let digits =
            parts.next().filter(|part| !part.is_empty() && part.bytes().all(|digit| digit.is_ascii_digit()));
        *byte = digits.and_then(|digits| digits.parse().ok()).ok_or(Refusal::InvalidSyntax)?;
    }
    if parts.next().is_none() { Ok(bytes) } else { Err(Refusal::InvalidSyntax) }
}

/// Zeros in front are taken for IPv4 only (`getbits` refuses them).
fn parse_prefix(digits: &str, most: u8) -> Result<u8, Refusal> {
    let plain = !digits.is_empty()
        && digits.bytes().all(|digit| digit.is_ascii_digit())
        && (most == 32 || digits == "0" || !digits.starts_with('0'));
    let prefix = digits.parse().ok().filter(|prefix| plain && *prefix <= most);
    prefix.ok_or(Refusal::InvalidSyntax)
}

fn write_v4(bytes: &[u8], out: &mut String) {
    for (index, byte) in bytes.iter().enumerate() {
        write!(out, "{}{byte}", if index > 0 { "." } else { "" }).expect("a String takes all");
    }
}

/// The longest run of zero words is `::`; an embedded IPv4 address is shown as one (`inet_net_ntop_ipv6`).
fn write_v6(bytes: &[u8; 16], out: &mut String) {
    let words: Vec<u16> = bytes.chunks(2).map(|pair| u16::from_be_bytes([pair[0], pair[1]])).collect();
    let (start, length) = longest_zeros(&words);
    let embedded = start == 0 && length > 0 && (length == 6 || length == 5 && words[5] == 0xffff);
    let mut index = 0;
    while index < if embedded { 6 } else { 8 } {
        if length > 0 && index == start {
            out.push_str("::");
            index += length;
            continue;
        }
        write!(out, "{:x}", words[index]).expect("a String takes all");
        index += 1;
        let run_follows = length > 0 && index == start;
        out.push_str(if index < 8 && !run_follows { ":" } else { "" });
    }
    if embedded {
        write_v4(&bytes[12..], out);
    }
}

/// Start and length of the first longest run of two or more zero words; a length of zero where there is none.
fn longest_zeros(words: &[u16]) -> (usize, usize) {
    let mut best = (0, 0);
    let mut start = 0;
    while start < words.len() {
        let length = words[start..].iter().take_while(|word| **word == 0).count();
        if length >= 2 && length > best.1 {
            best = (start, length);
        }
        start += length.max(1);
    }
    best
}

/// Six bytes in any of the groupings `macaddr_in` knows.
pub(super) fn parse_mac(text: &str) -> Result<[u8; 6], Refusal> {
    let word = trimmed(text);
    let groups: Vec<&str> = word.split([':', '-', '.']).collect();
    let mut separators = word.bytes().filter(|byte| matches!(byte, b':' | b'-' | b'.'));
    let separator = separators.next();
    let known = match (groups.len(), separator) {
        (6 | 2, Some(b':' | b'-')) | (3, Some(b'.' | b'-')) | (1, None) => {
            separators.all(|other| Some(other) == separator)
        }
        _ => false,
    };
    if !known {
        return Err(Refusal::InvalidSyntax);
    }
    let digits = 12 / groups.len();
    let mut bytes = Vec::with_capacity(6);
    for group in &groups {
        match group.as_bytes() {
            [single] if digits == 2 => bytes.push(hex_digit(*single)?),
            pairs if pairs.len() == digits => {
                for pair in pairs.chunks(2) {
                    bytes.push(hex_digit(pair[0])? << 4 | hex_digit(pair[1])?);
                }
            }
            _ => return Err(Refusal::InvalidSyntax),
        }
    }
    bytes.try_into().map_err(|_| Refusal::InvalidSyntax)
}

/// Eight bytes in pairs of digits, one kind of separator between any of them; six get `ff:fe` in the middle.
pub(super) fn parse_mac8(text: &str) -> Result<[u8; 8], Refusal> {
    let mut rest = trimmed(text).as_bytes();
    let mut separator = None;
    let mut bytes = Vec::with_capacity(8);
    while let [high, low, after @ ..] = rest {
        bytes.push(hex_digit(*high)? << 4 | hex_digit(*low)?);
        rest = after;
        if let [found @ (b':' | b'-' | b'.'), after @ ..] = rest {
            if *separator.get_or_insert(*found) != *found || after.is_empty() {
                return Err(Refusal::InvalidSyntax);
            }
            rest = after;
        }
    }
    if bytes.len() == 6 {
        bytes.splice(3..3, [0xff, 0xfe]);
    }
    if rest.is_empty() {
        bytes.try_into().map_err(|_| Refusal::InvalidSyntax)
    } else {
        Err(Refusal::InvalidSyntax)
    }
}

pub(super) fn write_mac(bytes: &[u8], out: &mut String) {
    for (index, byte) in bytes.iter().enumerate() {
        out.push_str(if index > 0 { ":" } else { "" });
        push_hex(*byte, out);
    }
}

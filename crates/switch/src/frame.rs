//! What the switch reads in frames.

use std::fmt;
use std::net::{Ipv4Addr, Ipv6Addr};

use serde::{Deserialize, Serialize};

/// An Ethernet address.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Mac(pub [u8; 6]);

impl Mac {
    /// Whether frames to it go to everyone who listens: broadcast or multicast.
    pub fn is_group(self) -> bool {
        self.0[0] & 1 != 0
    }
}

impl fmt::Display for Mac {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b, c, d, e, g] = self.0;
        write!(f, "{a:02x}:{b:02x}:{c:02x}:{d:02x}:{e:02x}:{g:02x}")
    }
}

/// Destination and source; `None` when the frame is too short to have them.
pub(crate) fn addresses(frame: &[u8]) -> Option<(Mac, Mac)> {
    Some((Mac(array(frame, 0)?), Mac(array(frame, 6)?)))
}

/// Says in words what a machine said with this frame, or `None` when it is of the kind that every
/// machine sends by itself: neighbour and router discovery, multicast membership, announcing or
/// probing its own address. A machine that has said something else may be waiting for an answer.
pub fn speech(frame: &[u8]) -> Option<String> {
    let (mut kind, mut at) = (u16::from_be_bytes(array(frame, 12)?), 14);
    while matches!(kind, 0x8100 | 0x88a8) {
        (kind, at) = (u16::from_be_bytes(array(frame, at + 2)?), at + 4);
    }
    let packet = frame.get(at..)?;
    match kind {
        0x0806 => arp(packet),
        0x0800 => ipv4(packet),
        0x86dd => ipv6(packet),
        0..0x0600 => Some("a frame without Ethernet type".to_owned()),
        kind => Some(format!("a frame of Ethernet type {kind:#06x}")),
    }
}

fn arp(packet: &[u8]) -> Option<String> {
    let sender = Ipv4Addr::from(array(packet, 14)?);
    let target = Ipv4Addr::from(array(packet, 24)?);
    if sender == target || sender.is_unspecified() {
        return None;
    }
    Some(format!("ARP: who has {target}, tell {sender}"))
}

fn ipv4(packet: &[u8]) -> Option<String> {
    const IGMP: u8 = 2;
    let header = usize::from(packet.first()? & 15) * 4;
    let protocol = *packet.get(9)?;
    if protocol == IGMP {
        return None;
    }
    let from = Ipv4Addr::from(array(packet, 12)?);
    let to = Ipv4Addr::from(array(packet, 16)?);
    Some(format!(
        "{} from {from} to {to}",
        transport(protocol, packet.get(header..))
    ))
}

fn ipv6(packet: &[u8]) -> Option<String> {
    const HOP_BY_HOP: u8 = 0;
    const ICMPV6: u8 = 58;
    let from = Ipv6Addr::from(array::<16>(packet, 8)?);
    let to = Ipv6Addr::from(array::<16>(packet, 24)?);
    let (mut protocol, mut at) = (*packet.get(6)?, 40);
    if protocol == HOP_BY_HOP {
        protocol = *packet.get(at)?;
        at += 8 + usize::from(*packet.get(at + 1)?) * 8;
    }
    // 130 to 132 and 143: listener discovery; 133 to 137: neighbour discovery.
    if protocol == ICMPV6 && matches!(packet.get(at)?, 130..=137 | 143) {
        return None;
    }
    Some(format!(
        "{} from {from} to {to}",
        transport(protocol, packet.get(at..))
    ))
}

fn transport(protocol: u8, segment: Option<&[u8]>) -> String {
    let port = segment.and_then(|segment| Some(u16::from_be_bytes(array(segment, 2)?)));
    match (protocol, port) {
        (6, Some(port)) => format!("TCP port {port}"),
        (17, Some(port)) => format!("UDP port {port}"),
        (1 | 58, _) => "ICMP".to_owned(),
        (protocol, _) => format!("IP protocol {protocol}"),
    }
}

fn array<const N: usize>(bytes: &[u8], at: usize) -> Option<[u8; N]> {
    bytes.get(at..at.checked_add(N)?)?.try_into().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn frame(kind: u16, packet: &[u8]) -> Vec<u8> {
        let mut frame = vec![0xff; 6];
        frame.extend([0x52, 0x54, 0, 0x12, 1, 1]);
        frame.extend(kind.to_be_bytes());
        frame.extend(packet);
        frame
    }

    fn arp_packet(sender: [u8; 4], target: [u8; 4]) -> Vec<u8> {
        let mut packet = vec![0, 1, 8, 0, 6, 4, 0, 1, 0, 0, 0, 0, 0, 0];
        packet.extend(sender);
        packet.extend([0; 6]);
        packet.extend(target);
        packet
    }

    fn udp_packet(port: u16) -> Vec<u8> {
        let mut packet = vec![
            0x45, 0, 0, 28, 0, 0, 0, 0, 64, 17, 0, 0, 192, 168, 1, 1, 192, 168, 1, 2,
        ];
        packet.extend([0x80, 0]);
        packet.extend(port.to_be_bytes());
        packet.extend([0; 4]);
        packet
    }

    fn icmpv6(hop_by_hop: bool, kind: u8) -> Vec<u8> {
        let mut packet = vec![0x60, 0, 0, 0, 0, 8, if hop_by_hop { 0 } else { 58 }, 1];
        packet.extend([0; 32]);
        if hop_by_hop {
            packet.extend([58, 0, 5, 2, 0, 0, 1, 0]);
        }
        packet.extend([kind, 0, 0, 0]);
        packet
    }

    #[test]
    fn machines_speak_or_only_mumble() {
        let tagged = {
            let mut packet = vec![0, 5, 0x08, 0x06];
            packet.extend(arp_packet([1, 2, 3, 4], [1, 2, 3, 4]));
            frame(0x8100, &packet)
        };
        for (frame, expected) in [
            (frame(0x0806, &arp_packet([1, 2, 3, 4], [1, 2, 3, 4])), None),
            (frame(0x0806, &arp_packet([0; 4], [1, 2, 3, 4])), None),
            (tagged, None),
            (
                frame(0x0806, &arp_packet([192, 168, 1, 1], [192, 168, 1, 2])),
                Some("ARP: who has 192.168.1.2, tell 192.168.1.1"),
            ),
            (
                frame(0x0800, &udp_packet(53)),
                Some("UDP port 53 from 192.168.1.1 to 192.168.1.2"),
            ),
            (frame(0x86dd, &icmpv6(true, 143)), None),
            (frame(0x86dd, &icmpv6(false, 135)), None),
            (frame(0x86dd, &icmpv6(false, 133)), None),
            (
                frame(0x86dd, &icmpv6(false, 128)),
                Some("ICMP from :: to ::"),
            ),
            (frame(0x88cc, &[]), Some("a frame of Ethernet type 0x88cc")),
        ] {
            assert_eq!(speech(&frame).as_deref(), expected);
        }
    }

    proptest::proptest! {
        #[test]
        fn any_bytes_are_read(bytes: Vec<u8>) {
            let _ = (speech(&bytes), addresses(&bytes));
        }
    }
}

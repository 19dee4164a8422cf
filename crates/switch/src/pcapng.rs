//! Writes captures as pcapng, the format of Wireshark (draft-ietf-opsawg-pcapng).

use std::io::{self, Write};
use std::time::SystemTime;

/// Ethernet.
const LINK_TYPE: u16 = 1;
const SECTION_HEADER: u32 = 0x0a0d_0d0a;
const INTERFACE_DESCRIPTION: u32 = 1;
const ENHANCED_PACKET: u32 = 6;

const OPTION_COMMENT: u16 = 1;
const SHB_APPLICATION: u16 = 4;
const IDB_NAME: u16 = 2;
const IDB_RESOLUTION: u16 = 9;

/// A capture that is being written. Each port of the switch is an interface, in order.
pub struct PcapNg<W: Write> {
    out: W,
    interfaces: u32,
}

impl<W: Write> PcapNg<W> {
    /// Writes the beginning.
    pub fn new(mut out: W) -> io::Result<Self> {
        let mut body = Vec::new();
        body.extend(0x1a2b_3c4d_u32.to_le_bytes());
        body.extend(1_u16.to_le_bytes());
        body.extend(0_u16.to_le_bytes());
        body.extend((-1_i64).to_le_bytes());
        option(
            &mut body,
            SHB_APPLICATION,
            concat!("snowglobe ", env!("CARGO_PKG_VERSION")).as_bytes(),
        );
        end_of_options(&mut body);
        block(&mut out, SECTION_HEADER, &body)?;
        Ok(Self { out, interfaces: 0 })
    }

    /// Interfaces described so far.
    pub fn interfaces(&self) -> u32 {
        self.interfaces
    }

    /// Describes the next interface.
    pub fn interface(&mut self, name: &str) -> io::Result<()> {
        let mut body = Vec::new();
        body.extend(LINK_TYPE.to_le_bytes());
        body.extend(0_u16.to_le_bytes());
        body.extend(0_u32.to_le_bytes());
        option(&mut body, IDB_NAME, name.as_bytes());
        option(&mut body, IDB_RESOLUTION, &[9]); // nanoseconds
        end_of_options(&mut body);
        self.interfaces += 1;
        block(&mut self.out, INTERFACE_DESCRIPTION, &body)
    }

    /// Writes a frame that came in at an interface.
    pub fn frame(
        &mut self,
        interface: u32,
        time: SystemTime,
        frame: &[u8],
        comment: Option<&str>,
    ) -> io::Result<()> {
        let since = time
            .duration_since(SystemTime::UNIX_EPOCH)
            .unwrap_or_default();
        let nanoseconds = u64::try_from(since.as_nanos()).unwrap_or(u64::MAX);
        let length = u32::try_from(frame.len()).map_err(|_| io::ErrorKind::InvalidInput)?;
        let mut body = Vec::with_capacity(frame.len() + 40);
        body.extend(interface.to_le_bytes());
        body.extend(((nanoseconds >> 32) as u32).to_le_bytes());
        body.extend((nanoseconds as u32).to_le_bytes());
        body.extend(length.to_le_bytes());
        body.extend(length.to_le_bytes());
        body.extend(frame);
        pad(&mut body);
        if let Some(comment) = comment {
            option(&mut body, OPTION_COMMENT, comment.as_bytes());
            end_of_options(&mut body);
        }
        block(&mut self.out, ENHANCED_PACKET, &body)
    }

    /// Hands everything to the operating system.
    pub fn flush(&mut self) -> io::Result<()> {
        self.out.flush()
    }
}

fn block(out: &mut impl Write, kind: u32, body: &[u8]) -> io::Result<()> {
    let length = u32::try_from(body.len() + 12).map_err(|_| io::ErrorKind::InvalidInput)?;
    let mut bytes = Vec::with_capacity(body.len() + 12);
    bytes.extend(kind.to_le_bytes());
    bytes.extend(length.to_le_bytes());
    bytes.extend(body);
    bytes.extend(length.to_le_bytes());
    out.write_all(&bytes)
}

fn option(body: &mut Vec<u8>, code: u16, value: &[u8]) {
    let value = &value[..value.len().min(usize::from(u16::MAX))];
    body.extend(code.to_le_bytes());
    body.extend((value.len() as u16).to_le_bytes());
    body.extend(value);
    pad(body);
}

fn end_of_options(body: &mut Vec<u8>) {
    body.extend([0; 4]);
}

fn pad(body: &mut Vec<u8>) {
    body.resize(body.len().next_multiple_of(4), 0);
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn blocks_are_laid_out_as_the_format_says() {
        let mut bytes = Vec::new();
        let mut capture = PcapNg::new(&mut bytes).unwrap();
        capture.interface("alice").unwrap();
        let time = SystemTime::UNIX_EPOCH + Duration::from_nanos(0x1_0000_0002);
        capture
            .frame(0, time, &[1, 2, 3, 4, 5], Some("cut"))
            .unwrap();
        capture.flush().unwrap();
        assert_eq!(bytes[..4], [0x0a, 0x0d, 0x0d, 0x0a]);
        // Every block says its length at both ends, a multiple of four.
        let mut rest = &bytes[..];
        let mut kinds = Vec::new();
        while !rest.is_empty() {
            let number = |at: usize| u32::from_le_bytes(rest[at..at + 4].try_into().unwrap());
            let length = number(4) as usize;
            assert_eq!(length % 4, 0);
            assert_eq!(number(length - 4) as usize, length);
            kinds.push(number(0));
            if number(0) == ENHANCED_PACKET {
                assert_eq!(
                    [number(8), number(12), number(16), number(20)],
                    [0, 1, 2, 5]
                );
                assert_eq!(rest[28..36], [1, 2, 3, 4, 5, 0, 0, 0]);
                assert_eq!(rest[36..44], [1, 0, 3, 0, b'c', b'u', b't', 0]);
            }
            rest = &rest[length..];
        }
        assert_eq!(
            kinds,
            [SECTION_HEADER, INTERFACE_DESCRIPTION, ENHANCED_PACKET]
        );
    }
}

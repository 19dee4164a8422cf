//! Texts that are no UTF-8: the language allows any bytes in strings, the parser does not.
//!
//! A byte that belongs to no character is parsed as one of the last 128 code points, which no
//! text uses, and turned back when it becomes part of a value.

const FIRST: u32 = 0x10_ff00;

/// Any bytes as text.
pub fn encode(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(bytes.len());
    for chunk in bytes.utf8_chunks() {
        text.push_str(chunk.valid());
        // Bytes that are not valid are 0x80 or more, so these are code points.
        text.extend(
            chunk
                .invalid()
                .iter()
                .filter_map(|&byte| char::from_u32(FIRST + u32::from(byte))),
        );
    }
    text
}

/// The bytes that [`encode`] was given.
pub fn decode(text: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(text.len());
    for c in String::from_utf8_lossy(text).chars() {
        match u32::from(c).checked_sub(FIRST) {
            Some(byte) => bytes.push(byte as u8),
            None => bytes.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
    bytes
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_survive() {
        let bytes = b"a\xff\xc3\xa9\x80\xc3z";
        assert_eq!(decode(encode(bytes).as_bytes()), bytes);
    }
}

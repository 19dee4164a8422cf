//! Nix's base 32: 5 bits at a time from the end of the hash, digits without `e`, `o`, `t`, `u`.

const DIGITS: &[u8; 32] = b"0123456789abcdfghijklmnpqrsvwxyz";

/// The digits of some bytes; `ceil(8 n / 5)` characters.
pub fn encode(bytes: &[u8]) -> String {
    let len = (bytes.len() * 8).div_ceil(5);
    (0..len)
        .rev()
        .map(|digit| {
            let bit = digit * 5;
            let (index, shift) = (bit / 8, bit % 8);
            let low = u32::from(bytes[index]) >> shift;
            let high = bytes
                .get(index + 1)
                .map_or(0, |&byte| u32::from(byte) << (8 - shift));
            char::from(DIGITS[((low | high) & 31) as usize])
        })
        .collect()
}

/// The `len` bytes that some digits stand for; `None`: they are no such digits.
pub fn decode(text: &str, len: usize) -> Option<Vec<u8>> {
    if text.len() != (len * 8).div_ceil(5) {
        return None;
    }
    let mut bytes = vec![0u8; len];
    for (digit, c) in text.bytes().rev().enumerate() {
        let value = DIGITS.iter().position(|&d| d == c)? as u32;
        let bit = digit * 5;
        let (index, shift) = (bit / 8, bit % 8);
        bytes[index] |= (value << shift) as u8;
        let carry = value >> (8 - shift);
        match bytes.get_mut(index + 1) {
            Some(next) => *next |= carry as u8,
            None if carry != 0 => return None,
            None => {}
        }
    }
    Some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn known_and_back() {
        // SHA-256 of the empty string.
        let hash: Vec<u8> = (0..32)
            .map(|i| {
                let hex = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
                u8::from_str_radix(&hex[2 * i..2 * i + 2], 16).unwrap()
            })
            .collect();
        let text = encode(&hash);
        assert_eq!(text, "0mdqa9w1p6cmli6976v4wi0sw9r4p5prkj7lzfd1877wk11c9c73");
        assert_eq!(decode(&text, 32), Some(hash));
        assert_eq!(decode("e", 0), None);
        for len in 0..40 {
            let bytes: Vec<u8> = (0..len).map(|i| (i * 37 + 11) as u8).collect();
            assert_eq!(decode(&encode(&bytes), len), Some(bytes));
        }
    }
}

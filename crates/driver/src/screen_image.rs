//! Makes a screen easier to read for a program that was trained on print.

/// Turns a binary PPM into a grey PGM: three times as large, with only what is clearly light or
/// dark left, inverted on request for light text on a dark ground. `None`: no PPM.
pub(crate) fn prepare(ppm: &[u8], invert: bool) -> Option<Vec<u8>> {
    let (width, height, pixels) = parse(ppm)?;
    let grey: Vec<u8> = pixels
        .chunks_exact(3)
        .map(|rgb| {
            let [r, g, b] = [rgb[0], rgb[1], rgb[2]].map(u32::from);
            ((r * 299 + g * 587 + b * 114) / 1000) as u8
        })
        .collect();
    const FACTOR: usize = 3;
    let (wide, high) = (width * FACTOR, height * FACTOR);
    let mut out = format!("P5\n{wide} {high}\n255\n").into_bytes();
    out.reserve(wide * high);
    let at = |x: usize, y: usize| u32::from(grey[y.min(height - 1) * width + x.min(width - 1)]);
    for y in 0..high {
        let (row, down) = (y / FACTOR, (y % FACTOR) as u32);
        for x in 0..wide {
            let (column, right) = (x / FACTOR, (x % FACTOR) as u32);
            let left_side = at(column, row) * (3 - down) + at(column, row + 1) * down;
            let right_side = at(column + 1, row) * (3 - down) + at(column + 1, row + 1) * down;
            let value = (left_side * (3 - right) + right_side * right) / 9;
            // A steep slope around the middle keeps the rounded edges of letters.
            let value = (value.saturating_sub(96) * 4).min(255) as u8;
            out.push(if invert { 255 - value } else { value });
        }
    }
    Some(out)
}

/// Width, height and pixels of a binary PPM with one byte a colour.
fn parse(ppm: &[u8]) -> Option<(usize, usize, &[u8])> {
    let mut rest = ppm.strip_prefix(b"P6")?;
    let mut numbers = [0_usize; 3];
    for number in &mut numbers {
        loop {
            let (first, after) = rest.split_first()?;
            match first {
                b'#' => {
                    let end = after.iter().position(|byte| *byte == b'\n')?;
                    rest = &after[end..];
                }
                byte if byte.is_ascii_whitespace() => rest = after,
                _ => break,
            }
        }
        let end = rest.iter().position(|byte| !byte.is_ascii_digit())?;
        *number = std::str::from_utf8(&rest[..end]).ok()?.parse().ok()?;
        rest = &rest[end..];
    }
    let [width, height, most] = numbers;
    let pixels = rest.get(1..)?;
    let size = width.checked_mul(height)?.checked_mul(3)?;
    let sane = (1..=16384).contains(&width) && (1..=16384).contains(&height) && most == 255;
    (sane && pixels.len() >= size).then(|| (width, height, &pixels[..size]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_picture_grows_and_can_be_inverted() {
        let ppm = b"P6\n# comment\n2 1\n255\n\x00\x00\x00\xff\xff\xff";
        let plain = prepare(ppm, false).unwrap();
        assert!(plain.starts_with(b"P5\n6 3\n255\n"));
        assert_eq!((plain[11], plain[16]), (0, 255));
        let inverted = prepare(ppm, true).unwrap();
        assert_eq!((inverted[11], inverted[16]), (255, 0));
    }

    #[test]
    fn what_is_no_picture_is_refused() {
        for bytes in [
            &b""[..],
            b"P5\n1 1\n255\n\0",
            b"P6\n2 2\n255\n\0",
            b"P6\n0 0\n255\n",
        ] {
            assert!(prepare(bytes, false).is_none());
        }
        assert!(prepare(b"P6\n99999999999 99999999999\n255\n", false).is_none());
    }
}

//! From characters to keys, on the US layout.

/// The key chord for a character or name, as QEMU's `sendkey` takes it. What is not in the table is
/// passed on: key names and chords such as `ctrl-alt-delete`.
pub fn chord(key: &str) -> String {
    let mut characters = key.chars();
    match (characters.next(), characters.next()) {
        (Some(character), None) => of_character(character).unwrap_or_else(|| key.to_owned()),
        _ => key.to_owned(),
    }
}

/// Keys that carry two characters: the scan code, without and with shift.
const PAIRS: &[(u8, char, char)] = &[
    (0x0c, '-', '_'),
    (0x0d, '=', '+'),
    (0x1a, '[', '{'),
    (0x1b, ']', '}'),
    (0x27, ';', ':'),
    (0x28, '\'', '"'),
    (0x29, '`', '~'),
    (0x2b, '\\', '|'),
    (0x33, ',', '<'),
    (0x34, '.', '>'),
    (0x35, '/', '?'),
];

/// Above the digits 1 to 9 and 0, whose scan codes begin with 2.
const ABOVE_DIGITS: &str = "!@#$%^&*()";

fn of_character(character: char) -> Option<String> {
    if character.is_ascii_uppercase() {
        return Some(format!("shift-{}", character.to_ascii_lowercase()));
    }
    match character {
        ' ' => return Some("spc".into()),
        '\n' => return Some("ret".into()),
        '\t' => return Some("tab".into()),
        _ => {}
    }
    if let Some(index) = ABOVE_DIGITS.find(character) {
        return Some(format!("shift-0x{:02X}", index + 2));
    }
    PAIRS.iter().find_map(|(code, plain, shifted)| {
        if *plain == character {
            Some(format!("0x{code:02X}"))
        } else if *shifted == character {
            Some(format!("shift-0x{code:02X}"))
        } else {
            None
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_those_of_the_table() {
        for (key, expected) in [
            ("a", "a"),
            ("7", "7"),
            ("X", "shift-x"),
            (" ", "spc"),
            ("\n", "ret"),
            ("!", "shift-0x02"),
            (")", "shift-0x0B"),
            ("-", "0x0C"),
            ("_", "shift-0x0C"),
            ("\"", "shift-0x28"),
            ("?", "shift-0x35"),
            ("\\", "0x2B"),
            ("ctrl-alt-delete", "ctrl-alt-delete"),
            ("ret", "ret"),
            ("", ""),
            ("é", "é"),
        ] {
            assert_eq!(chord(key), expected, "{key:?}");
        }
    }
}

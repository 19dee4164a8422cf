//! The lines of an indented string beside the lines of the script that it became.

/// Finds the script in the file, from a line (from 1) on. The line where `testScript` is defined
/// may lie some lines before the text: a function's head and a `let` can stand between.
pub(super) fn align(script: &[&str], nix: &[&str], from: usize) -> Vec<Option<u32>> {
    let mut best = (0, Vec::new());
    for start in from.saturating_sub(1)..nix.len() {
        for (opening, _) in nix[start].match_indices("''") {
            // The first line of a text that begins behind the quotes is the rest of that line.
            let rest = &nix[start][opening + 2..];
            let places = if rest.trim().is_empty() {
                follow(script, nix, start + 1)
            } else {
                let mut lines = nix.to_vec();
                lines[start] = rest;
                follow(script, &lines, start)
            };
            let found = places.iter().flatten().count();
            if found > best.0 {
                best = (found, places);
            }
        }
        // All that carries text was found: no later place can be better.
        let wanted = script.iter().filter(|line| !line.is_empty()).count();
        if best.0 >= wanted.max(1) {
            break;
        }
    }
    let wanted = script.iter().filter(|line| !line.is_empty()).count();
    if best.0 * 2 < wanted {
        vec![None; script.len()]
    } else {
        best.1
    }
}

/// Walks both texts side by side. An interpolation may have become anything, also several lines.
pub(super) fn follow(script: &[&str], nix: &[&str], start: usize) -> Vec<Option<u32>> {
    let mut places = vec![None; script.len()];
    let mut at = start;
    let mut index = 0;
    while index < script.len() && at < nix.len() {
        let line = nix[at].trim();
        if same(script[index], line) {
            if !script[index].is_empty() || line.is_empty() {
                places[index] = Some((at + 1) as u32);
            }
            index += 1;
            at += 1;
        } else if line.contains("${") {
            // Several lines may have come of this one: they end where the next literal line is.
            let next = nix[at + 1..].iter().map(|line| line.trim());
            let literal = next
                .clone()
                .find(|line| !line.is_empty() && !line.contains("${"));
            let end = literal.and_then(|literal| {
                script[index..]
                    .iter()
                    .position(|line| same(line, literal))
                    .map(|n| index + n)
            });
            let Some(end) = end else { break };
            for place in &mut places[index..end] {
                *place = Some((at + 1) as u32);
            }
            at += 1;
            index = end;
            while at < nix.len() && !same(script[index], nix[at].trim()) {
                at += 1;
            }
        } else if at > start
            && nix[at - 1].contains("${")
            && let Some(more) = script[index..].iter().position(|script| same(script, line))
        {
            // More lines came of the line before than the one that was taken for it.
            for place in &mut places[index..index + more] {
                *place = Some(at as u32);
            }
            index += more;
        } else {
            break;
        }
    }
    places
}

/// Whether a line of the file gives this line of the script.
fn same(script: &str, nix: &str) -> bool {
    if script == nix {
        return true;
    }
    // `''${`, `'''` and `''\n` are how an indented string writes `${`, `''` and a line end.
    let plain = nix
        .replace("''${", "\u{1}{")
        .replace("''$", "$")
        .replace("'''", "''");
    let plain = plain.replace("''\\", "\\");
    let mut parts = Vec::new();
    let mut tail = plain.as_str();
    // The end of the string may stand behind the last line.
    if let Some(end) = tail.find("'';") {
        tail = &tail[..end];
    }
    while let Some(open) = tail.find("${") {
        parts.push(tail[..open].replace('\u{1}', "$"));
        let mut depth = 0;
        let mut close = tail.len();
        for (offset, c) in tail[open..].char_indices() {
            match c {
                '{' => depth += 1,
                '}' => depth -= 1,
                _ => continue,
            }
            if depth == 0 {
                close = open + offset + 1;
                break;
            }
        }
        tail = &tail[close..];
    }
    parts.push(tail.replace('\u{1}', "$"));
    fits(&parts, script)
}

/// Whether a line of the script is made of these texts, in this order, with anything in between.
pub(super) fn fits(parts: &[String], script: &str) -> bool {
    let mut rest = script;
    let count = parts.len();
    if count == 1 {
        return script == parts[0].trim_end();
    }
    // What is literal must be there in order.
    if parts.iter().all(|part| part.trim().is_empty()) {
        return count == 2 && !script.is_empty() && !script.contains('\n');
    }
    for (number, part) in parts.iter().enumerate() {
        let last = number + 1 == count;
        if number == 0 {
            let Some(after) = rest.strip_prefix(part.as_str()) else {
                return false;
            };
            rest = after;
        } else if last {
            return rest.ends_with(part.trim_end());
        } else {
            let Some(found) = rest.find(part.as_str()) else {
                return false;
            };
            rest = &rest[found + part.len()..];
        }
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    fn places(script: &str, nix: &str) -> Vec<u32> {
        let script: Vec<&str> = script.lines().map(str::trim).collect();
        align(&script, &nix.lines().collect::<Vec<_>>(), 1)
            .into_iter()
            .map(|place| place.unwrap_or(0))
            .collect()
    }

    #[test]
    fn lines_are_found() {
        let plain = "{\n  testScript = ''\n    a()\n\n    b()\n  '';\n}\n";
        assert_eq!(places("a()\n\nb()\n", plain), [3, 4, 5]);

        let function = "{\n  testScript = { nodes, ... }: let\n    x = ''\n      other\n    '';\n  in ''\n    a(${toString nodes.m.port})\n    if b:\n      c(\"''${HOME}\")\n  '';\n}\n";
        assert_eq!(
            places("a(80)\nif b:\n  c(\"${HOME}\")\n", function),
            [7, 8, 9]
        );

        let one = "{ testScript = ''a()''; }";
        assert_eq!(places("a()", one), [1]);
    }

    #[test]
    fn an_interpolation_may_become_several_lines() {
        let nix = "testScript = ''\n  start()\n  ${common}\n  end()\n'';\n";
        assert_eq!(places("start()\none()\ntwo()\nend()\n", nix), [2, 3, 3, 4]);
    }
}

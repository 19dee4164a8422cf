//! From a line of the script to the line of the file that it was written in.
//!
//! Most scripts are one indented string at the place where `testScript` is defined, with
//! interpolations. What is not found so is looked for in all strings of that file and in the files
//! that it names: scripts are put together of several strings, or read from a file.

mod align;
mod strings;

use std::path::{Component, Path, PathBuf};

use snowglobe_events::Location;
use snowglobe_plan::Script;

use self::align::{align, fits, follow};
use self::strings::{Piece, pieces};

/// Where the script's lines come from.
#[derive(Clone, Debug, Default)]
pub struct ScriptMap {
    lines: Vec<String>,
    files: Vec<String>,
    /// File and line for each of the script's lines.
    places: Vec<Option<(usize, u32)>>,
}

/// A file that is larger is no script, nor is one that defines it.
const SIZE: u64 = 4 << 20;
/// So many files that the first one names are looked into.
const FILES: usize = 64;

impl ScriptMap {
    /// Reads the file that the script is defined in, if it is known and can be read, and files that
    /// it names if need be.
    pub fn new(script: &Script) -> Self {
        let mut map = Self::from_text(&script.text);
        let Some(position) = &script.position else {
            return map;
        };
        let file = PathBuf::from(&position.file);
        let Some(nix) = read(&file) else {
            return map;
        };
        let lines: Vec<&str> = script.text.lines().map(str::trim).collect();
        let nix_lines: Vec<&str> = nix.lines().collect();
        let found = align(&lines, &nix_lines, position.line as usize);
        map.files.push(position.file.clone());
        map.places = found.into_iter().map(|line| Some((0, line?))).collect();
        if !map.whole(&lines) {
            let mut sources = vec![Source::new(0, &file, nix)];
            for other in named(&sources[0].text, &file) {
                if let Some(text) = read(&other) {
                    sources.push(Source::new(map.files.len(), &other, text));
                    map.files.push(other.display().to_string());
                }
            }
            map.search(&lines, &sources);
        }
        map
    }

    /// For a script that stands for itself.
    pub fn from_text(text: &str) -> Self {
        Self {
            lines: text.lines().map(str::to_owned).collect(),
            ..Self::default()
        }
    }

    /// The place of a line of the script, from 1.
    pub fn location(&self, line: u32) -> Location {
        let index = (line as usize).wrapping_sub(1);
        let source = self.lines.get(index).cloned().unwrap_or_default();
        match self.places.get(index).copied().flatten() {
            Some((file, place)) => Location {
                file: self.files[file].clone(),
                line: place,
                script_line: line,
                source,
            },
            None => Location {
                file: "testScript".to_owned(),
                line,
                script_line: line,
                source,
            },
        }
    }

    /// The script's text, line by line.
    pub fn lines(&self) -> &[String] {
        &self.lines
    }

    /// Whether everything that is not blank has a place.
    fn whole(&self, lines: &[&str]) -> bool {
        let mut both = lines.iter().zip(&self.places);
        both.all(|(line, place)| line.is_empty() || place.is_some())
    }

    /// Finds what has no place yet, each time the source that has most of what comes next.
    fn search(&mut self, lines: &[&str], sources: &[Source]) {
        let mut index = 0;
        while index < lines.len() {
            if lines[index].is_empty() || self.places[index].is_some() {
                index += 1;
                continue;
            }
            let open = self.places[index..].iter().take_while(|p| p.is_none());
            let rest = &lines[index..index + open.count()];
            let best = sources.iter().flat_map(|source| source.find(rest));
            let best = best.max_by_key(|(_, places)| told(rest, places));
            // A bracket alone is everywhere.
            let Some((file, places)) = best.filter(|(_, places)| told(rest, places) > 2) else {
                index += 1;
                continue;
            };
            for (offset, place) in places.iter().enumerate() {
                self.places[index + offset] = place.map(|line| (file, line));
            }
            index += places.iter().take_while(|p| p.is_some()).count().max(1);
        }
    }
}

/// How many characters have been found.
fn told(lines: &[&str], places: &[Option<u32>]) -> usize {
    let both = lines.iter().zip(places);
    both.filter_map(|(line, place)| place.map(|_| line.len()))
        .sum()
}

fn read(file: &Path) -> Option<String> {
    let data = file.metadata().ok()?;
    if !data.is_file() || data.len() > SIZE {
        return None;
    }
    std::fs::read_to_string(file).ok()
}

/// Files that a text names relative to its own place, such as `./script.py`.
fn named(text: &str, file: &Path) -> Vec<PathBuf> {
    let folder = file.parent().unwrap_or(Path::new("/"));
    let allowed = |c: char| c.is_ascii_alphanumeric() || "._-+/".contains(c);
    let mut found = Vec::new();
    for word in text.split(|c| !allowed(c)) {
        if found.len() == FILES {
            break;
        }
        if !(word.starts_with("./") || word.starts_with("../")) {
            continue;
        }
        let mut path = folder.to_owned();
        for part in Path::new(word).components() {
            match part {
                Component::ParentDir => drop(path.pop()),
                Component::Normal(name) => path.push(name),
                _ => {}
            }
        }
        if path != file && !found.contains(&path) {
            found.push(path);
        }
    }
    found
}

/// A file that may hold a part of the script.
struct Source {
    number: usize,
    text: String,
    /// Strings of a Nix file; `None`: another language.
    strings: Option<Vec<Piece>>,
}

impl Source {
    fn new(number: usize, file: &Path, text: String) -> Self {
        let nix = file.extension().is_some_and(|end| end == "nix");
        let strings = nix.then(|| pieces(&text));
        Self {
            number,
            text,
            strings,
        }
    }

    /// All places where these lines may begin.
    fn find(&self, script: &[&str]) -> Vec<(usize, Vec<Option<u32>>)> {
        let mut found = Vec::new();
        let lines: Vec<&str> = self.text.lines().collect();
        let Some(strings) = &self.strings else {
            let begins = lines.iter().enumerate();
            let begins = begins.filter(|(_, line)| line.trim() == script[0]);
            for (start, _) in begins {
                let same = script.iter().zip(&lines[start..]);
                let count = same.take_while(|(a, b)| **a == b.trim()).count();
                found.push(
                    (start + 1..start + 1 + count)
                        .map(|n| Some(n as u32))
                        .collect(),
                );
            }
            return found.into_iter().map(|p| (self.number, p)).collect();
        };
        for piece in strings {
            match piece {
                Piece::Indented { line, rest } => {
                    let mut own = lines.clone();
                    own[*line] = rest;
                    let blank = own[*line..].iter().take_while(|l| l.trim().is_empty());
                    let start = line + blank.count();
                    found.push(follow(script, &own, start));
                }
                Piece::Quoted { lines } => {
                    for start in 0..lines.len() {
                        let same = script.iter().zip(&lines[start..]);
                        let same = same.take_while(|(script, (parts, _))| fits(parts, script));
                        found.push(same.map(|(_, (_, line))| Some(*line as u32)).collect());
                    }
                }
            }
        }
        found.into_iter().map(|p| (self.number, p)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The places of a script in a folder of files, the first of which defines it.
    #[track_caller]
    fn check(files: &[(&str, &str)], line: u32, script: &str, expect: &[(&str, u32)]) {
        let folder = tempfile::tempdir().unwrap();
        for (name, text) in files {
            std::fs::write(folder.path().join(name), text).unwrap();
        }
        let file = folder.path().join(files[0].0).display().to_string();
        let script: Script = serde_json::from_value(serde_json::json!({
            "text": script, "position": {"file": file, "line": line, "column": 1},
        }))
        .unwrap();
        let map = ScriptMap::new(&script);
        let found: Vec<(String, u32)> = (1..=map.lines().len() as u32)
            .map(|line| map.location(line))
            .map(|place| {
                let name = Path::new(&place.file).file_name().unwrap();
                (name.to_string_lossy().into_owned(), place.line)
            })
            .collect();
        let found: Vec<(&str, u32)> = found.iter().map(|(f, l)| (f.as_str(), *l)).collect();
        assert_eq!(found, expect);
    }

    #[test]
    fn a_script_may_be_read_from_a_file() {
        let nix = "{\n  testScript = builtins.readFile ./x.py;\n  other = ''\n    z\n  '';\n}\n";
        let python = "# about\nimport re\n\na(\"${b}\")\n";
        let expect = [("x.py", 1), ("x.py", 2), ("x.py", 3), ("x.py", 4)];
        check(&[("t.nix", nix), ("x.py", python)], 2, python, &expect);
    }

    #[test]
    fn a_script_may_be_put_together() {
        let nix = "let\n  common = ''\n    start_all()\n    x = 1\n  '';\nin {\n  testScript = common + ''\n    a(x)\n  '' + builtins.readFile ./end.py\n    + \"b()\";\n}\n";
        let expect = [
            ("t.nix", 3),
            ("t.nix", 4),
            ("t.nix", 8),
            ("end.py", 1),
            ("t.nix", 10),
        ];
        check(
            &[("t.nix", nix), ("end.py", "end(x)\n")],
            7,
            "start_all()\nx = 1\na(x)\nend(x)\nb()",
            &expect,
        );
    }

    #[test]
    fn a_script_may_be_a_quoted_string() {
        let nix = "{ # \"no\"\n  testScript = \"m.succeed(\\\"${x \"y\"}\\\")\\nb()\n c()\";\n}\n";
        let expect = [("t.nix", 2), ("t.nix", 2), ("t.nix", 3)];
        check(
            &[("t.nix", nix)],
            2,
            "m.succeed(\"xy\")\nb()\n c()",
            &expect,
        );
        // Begun on a line of its own, in a file from Windows.
        let nix = "{\r\n  testScript = \"\r\n    a()\r\n  \";\r\n}\r\n";
        let expect = [("testScript", 1), ("t.nix", 3), ("t.nix", 4)];
        check(&[("t.nix", nix)], 2, "\n    a()\n  ", &expect);
    }

    #[test]
    fn a_script_may_come_from_another_nix_file() {
        let nix = "{\n  testScript = import ./script.nix;\n}\n";
        let other = "{ nodes, ... }:\n''\n  a()\n  b(${toString nodes})\n''\n";
        let expect = [("script.nix", 3), ("script.nix", 4)];
        check(
            &[("t.nix", nix), ("script.nix", other)],
            2,
            "a()\nb(80)\n",
            &expect,
        );
    }

    #[test]
    fn what_is_nowhere_stands_for_itself() {
        let nix = "{ testScript = make ''\n  z\n''; }\n";
        let expect = [("testScript", 1), ("testScript", 2)];
        check(&[("t.nix", nix)], 1, "a()\nb()\n", &expect);
        let map = ScriptMap::from_text("a()\nb()\n");
        let place = map.location(2);
        assert_eq!(
            (place.file.as_str(), place.line, place.source.as_str()),
            ("testScript", 2, "b()")
        );
        assert_eq!(map.location(99).source, "");
        assert_eq!(map.location(0).source, "");
    }
}

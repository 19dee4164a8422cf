//! What was typed before, kept between sessions.

use std::io::Write;
use std::path::{Path, PathBuf};

use fs_err as fs;

/// Entries that are kept.
const KEPT: usize = 5000;

/// Entries, oldest first, and where one looks at them.
#[derive(Debug)]
pub struct History {
    file: PathBuf,
    entries: Vec<String>,
    /// Index of the entry that is shown; as many as entries: the new one.
    at: usize,
    /// What was being typed when one began to look back.
    draft: String,
}

impl History {
    /// Reads the file, one JSON string a line; what cannot be read is left out.
    pub fn load(file: &Path) -> Self {
        let text = fs::read_to_string(file).unwrap_or_default();
        let entries: Vec<String> = text
            .lines()
            .filter_map(|line| serde_json::from_str(line).ok())
            .collect();
        Self {
            file: file.to_owned(),
            at: entries.len(),
            entries,
            draft: String::new(),
        }
    }

    /// Adds an entry, unless it repeats the last one; it is in the file when this returns.
    pub fn add(&mut self, entry: &str) -> std::io::Result<()> {
        let entry = entry.trim();
        if !entry.trim().is_empty() && self.entries.last().is_none_or(|last| last != entry) {
            self.entries.push(entry.to_owned());
            self.at = self.entries.len();
            return self.keep(entry);
        }
        self.at = self.entries.len();
        Ok(())
    }

    fn keep(&self, entry: &str) -> std::io::Result<()> {
        if let Some(folder) = self.file.parent() {
            fs::create_dir_all(folder)?;
        }
        if self.entries.len() > 2 * KEPT {
            let lines = self.entries[self.entries.len() - KEPT..].iter();
            let text: String = lines.map(|entry| line_of(entry)).collect();
            let fresh = self
                .file
                .with_extension(format!("new-{}", std::process::id()));
            fs::write(&fresh, text)?;
            return fs::rename(&fresh, &self.file);
        }
        // One write to the end: sessions side by side do not mix their lines.
        let mut file = fs::OpenOptions::new()
            .create(true)
            .append(true)
            .open(&self.file)?;
        file.write_all(line_of(entry).as_bytes())
    }

    /// The entry before the one shown; `text` is what is in the line now.
    pub fn previous(&mut self, text: &str) -> Option<&str> {
        if self.at == self.entries.len() {
            self.draft = text.to_owned();
        }
        self.at = self.at.checked_sub(1)?;
        self.entries.get(self.at).map(String::as_str)
    }

    /// The entry after the one shown; at the end, what was being typed.
    pub fn following(&mut self) -> Option<&str> {
        if self.at == self.entries.len() {
            return None;
        }
        self.at += 1;
        Some(self.entries.get(self.at).unwrap_or(&self.draft))
    }

    /// Goes back to the new entry.
    pub fn end(&mut self) {
        self.at = self.entries.len();
        self.draft.clear();
    }

    /// The newest entry with a text, older than entry `before`.
    pub fn search(&self, text: &str, before: usize) -> Option<(usize, &str)> {
        let end = before.min(self.entries.len());
        let found = self.entries[..end]
            .iter()
            .rposition(|entry| entry.contains(text))?;
        Some((found, &self.entries[found]))
    }
}

fn line_of(entry: &str) -> String {
    format!("{}\n", serde_json::Value::from(entry))
}

#[cfg(test)]
mod tests {
    use super::History;

    #[test]
    fn entries_come_back() {
        let folder = std::env::temp_dir().join(format!("repl-history-{}", std::process::id()));
        let file = folder.join("history");
        let mut history = History::load(&file);
        for entry in ["1 + 1", "let\n  a = 1;\nin a", "let\n  a = 1;\nin a", " "] {
            history.add(entry).expect("it can be written");
        }
        let mut again = History::load(&file);
        assert_eq!(again.previous("dra"), Some("let\n  a = 1;\nin a"));
        assert_eq!(again.previous("x"), Some("1 + 1"));
        assert_eq!(again.previous("x"), None);
        assert_eq!(again.following(), Some("let\n  a = 1;\nin a"));
        assert_eq!(again.following(), Some("dra"));
        assert_eq!(again.following(), None);
        assert_eq!(again.search("+", usize::MAX).map(|found| found.0), Some(0));
        assert_eq!(again.search("+", 0), None);
        std::fs::remove_dir_all(&folder).expect("it was made here");
    }
}

//! Tests that have passed: the same test need not be run again.
//!
//! One small file a test, named by everything that the test is made of: its plan, in which every
//! store path stands for its content, the state of the archives, how machines are run, and this
//! program itself. Only passes are kept.

use std::path::{Path, PathBuf};

use fs_err as fs;
use serde::{Deserialize, Serialize};
use snowglobe_plan::Test;

use crate::arguments::{Accel, Machines};
use crate::error::{CliError, Result};

/// Where passes are kept.
pub struct Passed {
    folder: PathBuf,
}

/// A test that passed.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Pass {
    /// Its name.
    pub test: String,
    /// The file.
    pub file: String,
    /// When its run began, in microseconds since 1970.
    pub wall: u64,
    /// How long it took, in microseconds.
    pub duration: u64,
    /// The run folder.
    pub run: String,
}

impl Passed {
    /// Passes lie in the cache.
    pub fn new(cache: &Path) -> Self {
        Self {
            folder: cache.join("passed"),
        }
    }

    /// The pass of a test; what cannot be read is none.
    pub fn get(&self, key: &str) -> Option<Pass> {
        let path = self.path(key);
        let pass = serde_json::from_slice(&fs::read(&path).ok()?).ok()?;
        // For whoever collects what is not used.
        if let Ok(file) = fs::File::open(&path) {
            let _ = file.file().set_modified(std::time::SystemTime::now());
        }
        Some(pass)
    }

    /// Remembers a pass.
    pub fn put(&self, key: &str, pass: &Pass) -> Result<()> {
        fs::create_dir_all(&self.folder)?;
        let mut file = tempfile::NamedTempFile::new_in(&self.folder)?;
        serde_json::to_writer(&mut file, pass).map_err(CliError::environment)?;
        file.persist(self.path(key))
            .map_err(|error| CliError::from(error.error))?;
        Ok(())
    }

    /// Forgets a pass: the test has failed since.
    pub fn forget(&self, key: &str) {
        let _ = fs::remove_file(self.path(key));
    }

    fn path(&self, key: &str) -> PathBuf {
        self.folder.join(format!("{key}.json"))
    }
}

/// The name of a test's pass; `None` if the test may depend on more than can be named.
pub fn key(archive: &str, test: &Test, machines: &Machines) -> Option<String> {
    if machines.internet || machines.keep_state {
        return None;
    }
    let mut test = test.clone();
    // Where things stand in a file, and what is said about them, changes no result.
    test.script.position = None;
    test.attr_path.clear();
    test.warnings.clear();
    let text = serde_json::to_vec(&test).ok()?;
    let accel = match machines.accel {
        Accel::Auto => "auto",
        Accel::Kvm => "kvm",
        Accel::Tcg => "tcg",
    };
    let how = format!("{accel} {}", if machines.cold { "cold" } else { "warm" });
    let mut hash = blake3::Hasher::new();
    for part in [
        b"snowglobe passed 1",
        identity()?.as_bytes(),
        archive.as_bytes(),
        how.as_bytes(),
        &text,
    ] {
        hash.update(&(part.len() as u64).to_le_bytes());
        hash.update(part);
    }
    Some(hash.finalize().to_hex()[..40].to_owned())
}

/// What tells this program from every other build of it: the linker's build id, which is a digest of
/// all that is in it, or else the digest of the file.
fn identity() -> Option<String> {
    let program = Path::new("/proc/self/exe");
    let mut head = vec![0; 64 << 10];
    let mut file = std::fs::File::open(program).ok()?;
    let count = std::io::Read::read(&mut file, &mut head).ok()?;
    if let Some(id) = build_id(&head[..count]) {
        return Some(id.iter().map(|byte| format!("{byte:02x}")).collect());
    }
    let mut hash = blake3::Hasher::new();
    hash.update_reader(std::fs::File::open(program).ok()?)
        .ok()?;
    Some(hash.finalize().to_hex().to_string())
}

/// The build id in the beginning of a 64-bit little-endian ELF file, if its note is there.
fn build_id(file: &[u8]) -> Option<&[u8]> {
    const PT_NOTE: u32 = 4;
    const NT_GNU_BUILD_ID: u32 = 3;
    let u16_at = |at: usize| Some(u16::from_le_bytes(file.get(at..at + 2)?.try_into().ok()?));
    let u32_at = |at: usize| Some(u32::from_le_bytes(file.get(at..at + 4)?.try_into().ok()?));
    let u64_at = |at: usize| {
        let bytes = file.get(at..at.checked_add(8)?)?;
        usize::try_from(u64::from_le_bytes(bytes.try_into().ok()?)).ok()
    };
    if file.get(..6)? != b"\x7fELF\x02\x01" {
        return None;
    }
    let (headers, size, count) = (u64_at(32)?, u16_at(54)?, u16_at(56)?);
    for number in 0..usize::from(count) {
        let header = headers.checked_add(number * usize::from(size))?;
        if u32_at(header)? != PT_NOTE {
            continue;
        }
        let begin = u64_at(header.checked_add(8)?)?;
        let end = begin.checked_add(u64_at(header.checked_add(32)?)?)?;
        let mut at = begin;
        while at < end && end <= file.len() {
            let name_size = u32_at(at)? as usize;
            let data_size = u32_at(at + 4)? as usize;
            let kind = u32_at(at + 8)?;
            let name = at + 12;
            let data = name.checked_add(name_size.next_multiple_of(4))?;
            let next = data.checked_add(data_size.next_multiple_of(4))?;
            if kind == NT_GNU_BUILD_ID && file.get(name..name + name_size)? == b"GNU\0" {
                return file.get(data..data.checked_add(data_size)?);
            }
            at = next;
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_was_put_is_found() {
        let folder = tempfile::tempdir().unwrap();
        let passed = Passed::new(folder.path());
        let pass = Pass {
            test: "t".to_owned(),
            file: "/t.nix".to_owned(),
            wall: 1,
            duration: 2,
            run: "/runs/t".to_owned(),
        };
        assert_eq!(passed.get("k"), None);
        passed.put("k", &pass).unwrap();
        assert_eq!(passed.get("k"), Some(pass));
        assert_eq!(passed.get("other"), None);
        fs::write(folder.path().join("passed/k.json"), "{").unwrap();
        assert_eq!(passed.get("k"), None, "a torn file is no pass");
        passed.forget("k");
        assert!(!folder.path().join("passed/k.json").exists());
    }

    #[test]
    fn this_program_has_an_identity() {
        assert!(identity().unwrap().len() >= 32);
    }

    #[test]
    fn no_file_makes_the_reader_of_build_ids_panic() {
        let program = fs::read("/proc/self/exe").unwrap();
        let head = &program[..4096.min(program.len())];
        for cut in 0..head.len() {
            build_id(&head[..cut]);
        }
        for at in 0..512 {
            let mut changed = head.to_vec();
            changed[at] = 0xff;
            build_id(&changed);
        }
    }
}

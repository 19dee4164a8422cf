//! The agent as bytes: a static program for the initrd of a machine.

/// An ELF executable for this processor that needs no other file.
pub static AGENT: &[u8] = include_bytes!(env!("SNOWGLOBE_AGENT_BINARY"));

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;
    use std::process::Command;

    use super::AGENT;

    fn number(at: usize, bytes: usize) -> usize {
        AGENT[at..at + bytes]
            .iter()
            .rev()
            .fold(0, |sum, &byte| sum << 8 | usize::from(byte))
    }

    #[test]
    fn it_is_small_and_asks_for_no_loader() {
        assert!(AGENT.starts_with(b"\x7fELF"));
        let (headers, size, count) = (number(32, 8), number(54, 2), number(56, 2));
        let kinds: Vec<_> = (0..count)
            .map(|at| number(headers + at * size, 4))
            .collect();
        assert!(!kinds.contains(&3), "it has PT_INTERP: {kinds:?}");
        assert!(AGENT.len() <= 2 << 20, "{} bytes", AGENT.len());
    }

    #[test]
    fn it_runs() {
        let place = tempfile::tempdir().unwrap();
        let path = place.path().join("agent");
        std::fs::write(&path, AGENT).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).unwrap();
        let output = Command::new(&path).arg("--version").output().unwrap();
        assert!(output.status.success());
        assert!(output.stdout.starts_with(b"snowglobe-agent "), "{output:?}");
        // Anywhere but in a machine it refuses.
        assert!(!Command::new(&path).status().unwrap().success());
    }
}

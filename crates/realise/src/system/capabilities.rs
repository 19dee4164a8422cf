//! File capabilities: from `setcap`'s words to the extended attribute (`struct vfs_cap_data`,
//! version 2, see linux/capability.h).

/// In the order of their numbers.
const NAMES: &[&str] = &[
    "chown",
    "dac_override",
    "dac_read_search",
    "fowner",
    "fsetid",
    "kill",
    "setgid",
    "setuid",
    "setpcap",
    "linux_immutable",
    "net_bind_service",
    "net_broadcast",
    "net_admin",
    "net_raw",
    "ipc_lock",
    "ipc_owner",
    "sys_module",
    "sys_rawio",
    "sys_chroot",
    "sys_ptrace",
    "sys_pacct",
    "sys_admin",
    "sys_boot",
    "sys_nice",
    "sys_resource",
    "sys_time",
    "sys_tty_config",
    "mknod",
    "lease",
    "audit_write",
    "audit_control",
    "setfcap",
    "mac_override",
    "mac_admin",
    "syslog",
    "wake_alarm",
    "block_suspend",
    "audit_read",
    "perfmon",
    "bpf",
    "checkpoint_restore",
];

const VERSION_2: u32 = 0x0200_0000;
const EFFECTIVE: u32 = 1;

/// Reads clauses such as `cap_net_raw,cap_net_admin+ep`, separated by spaces.
pub fn parse(text: &str) -> Option<[u8; 20]> {
    let (mut permitted, mut inheritable, mut effective) = (0u64, 0u64, false);
    for clause in text.split_whitespace() {
        let (names, flags) = clause.split_once(['+', '='])?;
        let mut set = 0u64;
        for name in names.split(',') {
            let name = name.strip_prefix("cap_")?;
            set |= 1 << NAMES.iter().position(|known| *known == name)?;
        }
        for flag in flags.chars() {
            match flag {
                'p' => permitted |= set,
                'i' => inheritable |= set,
                'e' => effective = true,
                _ => return None,
            }
        }
    }
    let mut value = [0; 20];
    let words = [
        VERSION_2 | if effective { EFFECTIVE } else { 0 },
        permitted as u32,
        inheritable as u32,
        (permitted >> 32) as u32,
        (inheritable >> 32) as u32,
    ];
    for (bytes, word) in value.chunks_exact_mut(4).zip(words) {
        bytes.copy_from_slice(&word.to_le_bytes());
    }
    Some(value)
}

#[cfg(test)]
mod tests {
    use super::parse;

    #[test]
    fn the_attribute_is_as_setcap_writes_it() {
        // As `setcap cap_net_raw+ep` leaves it: getfattr -n security.capability -e hex.
        let expected = [
            1, 0, 0, 2, 0, 0x20, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
        ];
        assert_eq!(parse("cap_net_raw+ep"), Some(expected));
        assert_eq!(parse("cap_net_raw,cap_bogus+ep"), None);
        assert_eq!(parse("net_raw+ep"), None);
    }
}

//! Takes capabilities away from the program that will be executed.

use rustix::io::Errno;
use rustix::thread::{
    CapabilitySet, capability_is_in_bounding_set, remove_capability_from_bounding_set,
    set_no_new_privs,
};

use crate::error::Failure;
use crate::spec::Privileges;

/// What [`Privileges::Install`] leaves.
const INSTALL: CapabilitySet = CapabilitySet::CHOWN
    .union(CapabilitySet::DAC_OVERRIDE)
    .union(CapabilitySet::DAC_READ_SEARCH)
    .union(CapabilitySet::FOWNER)
    .union(CapabilitySet::FSETID)
    .union(CapabilitySet::KILL)
    .union(CapabilitySet::SETGID)
    .union(CapabilitySet::SETUID)
    .union(CapabilitySet::SETPCAP)
    .union(CapabilitySet::SETFCAP)
    .union(CapabilitySet::SYS_CHROOT)
    .union(CapabilitySet::NET_BIND_SERVICE)
    .union(CapabilitySet::AUDIT_WRITE);

/// Restricts what any program executed from now on can have. The calling process keeps what it has.
pub(crate) fn restrict(privileges: Privileges) -> Result<(), Failure> {
    let kept = match privileges {
        Privileges::None => {
            set_no_new_privs(true)
                .map_err(|errno| Failure::new("prctl(PR_SET_NO_NEW_PRIVS)", errno))?;
            CapabilitySet::empty()
        }
        Privileges::Install => INSTALL,
    };
    for bit in 0..64 {
        let capability = CapabilitySet::from_bits_retain(1 << bit);
        if kept.contains(capability) {
            continue;
        }
        match capability_is_in_bounding_set(capability) {
            // The kernel knows no capability of this number, nor a higher one.
            Err(Errno::INVAL) => break,
            Ok(true) => remove_capability_from_bounding_set(capability)
                .map_err(|errno| Failure::new("prctl(PR_CAPBSET_DROP)", errno))?,
            Ok(false) | Err(_) => {}
        }
    }
    Ok(())
}

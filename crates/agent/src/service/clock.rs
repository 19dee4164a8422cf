//! The clock and the random pool.

use std::fs::{self, File, OpenOptions};
use std::io::Write;
use std::time::Instant;

use rustix::ioctl::{NoArg, Opcode, Setter, ioctl};
use rustix::time::{ClockId, Timespec, clock_settime};
use snowglobe_agent_protocol::Failure;

use super::call::{invalid, system};

/// `RNDADDENTROPY` and `RNDRESEEDCRNG` of `linux/random.h`.
const ADD_ENTROPY: Opcode = 0x4008_5203;
const RESEED: Opcode = 0x5207;
/// Enough for any pool.
const MOST: usize = 512;

/// Sets the clock to a time, and what has passed since it was received: in a machine just restored
/// everything runs for the first time and takes long.
pub fn set(unix_ns: u64, received: Instant) -> Result<(), Failure> {
    let second = 1_000_000_000;
    let passed = u64::try_from(received.elapsed().as_nanos()).unwrap_or(0);
    let unix_ns = unix_ns.saturating_add(passed);
    let time = Timespec {
        tv_sec: i64::try_from(unix_ns / second).map_err(|_| invalid("a time too far away"))?,
        // Below a thousand million.
        tv_nsec: (unix_ns % second) as _,
    };
    clock_settime(ClockId::Realtime, time).map_err(|error| system("set the clock", error))
}

/// Mixes bytes into the kernel's random pool, counts them fully and makes the generator use them.
pub fn add_entropy(bytes: &[u8]) -> Result<(), Failure> {
    #[repr(C)]
    struct Pool {
        entropy_bits: i32,
        bytes: i32,
        data: [u8; MOST],
    }
    if bytes.is_empty() || bytes.len() > MOST {
        return Err(invalid(format!(
            "{} bytes of randomness; 1 to {MOST} are right",
            bytes.len()
        )));
    }
    let random = OpenOptions::new()
        .write(true)
        .open("/dev/random")
        .map_err(|error| system("open /dev/random", error))?;
    // At most 512.
    let count = bytes.len() as i32;
    let mut pool = Pool {
        entropy_bits: count * 8,
        bytes: count,
        data: [0; MOST],
    };
    pool.data[..bytes.len()].copy_from_slice(bytes);
    // SAFETY: the kernel reads two numbers and as many bytes as the second says, all within `Pool`.
    let added = unsafe { ioctl(&random, Setter::<ADD_ENTROPY, Pool>::new(pool)) };
    added.map_err(|error| system("add randomness", error))?;
    // SAFETY: takes no argument.
    let reseeded = unsafe { ioctl(&random, NoArg::<RESEED>::new()) };
    reseeded.map_err(|error| system("reseed the random generator", error))
}

/// A machine has just been restored: what must not be as it was when it was saved.
pub fn restored(unix_ns: u64, received: Instant, entropy: &[u8]) -> Result<(), Failure> {
    // First what others may read at once.
    add_entropy(entropy)?;
    set(unix_ns, received)?;
    renew_seed();
    Ok(())
}

/// The seed for the next boot, if there is one, is the same in all clones of a machine.
fn renew_seed() {
    const SEED: &str = "/var/lib/systemd/random-seed";
    let Ok(old) = fs::metadata(SEED) else { return };
    let mut seed = vec![0; usize::try_from(old.len()).unwrap_or(0).min(4096)];
    let renew = || -> std::io::Result<()> {
        std::io::Read::read_exact(&mut File::open("/dev/urandom")?, &mut seed)?;
        OpenOptions::new().write(true).open(SEED)?.write_all(&seed)
    };
    if let Err(error) = { renew }() {
        super::kernel_log(&format!("cannot renew {SEED}: {error}"));
    }
}

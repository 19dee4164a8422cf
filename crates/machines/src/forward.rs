//! Ports of the host that lead into a machine.
//!
//! QEMU has a network of its own and cannot listen on the host. So we do; each connection is handed
//! on to a port of QEMU's loopback, which QEMU forwards into the machine.

use std::io;
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Weak};
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use crate::running::Process;

/// How often a listener looks whether its machine still runs.
const LOOK: Timespec = Timespec {
    tv_sec: 1,
    tv_nsec: 0,
};
/// How long a connection that nobody uses is kept.
const IDLE: Duration = Duration::from_secs(3600);

/// Hands connections on until the machine ends. `port` is that of QEMU's loopback.
pub(crate) fn forward(listener: TcpListener, process: &Arc<Process>, port: u16) -> io::Result<()> {
    listener.set_nonblocking(true)?;
    let process = Arc::downgrade(process);
    std::thread::Builder::new()
        .name("forward".into())
        .spawn(move || {
            while running(&process).is_some() {
                match poll(&mut [PollFd::new(&listener, PollFlags::IN)], Some(&LOOK)) {
                    Ok(0) | Err(rustix::io::Errno::INTR) => continue,
                    Ok(_) => {}
                    Err(_) => return,
                }
                let Ok((outside, _)) = listener.accept() else {
                    continue;
                };
                let Some(process) = running(&process) else {
                    return;
                };
                // A machine that does not answer must not hold up the next connection.
                let _ = std::thread::Builder::new()
                    .name("forward".into())
                    .spawn(move || {
                        if let Ok(inside) = process.connect(port) {
                            let _ = join(outside, inside);
                        }
                    });
            }
        })?;
    Ok(())
}

fn running(process: &Weak<Process>) -> Option<Arc<Process>> {
    process
        .upgrade()
        .filter(|process| process.ended().is_none())
}

fn join(outside: TcpStream, inside: TcpStream) -> io::Result<()> {
    outside.set_nonblocking(false)?;
    for stream in [&outside, &inside] {
        stream.set_read_timeout(Some(IDLE))?;
        stream.set_nodelay(true)?;
    }
    let (mut from_outside, mut to_outside) = (outside.try_clone()?, outside);
    let (mut from_inside, mut to_inside) = (inside.try_clone()?, inside);
    let thread = std::thread::Builder::new()
        .name("forward".into())
        .spawn(move || {
            let _ = io::copy(&mut from_outside, &mut to_inside);
            let _ = to_inside.shutdown(Shutdown::Write);
        })?;
    let _ = io::copy(&mut from_inside, &mut to_outside);
    let _ = to_outside.shutdown(Shutdown::Both);
    let _ = thread.join();
    Ok(())
}

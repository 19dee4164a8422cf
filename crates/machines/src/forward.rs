//! Ports of the host that lead into a machine.
//!
//! QEMU has a network of its own and cannot listen on the host. So we do; each connection is handed
//! on to a port of QEMU's loopback, which QEMU forwards into the machine.

use std::io;
use std::net::{IpAddr, Shutdown, TcpListener, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, poll};

use crate::running::Process;

/// How long a port of a machine that has ended may take to be free.
const FREE_LIMIT: Duration = Duration::from_millis(500);
const RETRY: Duration = Duration::from_millis(10);
/// How long a connection that nobody uses is kept.
const IDLE: Duration = Duration::from_secs(3600);

/// Hands connections on until the machine ends. `port` is that of QEMU's loopback.
pub(crate) fn forward(listener: TcpListener, process: &Arc<Process>, port: u16) -> io::Result<()> {
    listener.set_nonblocking(true)?;
    let lifeline = process.lifeline()?;
    let process = Arc::downgrade(process);
    std::thread::Builder::new()
        .name("forward".into())
        .spawn(move || {
            loop {
                let mut waited = [
                    PollFd::new(&listener, PollFlags::IN),
                    PollFd::new(&lifeline, PollFlags::IN),
                ];
                match poll(&mut waited, None) {
                    Err(rustix::io::Errno::INTR) => continue,
                    Ok(_) if waited[1].revents().is_empty() => {}
                    Ok(_) | Err(_) => return,
                }
                let Ok((outside, _)) = listener.accept() else {
                    // Perhaps there are no descriptors left; do not ask at full speed.
                    std::thread::sleep(RETRY);
                    continue;
                };
                let Some(process) = process.upgrade() else {
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

/// Listens on a port of the host. That of a machine which ended just now may not be free yet.
pub(crate) fn listen(address: IpAddr, port: u16) -> io::Result<TcpListener> {
    let deadline = Instant::now() + FREE_LIMIT;
    loop {
        match TcpListener::bind((address, port)) {
            Err(error) if error.kind() == io::ErrorKind::AddrInUse && Instant::now() < deadline => {
                std::thread::sleep(RETRY);
            }
            result => return result,
        }
    }
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

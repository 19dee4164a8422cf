//! Connections into a sandbox that has a network of its own.
//!
//! A socket belongs to the network in which it was made. So process 1 of the sandbox makes and
//! connects it, and passes the descriptor out.

use std::io::{self, IoSlice, IoSliceMut};
use std::mem::MaybeUninit;
use std::net::{Ipv4Addr, SocketAddr, TcpStream};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use rustix::net::sockopt::{Timeout, set_socket_timeout};
use rustix::net::{
    AddressFamily, RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendAncillaryBuffer,
    SendAncillaryMessage, SendFlags, SocketFlags, SocketType, recv, recvmsg, send, sendmsg,
    socketpair,
};

/// How long a connection on a loopback may take.
const LIMIT: Duration = Duration::from_secs(10);

/// Connects to ports of a sandbox's loopback.
#[derive(Debug)]
pub struct Connector(Mutex<OwnedFd>);

impl Connector {
    /// A connector and the end that process 1 serves.
    pub(crate) fn pair() -> io::Result<(Self, OwnedFd)> {
        let (ours, theirs) = socketpair(
            AddressFamily::UNIX,
            SocketType::SEQPACKET,
            SocketFlags::CLOEXEC,
            None,
        )?;
        // Longer than process 1 tries.
        set_socket_timeout(&ours, Timeout::Recv, Some(LIMIT * 2))?;
        Ok((Self(Mutex::new(ours)), theirs))
    }

    /// Connects to a TCP port on the sandbox's 127.0.0.1.
    ///
    /// # Errors
    ///
    /// When nobody listens there, or the sandbox has ended.
    pub fn connect(&self, port: u16) -> io::Result<TcpStream> {
        let socket = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        send(&*socket, &port.to_ne_bytes(), SendFlags::NOSIGNAL)?;
        let mut errno = [0; 4];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut control = RecvAncillaryBuffer::new(&mut space);
        let received = recvmsg(
            &*socket,
            &mut [IoSliceMut::new(&mut errno)],
            &mut control,
            RecvFlags::CMSG_CLOEXEC,
        )?;
        if received.bytes != errno.len() {
            return Err(io::ErrorKind::BrokenPipe.into());
        }
        let descriptor = control.drain().find_map(|message| match message {
            RecvAncillaryMessage::ScmRights(mut descriptors) => descriptors.next(),
            _ => None,
        });
        match (i32::from_ne_bytes(errno), descriptor) {
            (0, Some(descriptor)) => Ok(descriptor.into()),
            (0, None) => Err(io::ErrorKind::InvalidData.into()),
            (errno, _) => Err(io::Error::from_raw_os_error(errno)),
        }
    }
}

/// Serves connectors until the other end is closed.
pub(crate) fn serve(socket: &OwnedFd) {
    let mut port = [0; 2];
    while let Ok((2, _)) = recv(socket, &mut port, RecvFlags::empty()) {
        let address = SocketAddr::from((Ipv4Addr::LOCALHOST, u16::from_ne_bytes(port)));
        let (errno, stream) = match TcpStream::connect_timeout(&address, LIMIT) {
            Ok(stream) => (0, Some(stream)),
            Err(error) => (
                error
                    .raw_os_error()
                    .unwrap_or(rustix::io::Errno::TIMEDOUT.raw_os_error()),
                None,
            ),
        };
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut control = SendAncillaryBuffer::new(&mut space);
        let descriptors = stream.as_ref().map(|stream| [stream.as_fd()]);
        if let Some(descriptors) = &descriptors {
            control.push(SendAncillaryMessage::ScmRights(descriptors));
        }
        let bytes = errno.to_ne_bytes();
        if sendmsg(
            socket,
            &[IoSlice::new(&bytes)],
            &mut control,
            SendFlags::NOSIGNAL,
        )
        .is_err()
        {
            return;
        }
    }
}

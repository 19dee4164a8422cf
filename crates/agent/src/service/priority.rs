//! Who goes first: requests that the agent answers itself, before all else in the machine.
//!
//! A machine that has just been restored has a lot to do, all of it for the first time: its device
//! manager, journal and clocks have noticed. The host's request shall not wait for that. What runs
//! for a script (commands, copies) goes with everybody else, and so does what these start.

use rustix::io::Errno;

/// The lowest of the priorities that go before ordinary ones.
const FIRST: i32 = 1;

/// From now on the calling thread goes first, and threads that it starts.
pub fn lead() {
    set(libc::SCHED_RR, FIRST);
}

/// The calling thread still goes first, but not the processes that it starts.
pub fn lead_alone() {
    set(libc::SCHED_RR | libc::SCHED_RESET_ON_FORK, FIRST);
}

/// The calling thread is like any other again.
pub fn follow() {
    set(libc::SCHED_OTHER, 0);
}

fn set(policy: i32, priority: i32) {
    let parameters = libc::sched_param {
        sched_priority: priority,
    };
    // SAFETY: the kernel reads one number, which outlives the call. 0 is the calling thread.
    let done = unsafe { libc::sched_setscheduler(0, policy, &parameters) };
    if done != 0 {
        // Slower answers are answers still.
        let error = Errno::from_io_error(&std::io::Error::last_os_error());
        super::kernel_log(&format!("cannot change the agent's priority: {error:?}"));
    }
}

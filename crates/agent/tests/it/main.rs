//! The service as a machine's host sees it: agent and client over a pair of sockets, with the shell of
//! this computer.

mod commands;
mod conversation;
mod manager;
mod waits;

use std::os::unix::net::UnixStream;
use std::path::Path;
use std::thread;
use std::time::Duration;

use snowglobe_agent::service::{Config, EndOfStream, Login, serve};
use snowglobe_agent_client::{Agent, ExecRequest, ExecResult};

/// Nothing here takes so long.
const LONG: Duration = Duration::from_secs(60);

fn config(state: &Path) -> Config {
    Config {
        end_of_stream: EndOfStream::Stop,
        first: false,
        state: state.to_owned(),
        login: Login::AtOnce,
        system_manager: state.join("private"),
        runtime_directories: state.join("user"),
        journal: None,
    }
}

/// An agent of its own for each test.
struct World {
    agent: Agent,
    place: tempfile::TempDir,
}

impl World {
    fn new() -> Self {
        Self::with(|_| {})
    }

    fn with(change: impl FnOnce(&mut Config)) -> Self {
        let place = tempfile::tempdir().unwrap();
        let (ours, theirs) = UnixStream::pair().unwrap();
        let mut config = config(place.path());
        change(&mut config);
        thread::spawn(move || serve(theirs, config).unwrap());
        let agent = Agent::connect(ours).unwrap();
        agent.hello(Some(LONG)).unwrap();
        Self { agent, place }
    }

    fn path(&self, name: &str) -> String {
        self.place.path().join(name).to_str().unwrap().to_owned()
    }

    #[track_caller]
    fn run(&self, command: &str) -> ExecResult {
        self.agent
            .exec(&ExecRequest::shell(command).timeout(Some(LONG)))
            .unwrap()
    }

    #[track_caller]
    fn check(&self, command: &str, status: i32, stdout: &str) {
        let result = self.run(command);
        let text = String::from_utf8_lossy(&result.stdout);
        assert_eq!((result.status, &*text), (status, stdout), "{command}");
    }
}

impl Drop for World {
    fn drop(&mut self) {
        self.agent.disconnect();
    }
}

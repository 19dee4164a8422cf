//! Waits for files and sockets, copies.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::{UnixDatagram, UnixListener};
use std::path::Path;
use std::thread;
use std::time::Duration;

use snowglobe_agent_client::Error;

use crate::{LONG, World};

const SHORT: Option<Duration> = Some(Duration::from_millis(150));

#[test]
fn files() {
    let world = World::new();
    let (plain, pattern) = (world.path("sub/plain"), world.path("*.x"));
    assert!(!world.agent.wait_for_file(&plain, true, SHORT).unwrap());
    assert!(!world.agent.wait_for_file(&pattern, true, SHORT).unwrap());
    assert!(
        world
            .agent
            .wait_for_file("/tm? ", true, Some(LONG))
            .unwrap()
    );
    assert!(
        world
            .agent
            .wait_for_file("$HOME/.", true, Some(LONG))
            .unwrap()
    );
    thread::scope(|scope| {
        let waits = [&plain, &pattern].map(|path| {
            let world = &world;
            scope.spawn(move || world.agent.wait_for_file(path, true, Some(LONG)).unwrap())
        });
        thread::sleep(Duration::from_millis(100));
        fs::create_dir(world.place.path().join("sub")).unwrap();
        thread::sleep(Duration::from_millis(50));
        fs::write(&plain, "").unwrap();
        fs::write(world.place.path().join("a.x"), "").unwrap();
        for wait in waits {
            assert!(wait.join().unwrap());
        }
        let gone = scope.spawn(|| {
            world
                .agent
                .wait_for_file(&plain, false, Some(LONG))
                .unwrap()
        });
        thread::sleep(Duration::from_millis(50));
        fs::remove_file(&plain).unwrap();
        assert!(gone.join().unwrap());
    });
}

#[test]
fn tcp_ports() {
    let world = World::new();
    let free = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let agent = &world.agent;
    assert!(!agent.wait_for_port("localhost", free, true, SHORT).unwrap());
    assert!(
        agent
            .wait_for_port("127.0.0.1", free, false, Some(LONG))
            .unwrap()
    );
    assert!(
        !agent
            .wait_for_port("no-such-host.invalid", free, true, SHORT)
            .unwrap()
    );
    thread::scope(|scope| {
        let wait = scope.spawn(|| {
            agent
                .wait_for_port("localhost", free, true, Some(LONG))
                .unwrap()
        });
        thread::sleep(Duration::from_millis(80));
        let listener = TcpListener::bind(("127.0.0.1", free)).unwrap();
        assert!(wait.join().unwrap());
        let closed = scope.spawn(|| {
            agent
                .wait_for_port("127.0.0.1", free, false, Some(LONG))
                .unwrap()
        });
        thread::sleep(Duration::from_millis(50));
        drop(listener);
        assert!(closed.join().unwrap());
    });
}

#[test]
fn unix_sockets() {
    let world = World::new();
    let (stream, datagram) = (world.path("s"), world.path("d"));
    assert!(
        !world
            .agent
            .wait_for_unix_socket(&stream, false, SHORT)
            .unwrap()
    );
    let _stream = UnixListener::bind(&stream).unwrap();
    let _datagram = UnixDatagram::bind(&datagram).unwrap();
    for (path, is_datagram, expected) in [
        (&stream, false, true),
        (&datagram, true, true),
        (&stream, true, false),
        (&datagram, false, false),
    ] {
        let reached = world
            .agent
            .wait_for_unix_socket(path, is_datagram, SHORT)
            .unwrap();
        assert_eq!(reached, expected, "{path} {is_datagram}");
    }
}

#[test]
fn trees_go_both_ways() {
    let world = World::new();
    let source = world.place.path().join("source");
    fs::create_dir_all(source.join("deep/er")).unwrap();
    fs::write(source.join("deep/big"), vec![0xa5; 5_000_000]).unwrap();
    fs::write(source.join("deep/er/run"), "#!/bin/sh\n").unwrap();
    fs::set_permissions(
        source.join("deep/er/run"),
        fs::Permissions::from_mode(0o755),
    )
    .unwrap();
    for number in 0..3000 {
        fs::write(source.join(format!("many-{number}")), number.to_string()).unwrap();
    }
    let (inside, outside) = (
        world.path("new/inside"),
        world.place.path().join("out/side"),
    );
    world.agent.copy_in(&source, &inside).unwrap();
    world.agent.copy_out(&inside, &outside).unwrap();
    world.check(
        &format!(
            "diff -r {} {} && echo same",
            source.display(),
            outside.display()
        ),
        0,
        "same\n",
    );
    let mode = fs::metadata(outside.join("deep/er/run"))
        .unwrap()
        .permissions()
        .mode();
    assert_eq!(mode & 0o777, 0o755);
    // One file, into a directory that is there.
    world
        .agent
        .copy_in(&source.join("deep/er/run"), &inside)
        .unwrap();
    assert!(Path::new(&inside).join("run").is_file());

    let nothing = world.place.path().join("nothing");
    let error = world.agent.copy_out("/no/such/file", &nothing).unwrap_err();
    assert!(
        matches!(&error, Error::Failed(failure) if failure.message.contains("/no/such/file")),
        "{error}"
    );
    assert!(!nothing.exists());
    assert!(
        world
            .agent
            .copy_in(Path::new("/no/such/file"), &inside)
            .is_err()
    );
    assert!(world.agent.copy_in(&source, "relative").is_err());
    world.agent.ping().unwrap();
}

#[test]
fn facts_name_listening_ports() {
    let world = World::new();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let facts = world.agent.facts().unwrap();
    assert!(
        facts
            .listeners
            .iter()
            .any(|socket| socket.port == port && socket.address == "127.0.0.1")
    );
    assert!(facts.memory_total_kib > facts.memory_available_kib && facts.memory_available_kib > 0);
    assert!(facts.mounts.iter().any(|mount| mount.path == "/"));
}

//! Frames survive every way of cutting the stream, and damage costs only what it touches.

use proptest::prelude::*;
use snowglobe_agent_protocol::*;

fn all(decoder: &mut Decoder) -> Vec<Result<RawFrame, FrameError>> {
    std::iter::from_fn(|| decoder.next_frame()).collect()
}

fn good(bytes: &[u8]) -> Vec<RawFrame> {
    let mut decoder = Decoder::new();
    decoder.push(bytes);
    all(&mut decoder).into_iter().flatten().collect()
}

proptest! {
    #[test]
    fn any_payload_comes_back(id: u32, payload in proptest::collection::vec(prop_oneof![Just(0u8), any::<u8>()], 0..2000)) {
        let bytes = encode(id, &ToAgent::Ping, &payload).unwrap();
        prop_assert!(!bytes[1..bytes.len() - 1].contains(&0));
        let frames = good(&bytes);
        prop_assert_eq!(frames.len(), 1);
        prop_assert_eq!(frames[0].id, id);
        prop_assert_eq!(&frames[0].payload, &payload);
        prop_assert_eq!(frames[0].message::<ToAgent>().unwrap(), ToAgent::Ping);
    }

    #[test]
    fn any_cut_gives_the_same_frames(sizes in proptest::collection::vec(1usize..400, 1..40)) {
        let mut bytes = Vec::new();
        for id in 1..20u32 {
            let payload = vec![(id % 3) as u8; id as usize * 37];
            bytes.extend(encode(id, &ToHost::Data { channel: Channel::Stdout }, &payload).unwrap());
        }
        let mut decoder = Decoder::new();
        let (mut rest, mut seen) = (&bytes[..], Vec::new());
        for size in sizes.iter().cycle() {
            if rest.is_empty() { break }
            let (now, later) = rest.split_at((*size).min(rest.len()));
            decoder.push(now);
            seen.extend(all(&mut decoder).into_iter().map(|frame| frame.unwrap().id));
            rest = later;
        }
        prop_assert_eq!(seen, (1..20).collect::<Vec<_>>());
    }

    #[test]
    fn rubbish_never_panics_and_the_next_frame_is_found(rubbish in proptest::collection::vec(any::<u8>(), 0..5000)) {
        let mut bytes = rubbish;
        bytes.extend(encode(7, &ToAgent::Cancel, b"x").unwrap());
        let mut decoder = Decoder::new();
        decoder.push(&bytes);
        let frames = all(&mut decoder);
        let last = frames.last().unwrap().as_ref().unwrap();
        prop_assert_eq!((last.id, &last.payload[..]), (7, &b"x"[..]));
    }

    #[test]
    fn a_lost_piece_costs_only_its_frame(from in 0usize..300, length in 1usize..300) {
        let mut bytes = encode(1, &ToAgent::Ping, &[5; 600]).unwrap();
        bytes.drain(from..from + length);
        bytes.extend(encode(2, &ToAgent::Ping, b"").unwrap());
        let frames = good(&bytes);
        prop_assert_eq!(frames.last().unwrap().id, 2);
        prop_assert!(frames.len() == 1);
    }
}

#[test]
fn lengths_at_the_edges_of_the_stuffing() {
    for length in [0, 1, 253, 254, 255, 507, 508, 509, 10_000] {
        for byte in [0, 1, 255] {
            let payload = vec![byte; length];
            let frames = good(&encode(1, &ToAgent::Ping, &payload).unwrap());
            assert_eq!(frames[0].payload, payload, "{length} times {byte}");
        }
    }
}

#[test]
fn a_stream_without_end_does_not_fill_the_memory() {
    let mut decoder = Decoder::new();
    let mut errors = Vec::new();
    for _ in 0..200 {
        decoder.push(&[1; 65536]);
        errors.extend(all(&mut decoder).into_iter().filter_map(Result::err));
    }
    assert_eq!(errors, [FrameError::TooLong]);
    decoder.push(&encode(3, &ToAgent::Ping, b"").unwrap());
    let frames = all(&mut decoder);
    assert_eq!(frames.len(), 1, "{frames:?}");
}

#[test]
fn an_unknown_message_is_an_error_of_its_own() {
    let frames = good(&encode(1, &"Nonsense", b"").unwrap());
    let error = frames[0].message::<ToAgent>().unwrap_err();
    assert!(matches!(error, FrameError::Header(_)), "{error}");
}

#[test]
fn too_much_is_refused_by_the_sender() {
    let error = encode(1, &ToAgent::Ping, &vec![0; MAX_PAYLOAD + 1]).unwrap_err();
    assert!(matches!(error, FrameError::TooLarge { .. }), "{error}");
}

#[test]
fn messages_come_back() {
    let exec = Exec {
        strict: true,
        timeout_ms: Some(5),
        user: Some("alice".into()),
        ..Exec::default()
    };
    let messages = [
        ToAgent::Exec(Box::new(exec.clone())),
        ToAgent::Until(Box::new(Until {
            exec,
            success: true,
            timeout_ms: None,
            max_pause_ms: 1000,
        })),
        ToAgent::Entry(Entry {
            path: vec!["a".into()],
            kind: EntryKind::File { length: 3 },
            mode: 0o644,
        }),
        ToAgent::Power(PowerAction::Reboot),
    ];
    for message in messages {
        let frames = good(&encode(9, &message, b"").unwrap());
        assert_eq!(frames[0].message::<ToAgent>().unwrap(), message);
    }
}

#[test]
fn boot_configuration_has_defaults_and_refuses_unknown_fields() {
    let config: BootConfig =
        serde_json::from_str(r#"{"format":1,"toplevel":"/nix/store/x"}"#).unwrap();
    assert_eq!(
        config.disk_directories,
        ["/var", "/home", "/root", "/srv", "/tmp"]
    );
    assert!(serde_json::from_str::<BootConfig>(r#"{"format":1,"toplevel":"","x":1}"#).is_err());
}

//! Downloads over HTTP from a server that misbehaves.

use std::collections::HashMap;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

use snowglobe_archive::{Digest, Downloads, Error, Fetcher, Silent, Wanted};

/// What the server does with a request.
#[derive(Clone, Copy)]
enum Answer {
    /// The whole content, from where the request asks.
    Good,
    /// So many bytes, then the connection ends.
    Cut(usize),
    /// Only a status.
    Status(u16),
}

/// Serves `content` under every path. Answers are taken in turn, the last one for ever. Returns the
/// address and the `Range` headers that were seen.
fn serve(content: Vec<u8>, answers: Vec<Answer>) -> (String, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = format!("http://{}", listener.local_addr().unwrap());
    let seen = Arc::new(Mutex::new(Vec::new()));
    let ranges = seen.clone();
    std::thread::spawn(move || {
        for (number, stream) in listener.incoming().enumerate() {
            let answer = answers
                .get(number)
                .or(answers.last())
                .copied()
                .unwrap_or(Answer::Good);
            // A client that goes away is none of our business.
            let _ = respond(stream.unwrap(), &content, answer, &ranges);
        }
    });
    (address, seen)
}

fn respond(
    mut stream: TcpStream,
    content: &[u8],
    answer: Answer,
    ranges: &Mutex<Vec<String>>,
) -> std::io::Result<()> {
    let mut headers = HashMap::new();
    for line in BufReader::new(stream.try_clone()?).lines() {
        let line = line?;
        if line.is_empty() {
            break;
        }
        if let Some((name, value)) = line.split_once(": ") {
            headers.insert(name.to_lowercase(), value.to_owned());
        }
    }
    let range = headers.get("range").cloned().unwrap_or_default();
    ranges.lock().unwrap().push(range.clone());
    let start: usize = range
        .trim_start_matches("bytes=")
        .trim_end_matches('-')
        .parse()
        .unwrap_or(0);
    let body = &content[start..];
    let status = match answer {
        Answer::Status(status) => {
            return write!(
                stream,
                "HTTP/1.1 {status} x\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
            );
        }
        _ if start > 0 => 206,
        _ => 200,
    };
    write!(
        stream,
        "HTTP/1.1 {status} x\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    )?;
    stream.write_all(match answer {
        Answer::Cut(length) => &body[..length.min(body.len())],
        _ => body,
    })
}

fn content() -> Vec<u8> {
    (0..300_000_u32).map(|n| (n % 251) as u8).collect()
}

fn get(url: &str, content: &[u8]) -> Result<Vec<u8>, Error> {
    let cache = tempfile::tempdir().unwrap();
    let downloads = Downloads::new(
        cache.path().to_owned(),
        Fetcher::new(false, Arc::new(Silent)),
    );
    let wanted = Wanted {
        name: "a test".into(),
        urls: vec![format!("{url}/pool/file")],
        digest: Digest::sha256(content),
        size: Some(content.len() as u64),
    };
    downloads
        .get(&wanted)
        .map(|path| std::fs::read(path).unwrap())
}

#[test]
fn goes_on_where_it_was_cut_off() {
    let content = content();
    let (url, ranges) = serve(
        content.clone(),
        vec![Answer::Cut(100_000), Answer::Status(503), Answer::Good],
    );
    assert_eq!(get(&url, &content).unwrap(), content);
    let ranges = ranges.lock().unwrap();
    assert_eq!(ranges.len(), 3);
    assert_eq!(ranges[0], "");
    assert!(
        ranges[2].starts_with("bytes=") && ranges[2] != "bytes=0-",
        "{ranges:?}"
    );
}

#[test]
fn wrong_content_is_tried_once_more_and_named() {
    let (url, ranges) = serve(vec![1; 300_000], vec![Answer::Good]);
    let error = get(&url, &content()).unwrap_err();
    assert!(
        matches!(&error, Error::Digest { what, .. } if what.starts_with(&url)),
        "{error}"
    );
    assert_eq!(ranges.lock().unwrap().len(), 2);
}

#[test]
fn more_than_promised_is_refused() {
    let (url, _) = serve(vec![1; 500_000], vec![Answer::Good]);
    assert!(matches!(get(&url, &content()), Err(Error::Size { .. })));
}

#[test]
fn a_missing_file_is_named_at_once() {
    let (url, ranges) = serve(Vec::new(), vec![Answer::Status(404)]);
    let error = get(&url, &content()).unwrap_err().to_string();
    assert!(
        error.contains("/pool/file does not exist (HTTP 404)"),
        "{error}"
    );
    assert_eq!(ranges.lock().unwrap().len(), 1);
}

#[test]
fn nobody_listens() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    drop(listener);
    let error = Fetcher::new(true, Arc::new(Silent))
        .bytes(&format!("{url}/x"), 10)
        .unwrap_err();
    assert!(matches!(error, Error::Offline { .. }));
}

//! A site that answers at once, but for one stall in which it holds every answer back: the truth
//! beside which `benches/stall` puts what load tools say of it.
//!
//! ```text
//! cargo run --release --example stalling_site -- PORT AFTER LENGTH
//! ```
//!
//! The stall begins AFTER seconds from the first request and lasts LENGTH seconds. On `GET /log` it
//! says how long the longest time between two answers was, in milliseconds, and begins anew.

use std::error::Error;
use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

const ANSWER: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nok\n";

#[derive(Default)]
struct Log {
    first: Option<Instant>,
    last: Option<Instant>,
    longest: Duration,
    answers: u64,
}

fn main() -> Result<(), Box<dyn Error>> {
    let mut arguments = std::env::args().skip(1);
    let mut next = || arguments.next().ok_or("usage: stalling_site PORT AFTER LENGTH");
    let port: u16 = next()?.parse()?;
    let after = Duration::from_secs_f64(next()?.parse()?);
    let length = Duration::from_secs_f64(next()?.parse()?);
    let listener = TcpListener::bind(("127.0.0.1", port))?;
    rustix::net::listen(&listener, 4096)?;
    let log = Arc::new(Mutex::new(Log::default()));
    for stream in listener.incoming() {
        let (stream, log) = (stream?, Arc::clone(&log));
        std::thread::spawn(move || serve(stream, &log, after, length));
    }
    Ok(())
}

fn serve(mut stream: TcpStream, log: &Mutex<Log>, after: Duration, length: Duration) {
    let _ = stream.set_nodelay(true);
    let mut asked = Vec::new();
    let mut piece = [0; 4096];
    loop {
        let Some(end) = asked.windows(4).position(|window| window == b"\r\n\r\n") else {
            match stream.read(&mut piece) {
                Ok(read) if read > 0 => asked.extend_from_slice(&piece[..read]),
                _ => return,
            }
            continue;
        };
        let log_wanted = asked.starts_with(b"GET /log");
        let close = asked[..end].windows(5).any(|window| window.eq_ignore_ascii_case(b"close"));
        asked.drain(..end + 4);
        let lock = || log.lock().unwrap_or_else(PoisonError::into_inner);
        if log_wanted {
            let was = std::mem::take(&mut *lock());
            let text = format!("{:.1} {}\n", was.longest.as_secs_f64() * 1e3, was.answers);
            let head = format!("HTTP/1.0 200 OK\r\nContent-Length: {}\r\n\r\n{text}", text.len());
            let _ = stream.write_all(head.as_bytes());
            return;
        }
        let now = Instant::now();
        let begin = *lock().first.get_or_insert(now) + after;
        if now >= begin && now < begin + length {
            std::thread::sleep(begin + length - now);
        }
        if stream.write_all(ANSWER).is_err() {
            return;
        }
        let answered = Instant::now();
        let mut log = lock();
        if let Some(last) = log.last {
            log.longest = log.longest.max(answered.saturating_duration_since(last));
        }
        log.last = Some(log.last.unwrap_or(answered).max(answered));
        log.answers += 1;
        if close {
            return;
        }
    }
}

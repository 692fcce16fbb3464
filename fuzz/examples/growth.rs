//! Does time or memory grow faster than the input? Every file is made long in several ways, once so
//! long and once four times so long: `growth TARGET DIRECTORY…`.

use std::path::Path;
use std::time::{Duration, Instant};

use deploy_doctor_fuzz::{LIMIT, peak_of, target};

const SHORT: usize = 32 << 10;
const TIMES: usize = 4;
/// What takes less is not looked at; a build that is not optimised takes ten times as long.
const SHORTEST: Duration = Duration::from_millis(if cfg!(debug_assertions) { 400 } else { 60 });

/// A text of this length made of one file's bytes: whole, its lines each many times over, its middle,
/// its beginning.
fn long(bytes: &[u8], way: usize, length: usize) -> Vec<u8> {
    let again = |part: &[u8]| part.iter().copied().cycle().take(length).collect::<Vec<u8>>();
    let third = bytes.len() / 3;
    match way {
        0 => again(bytes),
        1 => again(&bytes[third..(2 * third).max(third + 1).min(bytes.len())]),
        2 => [&bytes[..third], &again(&bytes[third..])].concat(),
        3 => {
            let line = bytes.split_inclusive(|byte| *byte == b'\n').max_by_key(|line| line.len());
            again(line.unwrap_or(bytes))
        }
        4 => {
            let lines: Vec<&[u8]> = bytes.split_inclusive(|byte| *byte == b'\n').collect();
            let each = (length / bytes.len()).max(1);
            lines.iter().flat_map(|line| line.repeat(each)).collect()
        }
        _ => {
            // One line that never ends.
            let words: Vec<u8> =
                bytes.iter().map(|byte| if *byte == b'\n' { b' ' } else { *byte }).collect();
            again(&words)
        }
    }
}

fn look(name: &str, path: &Path, slow: &mut Vec<String>) {
    let Ok(bytes) = std::fs::read(path) else { return };
    if bytes.is_empty() {
        return;
    }
    let run = target(name);
    let timed = |input: &[u8]| {
        let began = Instant::now();
        let used = peak_of(|| run(input));
        (began.elapsed(), used)
    };
    for way in 0..6 {
        let (short, _) = timed(&long(&bytes, way, SHORT));
        let (took, used) = timed(&long(&bytes, way, SHORT * TIMES));
        let grows = took > SHORTEST && took > short * (2 * TIMES as u32);
        if grows || used > LIMIT {
            let times = took.as_secs_f64() / short.as_secs_f64().max(1e-6);
            let file = path.display();
            slow.push(format!(
                "{:8.0} ms, {times:.0} times, {} KiB: way {way} of {file}",
                took.as_secs_f64() * 1e3,
                used >> 10
            ));
        }
    }
}

fn main() {
    let mut words = std::env::args().skip(1);
    let name = words.next().expect("the name of a target");
    let mut slow = Vec::new();
    for directory in words {
        let Ok(entries) = std::fs::read_dir(&directory) else { continue };
        let mut paths: Vec<_> = entries.flatten().map(|entry| entry.path()).collect();
        paths.sort();
        for path in paths {
            look(&name, &path, &mut slow);
        }
    }
    slow.sort();
    println!("{name}: {} grow faster than the input", slow.len());
    slow.iter().rev().take(20).for_each(|line| println!("{line}"));
}

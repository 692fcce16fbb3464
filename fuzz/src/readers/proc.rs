//! What the kernel says of processes and sockets, which programs can write into (names, titles,
//! environments). The first byte of a section's name tells nothing: every reader takes every file.

use deploy_doctor::source::Secret;
use deploy_doctor::source::proc::{
    HashKey, RunningEnvironment, boot_time, cgroups, command_line, link_target, parse_stat,
    parse_status, tcp_listeners, unix_listeners, uptime,
};

use crate::pack::sections;

pub fn run(input: &[u8]) {
    let key = HashKey::default();
    for section in sections(input) {
        let bytes = section.bytes;
        parse_stat(bytes);
        if let Some(status) = parse_status(bytes) {
            for signal in [0, 1, 10, 64, 65, u32::MAX] {
                status.catches(signal);
            }
        }
        // A word ends in a zero, so there are no more words than zeros, and one.
        let zeros = bytes.iter().filter(|byte| **byte == 0).count();
        assert!(command_line(bytes).len() <= zeros + 1);
        cgroups(bytes);
        boot_time(bytes);
        uptime(bytes);
        let lines = bytes.iter().filter(|byte| **byte == b'\n').count() + 1;
        assert!(unix_listeners(bytes).len() <= lines && tcp_listeners(bytes).len() <= lines);
        link_target(section.name.as_ref());
        environment(bytes, &key);
    }
}

/// Values are compared and never shown.
fn environment(bytes: &[u8], key: &HashKey) {
    let mut own = b"DEPLOY_DOCTOR_FUZZ=c4n4ry d34d\0".to_vec();
    own.extend_from_slice(bytes);
    let read = RunningEnvironment::read(&own, key);
    assert!(read.has("DEPLOY_DOCTOR_FUZZ"));
    let again = bytes.windows(19).any(|part| part == b"DEPLOY_DOCTOR_FUZZ=");
    assert!(again || read.holds("DEPLOY_DOCTOR_FUZZ", &Secret::new("c4n4ry d34d")));
    let shown = bytes.windows(6).any(|part| part == b"c4n4ry");
    assert!(shown || !format!("{read:?}").contains("c4n4ry"), "a value is shown");
    assert!(read.names().all(|name| !name.contains('=')));
}

use crate::facts::room::{Needed, Room};
use crate::facts::{Deployment, Why};
use crate::rule::{EvidenceKind, Safety, Sink};

crate::rule! {
    /// The disk is full: the next deployment fails halfway, uploads get 500, or logging stops.
    ///
    /// The file systems of the releases, of nginx's request bodies (`/var/lib/nginx`,
    /// `/var/cache/nginx`), of the logs and of `/tmp` are checked, as users other than root see
    /// them: reported is less than 32 MiB left (if that is also less than a twentieth of the file
    /// system), or room for fewer than 200 more files, which `df -i` shows and `df -h` does not.
    /// nginx writes the body of a request to a file if it is larger than `client_body_buffer_size`
    /// (16 KiB).
    ///
    /// By hand: `df -h; df -i`, then remove old releases (all but the current and the previous
    /// one), run `journalctl --vacuum-size=200M`, and remove logs that nothing rotates.
    ///
    /// Proved by `disk-full`: pages were answered, and every upload of 100 KiB got 500.
    ///
    /// ```text,bad,room=/var/lib/nginx
    /// size=1073741824 left=4096 files=65536 files-left=60000
    /// ```
    /// ```text,fixed,room=/var/lib/nginx
    /// size=1073741824 left=536870912 files=65536 files-left=60000
    /// ```
    /// ```text,bad,room=/srv
    /// size=42949672960 left=10737418240 files=2621440 files-left=12
    /// ```
    /// Healthy: a small file system that is half empty, and one that nobody can write to:
    ///
    /// ```text,good,room=/var/lib/nginx
    /// size=33554432 left=16777216 files=0 files-left=0
    /// ```
    /// ```text,good,room=/srv
    /// size=33554432 left=0 files=12 files-left=0 read-only
    /// ```
    R714 "disk-full" {
        severity: Warning, impact: Outage, fix: Some(Manual), item: ReloadSucceeds, hop: Release,
        since: "0.1.0", check: Host(check)
    }
}

const MIB: u64 = 1 << 20;
/// So little is no room any more, in bytes and in files.
const LITTLE: u64 = 32 * MIB;
const FEW: u64 = 200;
/// Of a small file system this part.
const PART: u64 = 20;

fn check(deployment: &Deployment, out: &mut Sink) -> Result<(), Why> {
    for needed in deployment.rooms.get()? {
        if let Some(cause) = full(&needed.room) {
            report(needed, &cause, out);
        }
    }
    Ok(())
}

/// What is used up, if anything is.
fn full(room: &Room) -> Option<String> {
    if room.read_only || room.size == 0 {
        return None;
    }
    if room.left < LITTLE.min(room.size / PART) {
        let left = match room.left / MIB {
            0 => format!("{} KiB", room.left / 1024),
            mib => format!("{mib} MiB"),
        };
        return Some(format!("{left} of {} MiB are left", room.size / MIB));
    }
    // Some file systems have no fixed number of files.
    if room.files > 0 && room.files_left < FEW.min(room.files / PART) {
        return Some(format!(
            "only {} of {} files can still be created",
            room.files_left, room.files
        ));
    }
    None
}

fn report(needed: &Needed, cause: &str, out: &mut Sink) {
    let path = needed.path.display();
    out.report(format!("{}: in {path} {cause}", needed.who))
        .observed(EvidenceKind::File, format!("{path}: {cause}"))
        .subject(needed.path.to_string_lossy())
        .help(format!(
            "df -h {path}; df -i {path}\nremove old releases (not the current or the previous \
             one), or:\njournalctl --vacuum-size=200M"
        ))
        .fix(Safety::Manual, format!("free space in {path}"));
}

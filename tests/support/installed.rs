//! What tests install under `target/`, once for all of them.

use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Mutex;

/// Tests run side by side, and the first installs for all.
static INSTALLING: Mutex<()> = Mutex::new(());

/// The directory of this name below `target/tmp` as `install` makes it, empty before; or `None` where
/// that cannot be had. It is made again where `wanted` differs from what it was made of.
pub fn once(name: &str, wanted: &[u8], install: impl FnOnce(&Path) -> bool) -> Option<PathBuf> {
    let _one_at_a_time = INSTALLING.lock();
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).join(name);
    let done = path.join("complete");
    if fs::read(&done).is_ok_and(|before| before == wanted) {
        return Some(path);
    }
    let _ = fs::remove_dir_all(&path);
    fs::create_dir_all(&path).unwrap();
    if !install(&path) {
        return None;
    }
    fs::write(done, wanted).unwrap();
    Some(path)
}

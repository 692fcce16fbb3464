//! What one input holds at once, counted at the allocator: bytes asked for, whoever asks.

use std::alloc::{GlobalAlloc, Layout, System};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// The most that one input may hold at once.
pub const LIMIT: usize = 64 << 20;

static LIVE: AtomicUsize = AtomicUsize::new(0);
static PEAK: AtomicUsize = AtomicUsize::new(0);
static TOLD: AtomicUsize = AtomicUsize::new(0);

struct Counting;

#[global_allocator]
static COUNTING: Counting = Counting;

fn take(size: usize) {
    let live = LIVE.fetch_add(size, Relaxed) + size;
    PEAK.fetch_max(live, Relaxed);
}

fn give(size: usize) {
    LIVE.fetch_sub(size, Relaxed);
}

// SAFETY: all is handed to the system's allocator; only sizes are counted beside.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        take(layout.size());
        unsafe { System.alloc(layout) }
    }

    unsafe fn alloc_zeroed(&self, layout: Layout) -> *mut u8 {
        take(layout.size());
        unsafe { System.alloc_zeroed(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        give(layout.size());
        unsafe { System.dealloc(pointer, layout) }
    }

    unsafe fn realloc(&self, pointer: *mut u8, layout: Layout, size: usize) -> *mut u8 {
        // Where it moves, both are there for a moment.
        take(size);
        let moved = unsafe { System.realloc(pointer, layout, size) };
        give(layout.size());
        moved
    }
}

/// The most that was held at once while this ran, beyond what was held before.
pub fn peak_of(run: impl FnOnce()) -> usize {
    let before = LIVE.load(Relaxed);
    PEAK.store(before, Relaxed);
    run();
    PEAK.load(Relaxed).saturating_sub(before)
}

/// Runs a target on an input; tells of every new greatest use, and stops beyond the limit.
pub fn bounded(name: &str, bytes: &[u8], target: fn(&[u8])) {
    let used = peak_of(|| target(bytes));
    if used > TOLD.fetch_max(used, Relaxed) {
        let size = bytes.len();
        eprintln!("memory: {name} held {} KiB at once for {size} bytes", used.div_ceil(1024));
    }
    assert!(used <= LIMIT, "{name} held {used} bytes at once for {} bytes", bytes.len());
}

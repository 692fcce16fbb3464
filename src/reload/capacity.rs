//! How much gunicorn can do at a time.

use crate::facts::App;
use crate::facts::gunicorn::{is_gthread, is_sync};

/// How many requests gunicorn works on at a time; `None` for workers that wait for many.
pub(super) fn at_a_time(app: &App) -> Option<f64> {
    let settings = &app.gunicorn.settings;
    let class = settings.worker_class();
    let class = class.ok().map(String::as_str).unwrap_or("sync");
    let number = |known: crate::facts::Known<i64>| known.ok().map_or(1.0, |number| *number as f64);
    let workers = number(settings.workers()).max(1.0);
    if is_sync(class) {
        Some(workers)
    } else if is_gthread(class) {
        Some(workers * number(settings.threads()).max(1.0))
    } else {
        None
    }
}

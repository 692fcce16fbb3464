//! Rules of the area `release`.

crate::area![current_dangling, no_rollback, static_stale];

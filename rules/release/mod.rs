//! Rules of the area `release`.

crate::area![
    current_dangling,
    no_rollback,
    dependencies_missing,
    migration_heads,
    migration_destructive,
    migrations_pending,
    static_stale,
    import_unresolved,
    release_mtime_equal,
    venv_broken,
    venv_of_other_release,
    unreadable_release,
    dependencies_conflict,
    shared_venv,
    migration_locks,
    disk_full,
];

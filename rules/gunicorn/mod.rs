//! Rules of the area `gunicorn`.

crate::area![
    single_worker,
    preload_blocks_reload,
    dev_reload,
    reload_drops_requests,
    app_not_found,
    app_syntax_error,
    slow_boot,
    app_import_fails,
];

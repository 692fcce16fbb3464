//! Rules of the area `gunicorn`.

crate::area![
    single_worker,
    preload_blocks_reload,
    dev_reload,
    graceful_timeout_too_short,
    reload_drops_requests,
    app_not_found,
    app_syntax_error,
    slow_boot,
    app_import_fails,
    setting_refused,
    config_file_fails,
    worker_class_missing,
    user_conflict,
    socket_shared,
    reuse_port_unix,
    bind_path_taken,
    bind_malformed,
    port_needs_privilege,
    path_not_writable,
    socket_unreachable_by_nginx,
    server_run_at_import,
    app_interface_mismatch,
    gunicorn_not_importable,
    bind_ignored,
    too_many_workers,
    bind_exposed,
    backlog_too_small,
    max_requests_herd,
    timeout_zero,
    setting_overridden,
    config_file_implicit,
    forwarded_allow_ips,
    spew,
];

/// What the generator of rules begins one with; compiled here so that it keeps up.
#[cfg(test)]
#[allow(dead_code)]
#[path = "../../examples/new-rule/gunicorn.rs"]
mod new_rule;

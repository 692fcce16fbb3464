//! Rules of the area `logs`: what the journal, nginx's log and the site itself say.

crate::area![
    worker_boot_failed,
    upstream_errors,
    site_not_answering,
    app_not_answering,
    last_reload_failed,
    wrong_release_served,
    import_error,
    worker_timeout,
];

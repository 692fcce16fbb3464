//! Rules of the area `nginx`.

crate::area![
    upstream_mismatch,
    forwarded_headers_missing,
    header_inheritance_lost,
    proxy_pass_malformed,
    proxy_timeout_too_short,
    restart_blackout,
    upstream_undefined,
    static_path,
    static_pinned,
    include_broken,
    server_shadowed,
    nginx_syntax,
    nginx_test_fails,
];

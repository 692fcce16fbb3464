//! Rules of the area `environment`.

crate::area![
    line_ignored,
    comment_in_value,
    quote_unbalanced,
    readable_by_others,
    debug_in_production,
    required_missing,
    changed_since_start,
    database_url_driver,
    undecodable,
    continuation_lost,
    duplicate_name,
    not_expanded,
    secret_weak,
];

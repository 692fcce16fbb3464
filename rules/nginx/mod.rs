//! Rules of the area `nginx`.

use crate::facts::nginx::{Destination, DirectiveRef, LocationKind, Model};
use crate::rule::Edit;

crate::area![
    upstream_mismatch,
    forwarded_headers_missing,
    header_inheritance_lost,
    proxy_pass_malformed,
    proxy_timeout_too_short,
    restart_blackout,
    upstream_undefined,
    variable_without_resolver,
    upstream_http2,
    static_path,
    static_pinned,
    static_types_missing,
    include_broken,
    server_shadowed,
    nginx_syntax,
    nginx_test_fails,
    nginx_not_reloaded,
    old_workers_linger,
    enabled_backup_file,
    no_site,
    site_not_enabled,
    certificate_missing,
    certificate_expiring,
    certificate_not_reloaded,
    header_twice,
    retries_non_idempotent,
    buffering_off,
    body_size,
    upstream_keepalive_race,
    descriptors_too_few,
    uri_replaced_by_variable,
    nginx_not_running,
];

pub(super) use upstream_mismatch::{as_peer, rewrite};

/// What the generator of rules begins one with; compiled here so that it keeps up.
#[cfg(test)]
#[allow(dead_code)]
#[path = "../../examples/new-rule/nginx.rs"]
mod new_rule;

/// What is judged of nginx's way to an application, once there is one.
pub(super) const ON_THE_WAY: [&str; 13] = [
    "G205", "G207", "G217", "G224", "N301", "N303", "N304", "N306", "N307", "N312", "N313", "N331",
    "R710",
];

/// New lines for what a pass does: behind the last of `others`, which do so already, else behind
/// the pass itself. `None` if that place is not known.
fn beside(
    model: &Model,
    pass: &Destination,
    others: Option<DirectiveRef<'_>>,
    line: &str,
) -> Option<Edit> {
    let line = line.to_owned();
    if let Some(last) = others {
        // What an include brings stands for others too: behind the include, in the block itself.
        let level = last.parent();
        let file = level.map_or(last.span().file, |level| level.span().file);
        let after = if last.span().file == file {
            last.span()
        } else {
            last.chain().into_iter().rev().find(|include| include.file == file)?
        };
        return Some(Edit::Insert { block: after, after: Some(after), line });
    }
    let behind = |pass: DirectiveRef<'_>, line| {
        let after = pass.span();
        Edit::Insert { block: after, after: Some(after), line }
    };
    let inner = |kind: &LocationKind| matches!(kind, LocationKind::If | LocationKind::LimitExcept);
    let own = pass.location.and_then(|id| model.location(id)).filter(|own| inner(&own.kind));
    let Some(own) = own else {
        return Some(behind(model.config.get(pass.pass(model)?.directive)?, line));
    };
    // In `if` and `limit_except` nginx takes nothing but the pass.
    let around = model.ancestors(own.id).find(|around| !inner(&around.kind));
    if let Some(pass) = around.and_then(|around| around.handling.passes.last()) {
        return Some(behind(model.config.get(pass.directive)?, line));
    }
    let block = match around {
        Some(around) => around.directive,
        None => model.server(pass.server)?.directive?,
    };
    Some(Edit::Insert { block: model.config.get(block)?.span(), after: None, line })
}

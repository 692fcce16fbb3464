use std::collections::HashSet;

use crate::facts::nginx::{BlockPlace, DirectiveId, Location, LocationKind, Model};
use crate::rule::prelude::*;

crate::rule! {
    /// Browsers ignore the site's style sheets: nginx does not say that they are any.
    ///
    /// nginx takes the type of a file from `types`, which almost every configuration gets by
    /// `include /etc/nginx/mime.types;`. Without it nginx knows HTML, GIF and JPEG alone, and sends
    /// everything else as its `default_type` (`text/plain`, or what the configuration says). Browsers do
    /// not apply a style sheet of another type than `text/css`, and do not run a module of another type
    /// than JavaScript's. A `types { }` of a server or location takes the place of the outer one, so it needs
    /// the include as well.
    ///
    /// By hand: in `http { }`, `include /etc/nginx/mime.types;`, then `nginx -t && systemctl reload nginx`.
    ///
    /// Proved by `static-types-missing`: nginx sent the style sheet as text/plain.
    ///
    /// ```nginx,bad,file=/etc/nginx/nginx.conf
    /// user www-data;
    /// events { }
    /// http {
    ///     default_type application/octet-stream;
    ///     include /etc/nginx/sites-enabled/*;
    /// }
    /// ```
    /// ```nginx,good,file=/etc/nginx/nginx.conf
    /// user www-data;
    /// events { }
    /// http {
    ///     types { text/css css; application/javascript js; }
    ///     include /etc/nginx/sites-enabled/*;
    /// }
    /// ```
    N334 "static-types-missing" {
        severity: Warning, impact: Hygiene, fix: Some(Manual), item: StaticAssets, hop: Nginx,
        since: "0.1.0", check: Host(check)
    }
}

fn check(deployment: &Deployment, out: &mut Sink) -> Result<(), Why> {
    let model = deployment.nginx.model.get()?;
    // The types are nginx.conf's to say: a site's file alone, or a repository, is not to blame.
    let http = model.config.roots().any(|root| root.name().as_ref() == b"http");
    if !http || !deployment.machine.whole {
        return Ok(());
    }
    let types = model.config.named("types");
    let with_types: HashSet<DirectiveId> =
        types.filter_map(|line| Some(line.parent()?.id)).collect();
    let mut seen = HashSet::new();
    for directory in &deployment.nginx.statics {
        let Some(location) = directory.location.and_then(|id| model.location(id)) else { continue };
        if !is_of_assets(location) {
            continue;
        }
        let place = BlockPlace::Location(location.id);
        // An include that was not read may hold them.
        if model.effective(place, "types").incomplete
            || around(model, location.directive).any(|block| with_types.contains(&block))
        {
            continue;
        }
        let own = model.effective(place, "default_type");
        if own.incomplete || own.level == Some(location.directive) || !seen.insert(location.server)
        {
            continue;
        }
        let default = own.last().and_then(|id| model.config.get(id)?.argument(0));
        let sent = default.map_or_else(|| "text/plain".into(), |word| word.text().into_owned());
        let path = &location.pattern.value;
        out.report(format!(
            "browsers ignore the style sheets below {path}: nginx sends them as {}",
            show::line(&sent)
        ))
        .at(location.span, "no `types` in effect here")
        .at_some(default.map(|word| word.span()), "what every other file is sent as")
        .subject(path)
        .help("in http { }:\ninclude /etc/nginx/mime.types;\nthen check with: nginx -t")
        .fix(Safety::Manual, "include mime.types");
    }
    Ok(())
}

/// The block and those around it.
fn around(model: &Model, block: DirectiveId) -> impl Iterator<Item = DirectiveId> {
    let block = model.config.get(block);
    std::iter::successors(block, |block| block.parent()).map(|block| block.id)
}

/// Judging by its path: uploads and downloads are opened as what they are.
fn is_of_assets(location: &Location) -> bool {
    let begins = matches!(location.kind, LocationKind::Prefix | LocationKind::PrefixStop);
    let path = location.pattern.value.to_ascii_lowercase();
    begins && ["static", "assets", "css"].iter().any(|word| path.contains(word))
}

use std::path::Path;

use crate::facts::nginx::{Context, Model};
use crate::rule::prelude::*;

crate::rule! {
    /// nginx loads a backup as if it were a site: the old site still answers, or blocks its
    /// replacement.
    ///
    /// `include /etc/nginx/sites-enabled/*;` includes every file that does not start with a dot,
    /// whatever its ending. An `upstream` or a `default_server` in both is an error, and nginx
    /// neither reloads nor starts; of two servers with the same name, the one in the file whose
    /// name sorts first answers; and a site whose file was renamed to switch it off stays on.
    ///
    /// By hand: move the file elsewhere (`/etc/nginx/sites-available`, or `/root`), then `nginx -t &&
    /// systemctl reload nginx`.
    ///
    /// Proved by `enabled-backup-file`: the copy beside the site made nginx refuse to start
    /// (`duplicate upstream`), and every connection was refused.
    ///
    /// ```nginx,bad,file=/etc/nginx/sites-enabled/shop.bak
    /// server {
    ///     listen 80;
    ///     server_name shop.example.com;
    ///     root /srv/shop;
    /// }
    /// ```
    /// ```tree,bad
    /// /srv/shop/
    /// ```
    /// ```tree,fixed
    /// - /etc/nginx/sites-enabled/shop.bak
    /// ```
    ///
    /// Healthy: no pattern includes the backup.
    ///
    /// ```nginx,good,file=/etc/nginx/conf.d/shop.conf.bak
    /// server {
    ///     listen 80;
    ///     server_name shop.example.com;
    ///     root /srv/shop;
    /// }
    /// ```
    /// ```nginx,good,file=/etc/nginx/sites-enabled/backup.example.com
    /// server {
    ///     listen 80;
    ///     server_name backup.example.com;
    ///     root /srv/shop;
    /// }
    /// ```
    /// ```tree,good
    /// /srv/shop/
    /// ```
    N322 "enabled-backup-file" {
        severity: Warning, impact: BadGateway, fix: Some(Manual), item: No502, hop: Nginx,
        since: "0.1.0", check: Host(check)
    }
}

/// What editors, administrators and packages leave behind, and no site is called.
const ENDINGS: [&str; 15] = [
    "~",
    ".bak",
    ".backup",
    ".old",
    ".orig",
    ".disabled",
    ".swp",
    ".tmp",
    ".dpkg-dist",
    ".dpkg-old",
    ".dpkg-new",
    ".dpkg-tmp",
    ".ucf-dist",
    ".ucf-old",
    ".rpmsave",
];

fn check(deployment: &Deployment, out: &mut Sink) -> Result<(), Why> {
    let model = deployment.nginx.model.get()?;
    // Files that were given by name are what is meant.
    if model.config.context != Context::Main {
        return Ok(());
    }
    for tree in &model.config.trees {
        let path = &tree.file.path;
        let Some(ending) = ending(path) else { continue };
        let Some(include) = taken_in_by(model, tree.file.id) else { continue };
        let shown = path.display();
        out.report(format!(
            "nginx loads a backup as a site: {shown} is included despite its ending `{ending}`"
        ))
        .at(tree.file.line_span(1), "loaded like any other file there")
        .at(include, "includes every name")
        .subject(shown.to_string())
        .help(format!("mv {shown} /root/\nthen: nginx -t && systemctl reload nginx"))
        .fix(Safety::Manual, "move the backup to where nginx includes nothing");
    }
    Ok(())
}

fn ending(path: &Path) -> Option<&'static str> {
    let name = path.file_name()?.to_string_lossy();
    ENDINGS.into_iter().find(|ending| name.ends_with(ending))
}

/// The `include` with a pattern that takes a file in; none for one that names it, which is meant.
fn taken_in_by(model: &Model, file: FileId) -> Option<Span> {
    let first = model.config.directives().find(|directive| directive.span().file == file)?;
    let include = *first.chain().last()?;
    let directive = model.config.directives().find(|directive| directive.span() == include)?;
    directive.argument(0)?.text().contains('*').then_some(include)
}

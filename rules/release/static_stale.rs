use crate::facts::release::StaticManifest;
use crate::facts::{App, Why};
use crate::rule::{EvidenceKind, Safety, Sink};

crate::rule! {
    /// Pages of this release request static files that do not exist.
    ///
    /// The manifest that the build wrote (Flask-Static-Digest's `cache_manifest.json`, webpack's
    /// or Vite's `manifest.json`, `staticfiles.json`) names the files that the pages will link to.
    /// If it came with the release but the files did not, or if nginx serves `/static/` from
    /// a copy of an earlier release, the new pages get 404 for their style sheets and scripts.
    ///
    /// Only file names are compared: file times mean nothing after a checkout or after unpacking an
    /// archive. A `manifest.json` that describes a web app is not a list of files and is ignored.
    ///
    /// Django's `ManifestStaticFilesStorage`, and WhiteNoise's, read `staticfiles.json` in `STATIC_ROOT`.
    /// If nobody ran `collectstatic` there is none, and every page with `{% static %}` gets 500
    /// (`ValueError: Missing staticfiles manifest entry`).
    ///
    /// By hand: rebuild the assets into the release, or copy them to the directory that nginx
    /// serves, before the link is moved. Leave the previous release's files in place, for pages
    /// already open.
    ///
    /// Proved by `static-stale`: the pages were the new release's, and its style sheet got 404 at
    /// every request.
    ///
    /// Proved by `django-manifest-missing`: every page with `{% static %}` got 500.
    ///
    /// ```json,bad,file=/srv/myapp/releases/2026-04-21/static/manifest.json
    /// {"site.css": "/static/site.css", "site.js": "/static/site.4f1c9a.js"}
    /// ```
    /// ```json,fixed,file=/srv/myapp/releases/2026-04-21/static/manifest.json
    /// {"site.css": "/static/site.css"}
    /// ```
    ///
    /// nginx serves a copy that was not updated:
    ///
    /// ```json,bad,file=/srv/myapp/releases/2026-04-21/static/manifest.json
    /// {"site.css": "site.css"}
    /// ```
    /// ```tree,bad
    /// /var/www/myapp/static/
    /// /var/www/myapp/static/old.css
    /// ```
    /// ```nginx,bad
    /// server {
    ///     listen 80 default_server;
    ///     server_name example.com;
    ///
    ///     location /static/ {
    ///         alias /var/www/myapp/static/;
    ///     }
    ///
    ///     location / {
    ///         proxy_pass http://unix:/run/myapp/gunicorn.sock;
    ///         proxy_read_timeout 75s;
    ///         proxy_set_header Host $host;
    ///         proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
    ///         proxy_set_header X-Forwarded-Proto $scheme;
    ///     }
    /// }
    /// ```
    /// ```json,fixed,file=/srv/myapp/releases/2026-04-21/static/manifest.json
    /// {"site.css": "site.css"}
    /// ```
    ///
    /// Healthy: the description of a web app, which only looks like a manifest of files, and files
    /// that another host serves.
    ///
    /// ```json,good,file=/srv/myapp/releases/2026-04-21/static/manifest.json
    /// {"name": "Shop", "short_name": "shop", "start_url": "/", "display": "standalone"}
    /// ```
    /// ```json,good,file=/srv/myapp/releases/2026-04-21/static/cache_manifest.json
    /// {"version": 1, "latest": {"site.css": "site.css", "x.js": "https://cdn.example.com/x.js"}, "digests": {}}
    /// ```
    R710 "static-stale" {
        severity: Warning, impact: StaleRelease, fix: Some(Manual), item: StaticAssets,
        hop: Nginx, since: "0.1.0", check: App(check)
    }
}

fn check(app: &App, out: &mut Sink) -> Result<(), Why> {
    for manifest in &app.release.manifests {
        if !manifest.missing.is_empty() {
            lacking_in_release(manifest, out);
        }
        // A copy cannot be better than what it was made from.
        for served in &manifest.served {
            let missing = match &served.missing {
                Ok(missing) => missing,
                Err(why) => {
                    out.skip(why);
                    continue;
                }
            };
            let missing: Vec<&String> =
                missing.iter().filter(|name| !manifest.missing.contains(name)).collect();
            if let Some(root) = app.nginx.statics.get(served.root)
                && !missing.is_empty()
            {
                let (directory, path) = (root.place.path.display(), manifest.path.display());
                let base = manifest.base.display();
                out.report(format!(
                    "new pages get 404 for {}: {directory}, from which nginx serves them, was not \
                     updated",
                    count(&missing)
                ))
                .at(root.span, format!("lacks {}", list(&missing)))
                .at(manifest.span, "lists the files that this release's pages use")
                .evidence(EvidenceKind::File, format!("{path} lists {}", list(&missing)))
                .help(format!(
                    "Serve the release's own directory: alias {base}/;\n\
                     or copy its files over before each reload: cp -r {base}/. {directory}"
                ))
                .fix(Safety::Manual, format!("serve {base}"));
            }
        }
    }
    if app.machine.whole {
        without_manifest(app, out)?;
    }
    // Where the release is is what decides whether there is a manifest.
    app.release.root().map(|_| ())
}

/// `collectstatic` was not run, and the storage of static files reads what it writes.
fn without_manifest(app: &App, out: &mut Sink) -> Result<(), Why> {
    let Some(django) = &app.release.django else { return Ok(()) };
    // What is not known of Django's settings is no manifest that is missing.
    let Ok(Some(manifest)) = django.static_manifest.get() else { return Ok(()) };
    if !manifest.is_missing()? {
        return Ok(());
    }
    app.service.untouched_before_the_start(&manifest.path)?;
    let path = manifest.path.display();
    out.report(format!(
        "every page with {{% static %}} gets 500: the storage of static files reads {path}, which does \
         not exist"
    ))
    .at_known(&django.static_manifest, "looks static files up in staticfiles.json")
    .evidence(EvidenceKind::File, format!("{path} does not exist"))
    .help(
        "Run in the release, with the service's variables, before its link is moved:\n\
         python manage.py collectstatic --noinput",
    )
    .subject("collectstatic")
    .fix(Safety::Manual, "run collectstatic");
    Ok(())
}

fn lacking_in_release(manifest: &StaticManifest, out: &mut Sink) {
    let missing: Vec<&String> = manifest.missing.iter().collect();
    let base = manifest.base.display();
    out.report(format!(
        "pages get 404 for {}: {} lists files missing from {base}",
        count(&missing),
        manifest.path.display()
    ))
    .at(manifest.span, format!("lists {}", list(&missing)))
    .evidence(EvidenceKind::File, format!("{base} lacks {}", list(&missing)))
    .help(format!("Rebuild the static files into the release, then check: ls -R {base}"))
    .fix(Safety::Manual, "rebuild the static files");
}

fn count(missing: &[&String]) -> String {
    match missing {
        [one] => (*one).clone(),
        many => format!("{} static files", many.len()),
    }
}

fn list(missing: &[&String]) -> String {
    let first: Vec<&str> = missing.iter().take(3).map(|name| name.as_str()).collect();
    let rest = missing.len().saturating_sub(3);
    let more = if rest > 0 { format!(" and {rest} more") } else { String::new() };
    format!("{}{more}", first.join(", "))
}

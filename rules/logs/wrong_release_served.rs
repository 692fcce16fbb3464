use crate::facts::{self, Deployment, Why};
use crate::rule::{EvidenceKind, Safety, Sink};

crate::rule! {
    /// The site answers, but with the wrong release.
    ///
    /// With `--expect-version TEXT` each URL of `--probe` is asked ten times within half a second,
    /// over a new connection each time, and every answer must contain the text, in its body or a
    /// header. If some do and some do not, workers of two releases are serving. Without
    /// `--expect-version` nothing is expected, and no request is sent.
    ///
    /// By hand: `curl -si URL | grep TEXT`, a few times.
    ///
    /// Proved by `other-release-answers`: the reload returned 0, every answer was a 200, and each
    /// came from the previous release.
    ///
    /// ```text,bad,probe=http://example.com/,version=2026-04-21,without=10
    /// example.com:80 200
    /// unix:/run/myapp/gunicorn.sock 200
    /// ```
    /// ```text,fixed,probe=http://example.com/,version=2026-04-21,without=0
    /// example.com:80 200
    /// unix:/run/myapp/gunicorn.sock 200
    /// ```
    /// Old workers still serve alongside the new ones:
    /// ```text,bad,probe=http://example.com/,version=2026-04-21,without=3
    /// example.com:80 200
    /// unix:/run/myapp/gunicorn.sock 200
    /// ```
    L808 "wrong-release-served" {
        severity: Error, impact: StaleRelease, fix: Some(Manual), item: ReleaseServes, hop: Release,
        since: "0.1.0", check: Host(check)
    }
}

fn check(deployment: &Deployment, out: &mut Sink) -> Result<(), Why> {
    let expects = |probe: &facts::probe::Probe| probe.version.is_some();
    if !deployment.probes.ok().into_iter().flatten().any(expects) {
        return Err(Why::nothing_expected("no --expect-version was given"));
    }
    for probe in deployment.probes.ok().into_iter().flatten() {
        let Some(version) = &probe.version else { continue };
        let (with, without) = (version.with, version.without);
        // What does not answer at all is site-not-answering's.
        if without == 0 || probe.fault().is_some() {
            continue;
        }
        let (url, expected, all) = (&probe.target, &version.expected, with + without);
        let message = match with {
            0 => format!("another release answers at {url}: no answer contains {expected}"),
            _ => format!(
                "workers of two releases answer at {url}: {without} of {all} answers do not contain \
                 {expected}"
            ),
        };
        out.report(message)
            .observed(EvidenceKind::Http, format!("GET {url}: {with} of {all} contain {expected}"))
            .subject(url)
            .help(format!(
                "curl -si {url}\n\
                 and check where the release link leads; then, to reload and watch the result: \
                 deploy-doctor reload APP"
            ))
            .fix(Safety::Manual, "make the intended release serve");
    }
    Ok(())
}

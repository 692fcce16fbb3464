use crate::facts::lost::{LossKind, LostAssignment};
use crate::rule::prelude::*;

crate::rule! {
    /// The application does not get a variable, or gets the wrong value.
    ///
    /// `Environment=` looks like a shell line but is not one. A space outside quotes ends a value
    /// (`A=My Site` sets A to `My`). One pair of quotes makes one assignment (`"A=1 B=2"` sets A to
    /// `1 B=2`, and no B). `%` starts a specifier: if systemd has no such specifier, as in `p%23ss`
    /// from a database's URL, it drops the whole assignment and continues; `%%` is a percent sign.
    /// `$PATH` and `~` stay literal. At most, systemd logs this in the journal, and the start
    /// continues.
    ///
    /// By hand: `Environment="NAME=value"`, one pair of quotes per assignment, `%%` for `%`; then
    /// `systemctl daemon-reload` and `systemctl restart`: a reload keeps the old environment.
    ///
    /// Proved by `environment-assignment-lost`: the worker raised KeyError at startup, and every
    /// request got 502.
    ///
    /// ```ini,bad,drop-in
    /// [Service]
    /// Environment="SITE_URL=http://example.com/?q=a%23b"
    /// ```
    /// ```ini,fixed,drop-in
    /// [Service]
    /// Environment="SITE_URL=http://example.com/?q=a%%23b"
    /// ```
    ///
    /// Two assignments in one pair of quotes:
    ///
    /// ```ini,bad,drop-in
    /// [Service]
    /// Environment="LOG_LEVEL=info CACHE_SIZE=12"
    /// ```
    /// ```ini,fixed,drop-in
    /// [Service]
    /// Environment="LOG_LEVEL=info" "CACHE_SIZE=12"
    /// ```
    ///
    /// No quotes at all:
    ///
    /// ```ini,bad,drop-in
    /// [Service]
    /// Environment=SITE_NAME=My new Site
    /// ```
    /// ```ini,fixed,drop-in
    /// [Service]
    /// Environment="SITE_NAME=My new Site"
    /// ```
    /// ```ini,bad,drop-in
    /// [Service]
    /// Environment="PATH=/srv/myapp/.venv/bin:$PATH"
    /// ```
    ///
    /// Spaces around the `=`:
    ///
    /// ```ini,bad,drop-in
    /// [Service]
    /// Environment=SITE_NAME = Shop
    /// ```
    /// ```ini,fixed,drop-in
    /// [Service]
    /// Environment=SITE_NAME=Shop
    /// ```
    ///
    /// Quotes that do not close:
    ///
    /// ```ini,bad,drop-in
    /// [Service]
    /// Environment="SITE_NAME=My new Site
    /// ```
    ///
    /// Healthy:
    ///
    /// ```ini,good,drop-in
    /// [Service]
    /// Environment=LOG_LEVEL=info CACHE_SIZE=12 "SITE_NAME=My new Site"
    /// Environment="OPTIONS=host=a port=b" 'SITE_PRICE=5%% $HOME' "SITE_USER=%u"
    /// ```
    U141 "environment-assignment-lost" {
        severity: Warning, impact: Outage, fix: Some(Safe), item: Environment, hop: Release,
        since: "0.1.0", check: App(check)
    }
}

fn check(app: &App, out: &mut Sink) -> Result<(), Why> {
    for lost in &app.environment.lost {
        // In a file that is still to be filled in, it may be a placeholder, but for the name of
        // another variable of the unit.
        let own = |name: &String| app.environment.variables.contains_key(name);
        let bare = |inner: &String| inner.trim_start_matches('$').to_owned();
        let of_the_unit =
            !lost.inner.is_empty() && lost.inner.iter().map(bare).all(|name| own(&name));
        if lost.kind == LossKind::NotExpanded && !app.machine.whole && !of_the_unit {
            continue;
        }
        // A line that another one makes good is not a loss.
        let decides = app.environment.decides(&lost.name, lost.span);
        let set = app.environment.variables.contains_key(&lost.name);
        let inner_set = lost.kind == LossKind::Joined
            && lost.inner.iter().all(|name| app.environment.variables.contains_key(name));
        if (set && !decides) || inner_set {
            continue;
        }
        report(app, lost, out);
    }
    Ok(())
}

fn report(app: &App, lost: &LostAssignment, out: &mut Sink) {
    let name = &lost.name;
    let inner = lost.inner.join(", ");
    let (message, note, title) = match lost.kind {
        LossKind::Specifier => (
            format!(
                "the application does not get {name}: `%` starts a specifier, and systemd drops \
                 the assignment because this one does not exist"
            ),
            "dropped as a whole",
            format!("write %% for % in {name}"),
        ),
        LossKind::Blanks => (
            format!("{name} gets only the first word of its value: a space outside quotes ends it"),
            "cut at the first space",
            format!("quote the whole assignment of {name}"),
        ),
        LossKind::Spaced => (
            format!(
                "the application does not get {name}: there are spaces around its `=`, so systemd \
                 reads name and value as separate words and ignores them"
            ),
            "not an assignment",
            format!("write {name}=… without spaces"),
        ),
        LossKind::Joined => (
            format!(
                "the application does not get {inner}: it is part of the value of {name}, because \
                 one pair of quotes makes one assignment"
            ),
            "gets everything in the quotes",
            "quote each assignment separately".to_owned(),
        ),
        LossKind::Unclosed => (
            format!(
                "the application does not get {name}: the line has an unclosed quote or an unknown \
                 escape, so systemd ignores the rest of it"
            ),
            "ignored from here on",
            format!("put one pair of quotes around the whole assignment of {name}"),
        ),
        LossKind::BadName => (
            format!(
                "the application does not get {name}: systemd ignores names with characters other \
                 than letters, digits and `_`"
            ),
            "ignored",
            format!("write `_` for the other characters of {name}, here and in the code"),
        ),
        LossKind::NotExpanded => (
            format!(
                "the application gets {inner} in {name} literally: systemd expands no variables in \
                 Environment="
            ),
            "taken literally",
            format!("write the full text in {name}"),
        ),
    };
    // Where a part that is lost is not what the code needs, it may start all the same.
    let needs = |name: &str| app.release.code.required.iter().any(|one| one.name == name);
    let needed = lost.kind != LossKind::NotExpanded
        && (needs(name) || lost.inner.iter().any(|name| needs(name)));
    let edits = lost.repair.iter().map(|(at, with)| Edit::replace(*at, *with));
    out.report(message)
        .severity(if needed { Severity::Error } else { Severity::Warning })
        .at(lost.span, note)
        .help(title.clone())
        .by_hand(Some(lost.span))
        .subject(format!("{name} {inner}"))
        .fix_if(Safety::Safe, title, edits)
        .uncovers_rules(&["E409", "U133"]);
}

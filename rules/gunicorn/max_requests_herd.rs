use crate::rule::prelude::*;

crate::rule! {
    /// All workers restart at the same time, and no request is answered until they have booted.
    ///
    /// With `max_requests` a worker ends after that many requests and another takes its place.
    /// Workers that started together and share the load reach that number together, unless
    /// `max_requests_jitter` gives each a different one. Measured (gunicorn 23.0.0 and 27.0.1,
    /// three sync workers kept busy, `--max-requests 200`, an application that takes a second to
    /// import): all requests stalled for 0.8 to 1.1 s, six times in 20 s. With a jitter of 20
    /// it was much the same, with 100 it happened once and never. Threads of gunicorn before 24
    /// lose requests at each of these restarts, jitter or not (G207).
    ///
    /// By hand: `--max-requests-jitter` with half of `--max-requests`, then restart.
    ///
    /// ```ini,bad,drop-in
    /// [Service]
    /// ExecStart=
    /// ExecStart=/srv/myapp/.venv/bin/gunicorn --workers 3 --max-requests 1000 \
    ///     --chdir /srv/myapp/current --bind unix:/run/myapp/gunicorn.sock wsgi:app
    /// ```
    /// ```ini,fixed,drop-in
    /// [Service]
    /// ExecStart=
    /// ExecStart=/srv/myapp/.venv/bin/gunicorn --max-requests-jitter 500 --workers 3 --max-requests 1000 \
    ///     --chdir /srv/myapp/current --bind unix:/run/myapp/gunicorn.sock wsgi:app
    /// ```
    /// ```python,bad,file=/srv/myapp/releases/2026-04-21/gunicorn.conf.py
    /// max_requests = 500
    /// ```
    ///
    /// Healthy:
    ///
    /// ```python,good,file=/srv/myapp/releases/2026-04-21/gunicorn.conf.py
    /// max_requests = 500
    /// max_requests_jitter = 50
    /// ```
    G216 "max-requests-herd" {
        severity: Warning, impact: Slow, fix: Some(Safe), item: WorkersReplaced, hop: Workers,
        since: "0.1.0", check: App(check)
    }
}

fn check(app: &App, out: &mut Sink) -> Result<(), Why> {
    let settings = &app.gunicorn.settings;
    let (limit, jitter) = (settings.max_requests(), settings.max_requests_jitter());
    let number = *limit.get()?;
    if number <= 0 || *jitter.get()? > 0 || *settings.workers().get()? < 2 {
        return Ok(());
    }
    let secret = settings.is_secret("max_requests");
    let half = (number / 2).max(1);
    let hand = Hand::of(app, "max_requests_jitter", &Value::Number(half));
    let hand = if secret { hand.saying("half of max_requests") } else { hand };
    let after = match secret {
        true => "after max_requests requests".to_owned(),
        false => format!("after {number} requests"),
    };
    let finding = out
        .report(format!(
            "the site stalls when all workers restart together: each ends {after}, nearly at once \
             without max_requests_jitter"
        ))
        .at_first([
            (limit.span(), "the same number for every worker"),
            (app.gunicorn.started_at(), ""),
        ]);
    finding.help(hand.line()).by_hand(limit.span());
    // What a variable says would be seen in the change.
    let edit = match secret {
        true => None,
        false => Edit::setting(app, "max_requests_jitter", Value::Number(half)).ok(),
    };
    finding.fix_if(Safety::Safe, hand.title(), edit);
    Ok(())
}

use crate::rule::prelude::*;

crate::rule! {
    /// gunicorn's workers never answer: the application starts its own server while being imported.
    ///
    /// `app.run()`, `uvicorn.run(…)` or `serve(app)` at the top level of a module that the
    /// application imports serves until it is stopped, so the import never ends. Every worker hangs
    /// there, is killed after `timeout`, and the next one hangs again; or the second worker finds
    /// the port taken and exits, again and again. `systemctl reload` returns 0, but no request is
    /// answered.
    ///
    /// Only a call that certainly runs when a worker starts is reported, not one in a function,
    /// under `if __name__ == "__main__":` or under a condition known only at run time.
    ///
    /// By hand: put the call under `if __name__ == "__main__":`, where it belongs.
    ///
    /// Proved by `server-run-at-import`: the reload returned 0, the unit stayed active, and no
    /// request was answered any more.
    ///
    /// ```python,bad
    /// from flask import Flask
    ///
    /// app = Flask(__name__)
    ///
    ///
    /// @app.get("/")
    /// def index():
    ///     return "hello"
    ///
    ///
    /// app.run(host="127.0.0.1", port=5000)
    /// ```
    /// ```python,fixed
    /// from flask import Flask
    ///
    /// app = Flask(__name__)
    ///
    ///
    /// @app.get("/")
    /// def index():
    ///     return "hello"
    ///
    ///
    /// if __name__ == "__main__":
    ///     app.run(host="127.0.0.1", port=5000)
    /// ```
    ///
    /// In a module that the application imports, through a factory:
    ///
    /// ```python,bad
    /// from shop import app
    /// ```
    /// ```python,bad,file=/srv/myapp/releases/2026-04-21/shop.py
    /// from flask import Flask
    ///
    ///
    /// def create_app():
    ///     app = Flask(__name__)
    ///     return app
    ///
    ///
    /// app = create_app()
    /// app.run()
    /// ```
    /// ```python,fixed,file=/srv/myapp/releases/2026-04-21/shop.py
    /// from flask import Flask
    ///
    ///
    /// def create_app():
    ///     app = Flask(__name__)
    ///     return app
    ///
    ///
    /// app = create_app()
    /// ```
    ///
    /// Healthy: a `run` of something else, and one in a function.
    ///
    /// ```python,good
    /// import subprocess
    ///
    /// from flask import Flask
    ///
    /// app = Flask(__name__)
    /// subprocess.run(["true"])
    ///
    ///
    /// def main():
    ///     app.run()
    /// ```
    G231 "server-run-at-import" {
        severity: Error, impact: Outage, fix: Some(Manual), item: CodeBoots, hop: Release,
        since: "0.1.0", check: App(check)
    }
}

fn check(app: &App, out: &mut Sink) -> Result<(), Why> {
    for served in app.release.code.served.get()? {
        let message = format!(
            "after the next reload no request is answered: {} starts a server, so the import never \
             ends ({})",
            served.call, served.way
        );
        let spans = served.chain.iter().rev().enumerate();
        out.report(message)
            .at_each(spans.map(|(number, span)| match number {
                0 => (*span, "serves until it is stopped"),
                _ => (*span, "imports it at startup"),
            }))
            .help(format!(
                "Put it where it runs only with `python FILE`:\n  if __name__ == \"__main__\":\n   \
                    {}",
                served.call.replace("()", "(…)")
            ))
            .subject(served.call.clone())
            .fix(Safety::Manual, "move the call under `if __name__ == \"__main__\":`");
    }
    Ok(())
}

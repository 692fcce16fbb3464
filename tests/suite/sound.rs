//! Thirty deployments as careful people write them: no error, no warning, at most three infos. And
//! each of them with one wrong change of known harm: the code that has to come comes, and no other
//! error. `KNOWN_HARM=all` makes all changes to all of them, about 6,000; without it each change is
//! made to some.

use std::collections::{BTreeMap, BTreeSet};

use crate::support::harm;
use crate::support::sound::{Framework, Shape};
use deploy_doctor::rule::Severity;

/// How many are made.
const MANY: usize = 30;

#[test]
fn a_careful_deployment_has_nothing_to_be_warned_of() {
    let mut told = Vec::new();
    for number in 0..MANY {
        let shape = Shape::new(number);
        let seen = shape.case().check();
        let open = seen.skips.iter().filter(|(_, why)| !why.kind().needs_more());
        let open: Vec<String> =
            open.map(|(code, why)| format!("  skipped {code}: {}", why.text())).collect();
        // uvicorn's reloads were not measured.
        let unknown = shape.framework == Framework::FastApi;
        let verdict = if unknown { "unknown" } else { "zero-downtime" };
        let verdicts: Vec<&str> = seen.apps.iter().map(|app| app.1).collect();
        let quiet = seen.hits.iter().all(|hit| hit.severity < Severity::Warning);
        if verdicts != [verdict] || !quiet || seen.hits.len() > 3 || !seen.problems.is_empty() {
            let hits = seen.hits.iter().map(|hit| format!("  {} {}", hit.code, hit.message));
            told.push(format!(
                "{number} {shape:?} {verdicts:?} {:?}\n{}\n{}",
                seen.problems,
                hits.collect::<Vec<_>>().join("\n"),
                open.join("\n")
            ));
        }
    }
    assert!(told.is_empty(), "{} of {MANY}:\n{}", told.len(), told.join("\n"));
}

/// Every choice is among the thirty.
#[test]
fn the_thirty_are_different() {
    let shapes: Vec<Shape> = (0..MANY).map(Shape::new).collect();
    let values =
        |of: &dyn Fn(&Shape) -> String| shapes.iter().map(of).collect::<BTreeSet<_>>().len();
    let counts = [
        values(&|one| format!("{:?}", one.listener)),
        values(&|one| format!("{:?}", one.written)),
        values(&|one| format!("{:?}", one.installer)),
        values(&|one| format!("{:?}", one.framework)),
        values(&|one| one.gunicorn.to_owned()),
        values(&|one| format!("{:?}", one.systemd)),
        values(&|one| one.nginx.to_owned()),
        values(&|one| format!("{} {} {}", one.notify, one.template, one.tls)),
        values(&|one| format!("{one:?}")),
    ];
    assert_eq!(counts, [4, 3, 3, 3, 6, 4, 3, 8, MANY]);
}

#[test]
fn a_wrong_change_of_known_harm_is_found() {
    let all = std::env::var_os("KNOWN_HARM").is_some_and(|value| value == "all");
    let (mut made, mut missed, mut more) = (0, Vec::new(), Vec::new());
    let mut least = usize::MAX;
    let mut by_code: BTreeMap<&str, usize> = BTreeMap::new();
    for number in 0..MANY {
        let shape = Shape::new(number);
        let harms = harm::of(&shape);
        least = least.min(harms.len());
        let mine = harms.iter().enumerate().filter(|(at, _)| all || (at + number) % 10 == 0);
        for (_, harm) in mine {
            made += 1;
            let seen = harm.case.check();
            // Where no unit runs gunicorn any more, that is what is said, and exits with 3.
            let found = seen.hits.iter().any(|hit| harm.codes.contains(&hit.code))
                || (seen.apps.is_empty() && seen.exit == 3);
            let codes: BTreeSet<&str> = seen.hits.iter().map(|hit| hit.code).collect();
            match found {
                true => *by_code.entry(harm.codes[0]).or_default() += 1,
                false => missed.push(format!("{number} {} ({codes:?}) {shape:?}", harm.name)),
            }
            let errors = seen.hits.iter().filter(|hit| hit.severity == Severity::Error);
            let others: BTreeSet<&str> = errors
                .map(|hit| hit.code)
                .filter(|code| !harm.codes.contains(code) && !harm.beside.contains(code))
                .collect();
            if !others.is_empty() {
                more.push(format!("{number} {}: {others:?} {shape:?}", harm.name));
            }
        }
    }
    println!("{made} changes, at least {least} for a deployment; {by_code:?}");
    assert!(least >= 200, "{least} changes");
    let told = format!(
        "{} of {made} not found:\n{}\n{} with other errors:\n{}",
        missed.len(),
        missed.join("\n"),
        more.len(),
        more.join("\n")
    );
    assert!(missed.is_empty() && more.is_empty(), "{told}");
}

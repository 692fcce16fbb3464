//! `deploy-doctor capture`: a capture gives the same report, and holds no secret.

use std::path::Path;

use crate::support::case::Case;
use crate::support::proof;
use crate::support::replayed::{Both, both, tree};
use crate::support::sound::Shape;
use crate::{reports, rules};
use deploy_doctor::facts::{Request, Scope};

fn root() -> Request {
    Request { apps: Vec::new(), scope: Scope::Root, database_revision: None }
}

/// Whose second report differs from the first.
#[derive(Default)]
struct Compared {
    count: usize,
    wrong: Vec<String>,
}

impl Compared {
    fn take(&mut self, name: &str, both: &Both) {
        self.count += 1;
        if both.first != both.again {
            self.wrong.push(format!("{name}:\n{}", both.difference()));
        }
    }

    #[track_caller]
    fn judge(&self, least: usize) {
        let (wrong, count) = (self.wrong.len(), self.count);
        assert!(wrong == 0, "{wrong} of {count} differ:\n{}", self.wrong.join("\n"));
        assert!(count >= least, "only {count} captures");
    }
}

#[test]
fn every_tree_of_testdata_says_the_same_again() {
    let mut compared = Compared::default();
    let top = Path::new(env!("CARGO_MANIFEST_DIR")).join("testdata");
    for name in ["activated", "capistrano", "guide", "healthy"] {
        compared.take(name, &both(&tree(&top.join(name)), &root()));
        compared.take(name, &both(&Case::tree(name).into_host(), &root()));
    }
    compared.judge(8);
}

#[test]
fn what_people_reported_says_the_same_again() {
    let mut compared = Compared::default();
    for (name, case) in reports::deployments() {
        compared.take(name, &both(&case.into_host(), &root()));
    }
    for number in 0..30 {
        compared.take(&format!("sound {number}"), &both(&Shape::new(number).case().host, &root()));
    }
    compared.judge(100);
}

/// Among them hosts at work, with processes, sockets, commands and certificates. A part of them;
/// `CAPTURES=all` takes all, about 660, and all cases of the proving ground.
#[test]
fn the_rules_examples_say_the_same_again() {
    let mut compared = Compared::default();
    for (name, host) in rules::deployments().step_by(step(10)) {
        compared.take(&name, &both(&host, &root()));
    }
    compared.judge(60);
}

fn step(usual: usize) -> usize {
    if std::env::var("CAPTURES").is_ok_and(|all| all == "all") { 1 } else { usual }
}

/// The files of the proving ground's cases, wrong and right.
#[test]
fn cases_of_the_proving_ground_say_the_same_again() {
    let mut compared = Compared::default();
    for (name, case) in proof::cases("cases").into_iter().step_by(step(8)) {
        let wrong = case.wrong.iter().map(|variant| &variant.files);
        for files in wrong.chain([&case.right.files]) {
            let mut host = Case::healthy().into_host();
            for (path, text) in case.setup.files.iter().chain(files) {
                host.file(path, text.as_str());
            }
            compared.take(&name, &both(&host, &root()));
        }
    }
    compared.judge(40);
}

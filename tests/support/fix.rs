//! A deployment in memory that is repaired: what the plan makes of its files.
//!
//! ```ignore
//! let fixed = Repair::of(Case::healthy().file(DROP_IN, "…")).rule("U109").drop_in();
//! fixed.only(&[(DROP_IN, "…")]);
//! ```

#![allow(dead_code)] // each test binary uses a part of it

use std::path::Path;

use deploy_doctor::engine::Selection;
use deploy_doctor::facts::{self, Given, Request, Scope};
use deploy_doctor::fix::{self, Options, Placement, Plan, Reason};
use deploy_doctor::host::{Host, MemoryHost};
use deploy_doctor::rule::Safety;
use deploy_doctor::rules;
use deploy_doctor::source::Sources;

use super::case::Case;

/// The healthy deployment's unit.
pub const UNIT: &str = "/etc/systemd/system/myapp.service";
/// A drop-in of it.
pub const DROP_IN: &str = "/etc/systemd/system/myapp.service.d/10-example.conf";
/// The drop-in that a fix writes.
pub const OURS: &str = "/etc/systemd/system/myapp.service.d/50-deploy-doctor.conf";
/// Its site.
pub const SITE: &str = "/etc/nginx/sites-available/myapp";
/// Its environment file.
pub const ENVIRONMENT: &str = "/etc/myapp.env";

/// A deployment to be repaired.
pub struct Repair {
    host: MemoryHost,
    rules: Vec<String>,
    include_unsafe: bool,
    given: Option<Given>,
}

impl Repair {
    /// Every rule's findings, unsafe fixes too.
    pub fn of(case: Case) -> Self {
        Self { host: case.into_host(), rules: Vec::new(), include_unsafe: true, given: None }
    }

    /// Only this rule's findings; may be said several times.
    pub fn rule(mut self, code: &str) -> Self {
        self.rules.push(code.to_owned());
        self
    }

    /// Only what changes nothing else.
    pub fn safe(mut self) -> Self {
        self.include_unsafe = false;
        self
    }

    /// Files of a repository in place of a host's.
    pub fn given(mut self, given: Given) -> Self {
        self.given = Some(given);
        self
    }

    /// Changes of units go where the setting stands.
    #[track_caller]
    pub fn in_place(&self) -> Repaired<'_> {
        self.with(Placement::InPlace)
    }

    /// Changes of units go into a drop-in.
    #[track_caller]
    pub fn drop_in(&self) -> Repaired<'_> {
        self.with(Placement::DropIn)
    }

    #[track_caller]
    fn with(&self, placement: Placement) -> Repaired<'_> {
        let plan = self.plan(&self.host, placement);
        // Made again it changes nothing.
        let after = fix::plan::overlay(&self.host, &plan.changes);
        let again = self.plan(&after, placement);
        assert!(again.changes.is_empty(), "made again: {:#?}", again.changes);
        Repaired { host: &self.host, plan }
    }

    fn plan(&self, host: &dyn Host, placement: Placement) -> Plan {
        let given = &self.given;
        let read = |sources: &Sources, _: bool| {
            let scope = match given {
                Some(given) => Scope::Files(given.clone()),
                None => Scope::Root,
            };
            let request = Request { apps: Vec::new(), scope, database_revision: None };
            facts::read(sources, &request)
        };
        let options = Options {
            selection: Selection::new(rules::all(), &self.rules, &[]).unwrap(),
            include_unsafe: self.include_unsafe,
            placement,
            repository: given.is_some(),
            accept: None,
            settings: deploy_doctor::engine::Settings::default(),
        };
        fix::plan(host, &read, &options).unwrap()
    }
}

/// What a repair comes to.
pub struct Repaired<'a> {
    host: &'a MemoryHost,
    pub plan: Plan,
}

impl Repaired<'_> {
    /// A file's text afterwards.
    #[track_caller]
    pub fn text(&self, path: &str) -> String {
        let after = fix::plan::overlay(self.host, &self.plan.changes);
        String::from_utf8(after.read(Path::new(path), u64::MAX).unwrap()).unwrap()
    }

    /// The changed files, directories left out.
    pub fn paths(&self) -> Vec<String> {
        use deploy_doctor::fix::Content;
        let files = self.plan.changes.iter().filter(|c| matches!(c.after, Content::File { .. }));
        files.map(|change| change.path.display().to_string()).collect()
    }

    /// These files are changed to these texts, and no others; nothing is left to do.
    #[track_caller]
    pub fn only(&self, files: &[(&str, &str)]) -> &Self {
        assert!(self.plan.left.is_empty(), "left: {:#?}", self.plan.left);
        let mut wanted: Vec<&str> = files.iter().map(|(path, _)| *path).collect();
        wanted.sort_unstable();
        assert_eq!(self.paths(), wanted);
        for (path, text) in files {
            assert_eq!(self.text(path), *text, "{path}");
        }
        self
    }

    /// In this file, which alone is changed, this piece became that one, and all else stays.
    #[track_caller]
    pub fn becomes(&self, path: &str, from: &str, to: &str) -> &Self {
        let before = self.host.read(Path::new(path), u64::MAX).unwrap();
        let before = String::from_utf8(before).unwrap();
        assert_eq!(before.matches(from).count(), 1, "{from:?} in\n{before}");
        self.only(&[(path, &before.replacen(from, to, 1))])
    }

    /// Nothing is changed, and all that is left is said to be for a person.
    #[track_caller]
    pub fn stays(&self) -> &Self {
        assert!(self.plan.changes.is_empty(), "{:#?}", self.plan.changes);
        assert!(!self.plan.left.is_empty(), "nothing is found");
        let said = self.plan.left.iter().all(|left| left.reason == Reason::Manual);
        assert!(said, "{:#?}", self.plan.left);
        self
    }

    /// Nothing is changed, as what would be changes more than the finding.
    #[track_caller]
    pub fn is_unsafe(&self) -> &Self {
        assert!(self.plan.changes.is_empty(), "{:#?}", self.plan.changes);
        assert!(!self.plan.left.is_empty(), "nothing is found");
        let said = self.plan.left.iter().all(|left| left.reason == Reason::Unsafe);
        assert!(said, "{:#?}", self.plan.left);
        self
    }
}

/// A finding is left to its reader: nothing changes, and it is said to be for a person.
#[track_caller]
pub fn is_manual(case: Case, code: &str) {
    let repair = Repair::of(case).rule(code);
    let repaired = repair.in_place();
    repaired.stays();
    for left in &repaired.plan.left {
        assert_eq!(left.proposal.safety, Safety::Manual, "{left:#?}");
    }
}

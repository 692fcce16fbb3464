//! Groups files as one host reads them: units with their sockets, and the nginx files in front of
//! them.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use super::units::AppUnit;
use super::web::WebFile;
use super::{Contents, Survey, best, listed, own, together};
use crate::facts::{Bound, Endpoint, Given, Problem, TcpHost};
use crate::source::Sources;
use crate::source::placeholder::plain_name;

/// Units of one host.
struct UnitsOfHost {
    /// The directory (or file) that sets it apart from others with units of the same names; empty
    /// for those that no other clashes with.
    root: PathBuf,
    units: Vec<AppUnit>,
    given: Given,
    bounds: Vec<Bound>,
    /// Its nginx files, by their number.
    web: Vec<usize>,
}

pub(super) fn join(
    sources: &Sources,
    contents: &Contents,
    units: Vec<AppUnit>,
    web: Vec<WebFile>,
    survey: &mut Survey,
) {
    let mut sites = apart(units);
    sockets(contents, &mut sites, survey);
    let roots: Vec<PathBuf> = sites.iter().map(|site| site.root.clone()).collect();
    for site in &mut sites {
        let root = &site.root;
        let own = |file: &&PathBuf| inmost(&roots, file) == Some(root);
        let environment: Vec<PathBuf> = contents.environment.iter().filter(own).cloned().collect();
        for unit in &site.units {
            survey.take(&unit.path, "unit", None, unit.why.clone());
            for drop_in in &unit.drop_ins {
                survey.take(drop_in, "drop-in", Some(&unit.path), None);
            }
        }
        let base = site.given.clone();
        for unit in &site.units {
            let here =
                own::Here { contents, environment: &environment, sole: site.units.len() == 1 };
            let (own, bounds) = own::join(sources, &here, unit, &base, survey);
            site.given.each.push(own);
            site.bounds.extend(bounds);
        }
    }
    let alone = assign(&web, &mut sites, survey);
    unused(contents, survey);
    let any_app = !sites.is_empty();
    survey.sites.extend(sites.into_iter().map(|site| site.given));
    by_themselves(contents, &web, alone, any_app, survey);
}

/// Units of one name cannot be on one host: each gets a site of its own, with all that is nearer to
/// it than to its namesakes.
fn apart(units: Vec<AppUnit>) -> Vec<UnitsOfHost> {
    let namesakes = |unit: &AppUnit| -> Vec<&AppUnit> {
        let same = |other: &&AppUnit| other.name == unit.name && other.path != unit.path;
        units.iter().filter(same).collect()
    };
    let roots: BTreeSet<PathBuf> = units
        .iter()
        .filter_map(|unit| {
            let others = namesakes(unit);
            let free = |above: &&Path| !others.iter().any(|other| other.path.starts_with(above));
            let last = unit.path.ancestors().take_while(free).last();
            last.filter(|_| !others.is_empty()).map(Path::to_path_buf)
        })
        .collect();
    let mut sites: Vec<UnitsOfHost> = Vec::new();
    for unit in units {
        let root = inmost(&roots, &unit.path).cloned().unwrap_or_default();
        let at = sites.iter().position(|site| site.root == root).unwrap_or_else(|| {
            let (given, bounds) = (Given::default(), Vec::new());
            sites.push(UnitsOfHost { root, units: Vec::new(), given, bounds, web: Vec::new() });
            sites.len() - 1
        });
        sites[at].given.units.push(unit.path.clone());
        sites[at].units.push(unit);
    }
    sites
}

fn inmost<'r>(roots: impl IntoIterator<Item = &'r PathBuf>, path: &Path) -> Option<&'r PathBuf> {
    let around = roots.into_iter().filter(|root| path.starts_with(root));
    around.max_by_key(|root| root.components().count())
}

/// Gives each socket to the site that it is in. Of two with one name, the one nearer to the units
/// counts.
fn sockets(contents: &Contents, sites: &mut [UnitsOfHost], survey: &mut Survey) {
    let roots: Vec<PathBuf> = sites.iter().map(|site| site.root.clone()).collect();
    for (at, site) in sites.iter_mut().enumerate() {
        let nearest = |file: &Path| {
            site.units.iter().map(|unit| together(&unit.path, file)).max().unwrap_or(0)
        };
        let mine: Vec<&PathBuf> = contents
            .sockets
            .iter()
            .filter(|file| inmost(&roots, file).is_none_or(|root| *root == roots[at]))
            .collect();
        let names: BTreeSet<String> = mine.iter().map(|file| plain_name(file)).collect();
        let mut taken = Vec::new();
        for name in names {
            let named = mine.iter().copied().filter(|file| plain_name(file) == name);
            match best(named, nearest) {
                Ok(Some(file)) => taken.push(file.clone()),
                Ok(None) => {}
                Err(alike) => {
                    let all = listed(alike.iter().copied());
                    for file in alike {
                        survey
                            .leave(file, format!("{all} have the same name and are equally near"));
                    }
                }
            }
        }
        // Of several sites, only where its service is among the units.
        let wanted = |file: &PathBuf| {
            let stem = plain_name(file);
            let service = format!("{}.service", stem.trim_end_matches(".socket"));
            site.units.iter().any(|unit| unit.name == service)
        };
        if roots.len() > 1 {
            taken.retain(wanted);
        }
        for file in &taken {
            survey.take(file, "socket", None, None);
        }
        site.given.units.extend(taken);
    }
}

/// Gives each nginx file to the site whose socket it leads to, or that it is in; returns those that
/// are by themselves.
fn assign(web: &[WebFile], sites: &mut [UnitsOfHost], survey: &mut Survey) -> Vec<usize> {
    let mut alone = Vec::new();
    for (index, file) in web.iter().enumerate() {
        let leads = |site: &&mut UnitsOfHost| leads_to(file, &site.bounds);
        let roots: Vec<PathBuf> = sites.iter().map(|site| site.root.clone()).collect();
        let root = inmost(&roots, &file.path).cloned();
        let mut reached: Vec<&mut UnitsOfHost> = sites.iter_mut().filter(leads).collect();
        // Deployments on hosts of their own may all listen at one address: then the one counts that
        // it is in.
        if reached.len() > 1 && reached.iter().any(|site| Some(&site.root) == root.as_ref()) {
            reached.retain(|site| Some(&site.root) == root.as_ref());
        }
        // What another container's name is in belongs to that network.
        if reached.is_empty() && !leads_abroad(file) {
            reached = sites.iter_mut().filter(|site| Some(&site.root) == root.as_ref()).collect();
        }
        if reached.is_empty() {
            alone.push(index);
        }
        reached.into_iter().for_each(|site| site.web.push(index));
    }
    for site in sites {
        alone.extend(settle(web, site, survey));
    }
    alone.sort_unstable();
    alone.dedup();
    alone
}

/// Does it pass requests on to names of other hosts alone?
fn leads_abroad(file: &WebFile) -> bool {
    let named = |peer: &Endpoint| matches!(peer, Endpoint::Tcp { host: TcpHost::Name(_), .. });
    !file.peers.is_empty() && file.peers.iter().all(named)
}

fn leads_to(file: &WebFile, bounds: &[Bound]) -> bool {
    let reaches =
        |bound: &Bound| file.peers.iter().any(|peer| peer.reaches(&bound.endpoint) == Some(true));
    bounds.iter().any(reaches)
}

/// Of files that one host cannot load together, the one that leads to the site's units is its own.
/// Where that does not tell them apart, none is taken.
fn settle(web: &[WebFile], site: &mut UnitsOfHost, survey: &mut Survey) -> Vec<usize> {
    let mine = std::mem::take(&mut site.web);
    let mut out = Vec::new();
    let mut unknown = None;
    for &index in &mine {
        let file = &web[index];
        let others = || mine.iter().filter(|other| **other != index).map(|other| &web[*other]);
        let clashing: Vec<(&WebFile, &String)> =
            others().filter_map(|other| Some((other, file.clash(other)?))).collect();
        let Some((other, both)) = clashing.first() else {
            site.web.push(index);
            continue;
        };
        let here = leads_to(file, &site.bounds);
        let there = clashing.iter().any(|(other, _)| leads_to(other, &site.bounds));
        match (here, there) {
            (true, false) => site.web.push(index),
            (false, true) => {
                let why = format!(
                    "it is checked on its own: it defines {both} like {}, which leads to the unit",
                    other.path.display()
                );
                survey.leave(&file.path, why);
                out.push(index);
            }
            _ => {
                let (one, two) = (file.path.display(), other.path.display());
                let why = format!("it is checked on its own: it defines {both} like {two}");
                survey.leave(&file.path, why);
                unknown.get_or_insert(format!(
                    "{one} and {two} both define {both}, and it is not known which of them is \
                     installed"
                ));
                out.push(index);
            }
        }
    }
    if unknown.is_some() {
        out.append(&mut site.web);
    }
    let unit = match site.units.as_slice() {
        [one] => Some(one.path.as_path()),
        _ => None,
    };
    for &index in &site.web {
        let file = &web[index];
        let why = leads_to(file, &site.bounds).then(|| match unit {
            Some(_) => "it leads to its socket".to_owned(),
            None => "it leads to a socket of the units".to_owned(),
        });
        survey.take(&file.path, "nginx", unit, why);
        site.given.nginx.push(file.path.clone());
    }
    site.given.nginx_unknown = unknown;
    out
}

/// nginx files that belong to no unit: those that one host can load together are read together.
fn by_themselves(
    contents: &Contents,
    web: &[WebFile],
    alone: Vec<usize>,
    any_app: bool,
    survey: &mut Survey,
) {
    let clashes = |index: usize| {
        alone.iter().any(|other| *other != index && web[index].clash(&web[*other]).is_some())
    };
    let (apart, together): (Vec<usize>, Vec<usize>) =
        alone.iter().copied().partition(|index| clashes(*index));
    let groups = std::iter::once(together).chain(apart.into_iter().map(|index| vec![index]));
    let mut any = false;
    for group in groups {
        if !group.iter().any(|index| web[*index].passes) {
            for index in group {
                survey.leave(&web[index].path, "it passes no request on to an application");
            }
            continue;
        }
        any = true;
        let paths: Vec<PathBuf> = group.iter().map(|index| web[*index].path.clone()).collect();
        for path in &paths {
            survey.take(path, "nginx", None, Some("no unit here belongs to it".to_owned()));
        }
        survey.sites.push(Given { nginx: paths, ..Given::default() });
    }
    if any && !any_app {
        let mut message =
            "no unit that runs gunicorn was found: nginx's files are checked on their own"
                .to_owned();
        let hidden = contents.ignored_units.first();
        if let Some(unit) = hidden {
            message.push_str(&format!(
                "; {} was left out, because .gitignore names it and git does not track it: --unit \
                 checks it",
                unit.display()
            ));
        }
        // A service that is there and was not looked at may be the application.
        let service = survey.left.iter().find(|left| plain_name(&left.file).ends_with(".service"));
        if let Some(left) = service.filter(|_| hidden.is_none()) {
            message.push_str(&format!("; {} was left out: {}", left.file.display(), left.why));
        }
        let note = hidden.is_none() && service.is_none();
        survey.problems.push(Problem { note, ..Problem::new(&contents.directory, message) });
    }
}

/// Says of environment files and of gunicorn's configuration files that no unit names them.
fn unused(contents: &Contents, survey: &mut Survey) {
    let conf = |file: &&PathBuf| {
        let name = plain_name(file);
        name.contains("gunicorn") && name.ends_with(".py")
    };
    let files = contents.environment.iter().chain(contents.files.iter().filter(conf));
    for file in files {
        let known = survey.taken.iter().any(|taken| taken.file == *file)
            || survey.left.iter().any(|left| left.file == *file);
        if !known {
            survey.leave(file, "no unit here names it");
        }
    }
}

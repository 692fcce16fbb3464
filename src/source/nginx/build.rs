//! Builds the [`Model`] in one walk over all directives.

use std::collections::HashMap;

use super::check;
use super::config::{Config, DirectiveId, DirectiveRef, has_placeholder, small};
use super::fault::{Fault, FaultKind};
use super::id::{LocationId, ServerId, UpstreamId};
use super::location::{Handling, Location, read_head, words_of};
use super::model::{Model, expand};
use super::pass;
use super::says::Says;
use super::scope::Scope;
use super::server::{Listen, Server, ServerName};
use super::tree::Body;
use super::upstream::Upstream;
use super::version::Version;

impl Model {
    /// Works out what a configuration means.
    pub fn new(config: Config) -> Self {
        build(config)
    }
}

fn build(config: Config) -> Model {
    let faults = config.faults.clone();
    let unread = config.not_read.iter().map(|not_read| not_read.parent).collect();
    let mut model = Model {
        config,
        user: None,
        servers: Vec::new(),
        locations: Vec::new(),
        upstreams: Vec::new(),
        variables: super::variables::Variables::default(),
        faults,
        unread,
        groups: pass::Groups::default(),
    };
    let mut walk = BuildWalk {
        says: model.config.names.all().map(|(name, _)| Says::of(name)).collect(),
        scopes: Vec::with_capacity(model.config.len()),
        implicit: HashMap::new(),
        passes: Vec::new(),
        user: None,
        servers: Vec::new(),
        locations: Vec::new(),
        upstreams: Vec::new(),
        variables: super::variables::Variables::default(),
        faults: Vec::new(),
        version: model.config.version,
    };
    for directive in model.config.directives() {
        walk.directive(&directive);
    }
    let BuildWalk {
        passes, user, servers, locations, upstreams, variables, faults, scopes, ..
    } = walk;
    model.user = user;
    (model.servers, model.locations, model.upstreams) = (servers, locations, upstreams);
    model.variables = variables;
    model.faults.extend(faults);
    for assignments in model.variables.assignments.values_mut() {
        assignments.sort_by_key(|assignment| assignment.server);
    }
    note_unread(&mut model, &scopes);
    name_groups(&mut model);
    resolve_passes(&mut model, passes);
    check::check(&mut model, &scopes);
    model
}

struct BuildWalk {
    /// For each name, what its lines say.
    says: Vec<Says>,
    scopes: Vec<Scope>,
    /// The implied server around bare locations, for each file of a fragment.
    implicit: HashMap<u32, ServerId>,
    passes: Vec<(DirectiveId, Scope)>,
    user: Option<crate::source::Spanned<Vec<crate::source::Spanned<String>>>>,
    servers: Vec<Server>,
    locations: Vec<Location>,
    upstreams: Vec<Upstream>,
    variables: super::variables::Variables,
    faults: Vec<Fault>,
    version: Option<Version>,
}

impl BuildWalk {
    fn directive(&mut self, directive: &DirectiveRef<'_>) {
        let around = match directive.parent_id() {
            Some(parent) => self.scopes.get(parent.0 as usize).copied().unwrap_or(Scope::Other),
            None if directive.inclusion().1 => Scope::Fragment,
            None => Scope::Main,
        };
        let scope = if directive.body() == Body::None {
            if around != Scope::Other {
                let says = self.says.get(directive.name_id().index());
                self.simple(directive, says.copied().unwrap_or(Says::Nothing), around);
            }
            Scope::Other
        } else {
            self.block(directive, &directive.name(), around)
        };
        self.scopes.push(scope);
    }

    fn block(&mut self, directive: &DirectiveRef<'_>, name: &[u8], around: Scope) -> Scope {
        let in_http = matches!(around, Scope::Http | Scope::Fragment);
        match name {
            b"http" if matches!(around, Scope::Main | Scope::Fragment) => Scope::Http,
            b"server" if in_http => {
                let id = self.add_server(Some(directive.id), directive);
                Scope::Server(id)
            }
            b"upstream" if in_http => {
                let id = UpstreamId(small(self.upstreams.len()));
                self.upstreams.push(Upstream::new(id, directive));
                Scope::Upstream(id)
            }
            b"map" | b"geo" | b"split_clients" if in_http => {
                self.variables.add_table(directive);
                Scope::Other
            }
            b"location" | b"if" | b"limit_except" => {
                let (server, parent) = match around {
                    Scope::Server(server) => (server, None),
                    Scope::Location(id) => match self.locations.get(id.0 as usize) {
                        Some(location) => (location.server, Some(id)),
                        None => return Scope::Other,
                    },
                    Scope::Fragment => (self.implicit_server(directive), None),
                    _ => return Scope::Other,
                };
                Scope::Location(self.add_location(directive, name, server, parent))
            }
            _ => Scope::Other,
        }
    }

    fn add_server(&mut self, block: Option<DirectiveId>, at: &DirectiveRef<'_>) -> ServerId {
        let id = ServerId(small(self.servers.len()));
        self.servers.push(Server {
            id,
            directive: block,
            span: at.head_span(),
            listens: Vec::new(),
            names: Vec::new(),
            locations: Vec::new(),
            handling: Handling::default(),
        });
        id
    }

    fn implicit_server(&mut self, directive: &DirectiveRef<'_>) -> ServerId {
        let (inclusion, _) = directive.inclusion();
        if let Some(id) = self.implicit.get(&inclusion) {
            return *id;
        }
        let id = self.add_server(None, directive);
        self.implicit.insert(inclusion, id);
        id
    }

    fn add_location(
        &mut self,
        directive: &DirectiveRef<'_>,
        name: &[u8],
        server: ServerId,
        parent: Option<LocationId>,
    ) -> LocationId {
        let id = LocationId(small(self.locations.len()));
        let (kind, pattern, unknown) = read_head(directive, name, &mut self.faults);
        self.locations.push(Location {
            id,
            directive: directive.id,
            server,
            parent,
            children: Vec::new(),
            kind,
            pattern,
            unknown,
            span: directive.head_span(),
            handling: Handling::default(),
        });
        let siblings = match parent {
            Some(parent) => self.locations.get_mut(parent.0 as usize).map(|l| &mut l.children),
            None => self.servers.get_mut(server.0 as usize).map(|s| &mut s.locations),
        };
        if let Some(siblings) = siblings {
            siblings.push(id);
        }
        id
    }

    fn simple(&mut self, directive: &DirectiveRef<'_>, says: Says, around: Scope) {
        match around {
            Scope::Main if says == Says::User => self.user = Some(words_of(directive)),
            Scope::Server(id) => self.in_server(directive, says, id),
            Scope::Fragment if says.is_servers() => {
                let id = self.implicit_server(directive);
                self.in_server(directive, says, id);
            }
            // A `proxy_pass` outside every block is meant to be included in a location.
            Scope::Fragment if says == Says::Pass => {
                let id = self.implicit_server(directive);
                self.passes.push((directive.id, Scope::Server(id)));
            }
            Scope::Location(_) if says == Says::Nothing => {}
            Scope::Location(id) => {
                let Some(location) = self.locations.get_mut(id.0 as usize) else { return };
                match says {
                    Says::Set => {
                        self.variables.add_assignment(directive, location.server, Some(id));
                    }
                    Says::Pass => self.passes.push((directive.id, around)),
                    _ => location.handling.take(directive, says),
                }
            }
            Scope::Upstream(id) => {
                if let Some(upstream) = self.upstreams.get_mut(id.0 as usize) {
                    let name = directive.name();
                    upstream.take(directive, &name, self.version, &mut self.faults);
                }
            }
            _ => {}
        }
    }

    fn in_server(&mut self, directive: &DirectiveRef<'_>, says: Says, id: ServerId) {
        let Some(server) = self.servers.get_mut(id.0 as usize) else { return };
        match says {
            Says::Listen => {
                Listen::read(directive, self.version, &mut self.faults, &mut server.listens);
            }
            Says::ServerName => {
                server.names.extend(directive.arguments().map(|word| ServerName::read(&word)));
            }
            Says::Set => self.variables.add_assignment(directive, id, None),
            _ => server.handling.take(directive, says),
        }
    }
}

/// Marks each `upstream` and `map` as incomplete if it contains an `include` that was not read.
fn note_unread(model: &mut Model, scopes: &[Scope]) {
    for not_read in &model.config.not_read {
        let Some(parent) = not_read.parent else { continue };
        if let Some(Scope::Upstream(id)) = scopes.get(parent.0 as usize)
            && let Some(upstream) = model.upstreams.get_mut(id.0 as usize)
        {
            upstream.complete = false;
        }
    }
    for table in model.variables.tables.values_mut() {
        table.complete &= !model.unread.contains(&Some(table.directive));
    }
}

fn name_groups(model: &mut Model) {
    model.groups.reserve(model.upstreams.len());
    for upstream in &model.upstreams {
        if has_placeholder(&upstream.name.value) {
            continue;
        }
        let name = pass::lower(&upstream.name.value).into_owned();
        let first = *model.groups.entry(name).or_insert(upstream.id);
        if first != upstream.id
            && let Some(first) = model.upstreams.get(first.0 as usize)
        {
            let message = format!("duplicate upstream \"{}\"", upstream.name.value);
            model.faults.push(
                Fault::new(FaultKind::DuplicateUpstream, upstream.span, message).with([first.span]),
            );
        }
        upstream.check(&mut model.faults);
    }
}

fn resolve_passes(model: &mut Model, passes: Vec<(DirectiveId, Scope)>) {
    let config = &model.config;
    let whole = config.is_whole();
    for (id, scope) in passes {
        let Some(directive) = model.config.get(id) else { continue };
        let (kind, server, location) = match scope {
            Scope::Location(location) => match model.locations.get(location.0 as usize) {
                Some(block) => (Some(block.kind), block.server, Some(location)),
                None => continue,
            },
            Scope::Server(server) => (None, server, None),
            _ => continue,
        };
        let expanding =
            |text: &str| expand(&model.variables, &model.locations, text, server, location);
        let mut faults = Vec::new();
        let pass = pass::read(&directive, kind, (&model.groups, whole), expanding, &mut faults);
        model.faults.append(&mut faults);
        let handling = match location {
            Some(id) => model.locations.get_mut(id.0 as usize).map(|block| &mut block.handling),
            None => model.servers.get_mut(server.0 as usize).map(|block| &mut block.handling),
        };
        if let Some(handling) = handling {
            handling.passes.extend(pass);
        }
    }
}

//! Whole deployments with many faults at once: every finding, by code, file and line, and nothing
//! else. A new rule that finds something true in them adds its line here.

use crate::support::case;

use case::{Case, Seen};

fn places(seen: &Seen) -> Vec<String> {
    let places = seen.hits.iter().map(|found| match found.places.first() {
        Some(place) => format!("{} {}:{}", found.code, place.file, place.line),
        None => format!("{} nowhere", found.code),
    });
    let mut places: Vec<String> = places.collect();
    places.sort();
    places
}

#[track_caller]
fn holds(seen: &Seen, expected: &[&str]) {
    let found = places(seen);
    let extra: Vec<_> = found.iter().filter(|f| !expected.contains(&f.as_str())).collect();
    let lost: Vec<_> = expected.iter().filter(|e| !found.iter().any(|f| f == *e)).collect();
    assert!(extra.is_empty() && lost.is_empty(), "extra {extra:#?}\nlost {lost:#?}\n{seen:#?}");
    assert_eq!(found, expected, "in this order, each once");
    assert!(seen.problems.is_empty(), "{:?}", seen.problems);
}

fn skips(seen: &Seen) -> Vec<(&str, &str)> {
    seen.skips.iter().map(|(code, why)| (*code, why.text())).collect()
}

#[test]
fn capistrano_with_two_applications_on_tcp() {
    let seen = Case::tree("capistrano").check();
    holds(
        &seen,
        &[
            "E401 /srv/shop/shared/shop.env:1",
            "E407 /etc/systemd/system/shop.service:8",
            "E408 /srv/shop/shared/shop.env:4",
            "G201 /srv/shop/shared/gunicorn.conf.py:4",
            "G203 /srv/shop/shared/gunicorn.conf.py:6",
            "G204 /srv/admin/shared/gunicorn.conf.py:3",
            "G206 /srv/shop/shared/gunicorn.conf.py:8",
            "G207 /srv/shop/shared/gunicorn.conf.py:5",
            "G211 /srv/shop/releases/20260421093000/views.py:5",
            "N306 /etc/nginx/conf.d/shop.conf:16",
            "N307 /etc/nginx/conf.d/shop.conf:2",
            "R701 /etc/systemd/system/admin.service:8",
            "R702 /etc/systemd/system/shop.service:7",
            "R710 /etc/nginx/conf.d/shop.conf:12",
            "U101 /etc/systemd/system/admin.service:5",
            "U102 /etc/systemd/system/shop.service:10",
            "U107 /etc/systemd/system/admin.service:5",
            "U108 /etc/systemd/system/shop.service:12",
            "U109 /etc/systemd/system/admin.service:10",
            "U112 /etc/systemd/system/admin.service:8",
            "U113 /etc/systemd/system/shop.service:9",
        ],
    );
    // What hangs on the link that leads nowhere is not judged, and not said to be fine.
    let of_the_link = skips(&seen);
    assert!(
        of_the_link.contains(&("G210", "/srv/admin/current does not exist")),
        "{of_the_link:?}"
    );
}

#[test]
fn an_instance_with_its_socket_activated() {
    let seen = Case::tree("activated").check();
    holds(
        &seen,
        &[
            "E403 /etc/web/blue.env:2",
            "E404 /etc/web/blue.env:3",
            "E407 /etc/systemd/system/web@.service:12",
            "E410 /srv/web/blue/current/web.py:4",
            "G201 /etc/systemd/system/web@blue.service.d/override.conf:2",
            "G203 /etc/systemd/system/web@blue.service.d/override.conf:2",
            "G206 /etc/systemd/system/web@.service:13",
            "G210 /etc/systemd/system/web@.service:13",
            "N303 /etc/nginx/conf.d/blue.conf:11",
            "N304 /etc/nginx/conf.d/blue.conf:12",
            "N306 /etc/nginx/conf.d/blue.conf:11",
            "N313 /etc/nginx/conf.d/blue.conf:7",
            "R702 /etc/systemd/system/web@.service:11",
            "R710 /srv/web/blue/current/static/manifest.json:1",
            "U108 /etc/systemd/system/web@.service:17",
            "U110 /etc/systemd/system/web@.service:16",
            "U119 /etc/systemd/system/web@blue.service.d/override.conf:3",
            "U129 /etc/systemd/system/web@.service:14",
        ],
    );
    // Of files alone nobody can tell what runs.
    let told = seen.skips.iter().filter(|(_, why)| !why.kind().needs_more());
    let told: Vec<_> = told.map(|(code, why)| (*code, why.text())).collect();
    assert_eq!(told, []);
}

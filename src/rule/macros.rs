//! `rule!` and `area!`, which declare the rule of a file and the list of rules of an area.

/// Declares the rule of a file as `pub static RULE`.
///
/// The doc comment is the rule's page; its fenced examples run as tests.
///
/// ```text
/// rule! {
///     /// One sentence that names the consequence.
///     ///
///     /// Why, and what was measured.
///     U101 "exec-reload-missing" {
///         severity: Error, impact: DroppedRequests, fix: Some(Safe),
///         item: ExecReload, hop: Master, since: "0.1.0", check: App(check)
///     }
/// }
/// ```
#[macro_export]
macro_rules! rule {
    (
        $(#[doc = $line:literal])+
        $code:ident $name:literal {
            severity: $severity:ident,
            impact: $impact:ident,
            fix: $fix:expr,
            item: $item:ident,
            hop: $hop:ident,
            since: $since:literal,
            check: $scope:ident($check:path) $(,)?
        }
    ) => {
        $(#[doc = $line])+
        pub static RULE: $crate::rule::Rule = {
            #[allow(unused_imports)]
            use $crate::rule::Safety::{Manual, Safe, Unsafe};
            $crate::rule::Rule {
                code: stringify!($code),
                name: $name,
                severity: $crate::rule::Severity::$severity,
                impact: $crate::rule::Impact::$impact,
                fix: $fix,
                item: $crate::rule::Item::$item,
                hop: $crate::rule::Hop::$hop,
                since: $since,
                docs: concat!($($line, "\n"),+),
                check: $crate::rule::Check::$scope($check),
            }
        };
    };
}

/// Declares the files of an area and its list `pub static RULES`.
#[macro_export]
macro_rules! area {
    [$($module:ident),+ $(,)?] => {
        $(
            #[allow(missing_docs)]
            pub mod $module;
        )+
        /// The area's rules, by code.
        pub static RULES: &[&$crate::rule::Rule] = &[$(&$module::RULE),+];
    };
}

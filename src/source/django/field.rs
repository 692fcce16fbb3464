//! A field of a model, as far as it concerns the database.

use ruff_python_ast::{Expr, Number};

use super::arguments::Arguments;
use super::expression::{last_name, text};

/// A field. Unknown properties are `None`.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Field {
    /// The class, if it is one of Django's own.
    pub class: Option<String>,
    /// Whether it has no column: many-to-many, generic relations, tags.
    pub columnless: bool,
    /// `null`.
    pub null: Option<bool>,
    /// `unique`.
    pub unique: Option<bool>,
    /// `db_index`, even if Django sets it by itself.
    pub index: Option<bool>,
    /// `primary_key`.
    pub primary_key: Option<bool>,
    /// `db_column`.
    pub column: Option<String>,
    /// Whether the database itself has a default (`db_default`) or computes the value
    /// (`GeneratedField`).
    pub database_fills: bool,
    /// The type of the column.
    pub column_type: Option<Type>,
    /// The model that it refers to.
    pub to: Option<String>,
}

/// The types that can be compared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Type {
    /// A string of at most this many characters.
    Text(i64),
    /// A whole number of this many bytes; the flag says that it must not be negative.
    Whole(i64, bool),
    /// A decimal: digits, and digits after the point.
    Decimal(i64, i64),
    /// An automatic number of this many bytes.
    Counted(i64),
    /// Computed by the database; the flag says whether the value is stored.
    Generated(bool),
}

/// Fields of Django that have one column and no comparable type.
const PLAIN: [&str; 31] = [
    "BinaryField",
    "BooleanField",
    "DateField",
    "DateTimeField",
    "DurationField",
    "FloatField",
    "ForeignKey",
    "GenericIPAddressField",
    "IPAddressField",
    "JSONField",
    "NullBooleanField",
    "OneToOneField",
    "TimeField",
    "UUIDField",
    "ArrayField",
    "HStoreField",
    "SearchVectorField",
    "IntegerRangeField",
    "BigIntegerRangeField",
    "DecimalRangeField",
    "DateTimeRangeField",
    "DateRangeField",
    "CICharField",
    "CIEmailField",
    "CITextField",
    "PointField",
    "PolygonField",
    "MultiPolygonField",
    "LineStringField",
    "MultiLineStringField",
    "GeometryField",
];

/// Fields without a column, of Django and of widely used packages.
const COLUMNLESS: [&str; 7] = [
    "ManyToManyField",
    "GenericRelation",
    "GenericForeignKey",
    "TaggableManager",
    "ClusterTaggableManager",
    "ParentalManyToManyField",
    "SortedManyToManyField",
];

impl Field {
    pub(super) fn of(expression: &Expr) -> Self {
        let Expr::Call(call) = expression else { return Self::default() };
        let Some(class) = last_name(&call.func) else { return Self::default() };
        let is = Arguments::of(call);
        let flag = |name: &str, default: bool| match is.keyword(name) {
            Some(Expr::BooleanLiteral(value)) => Some(value.value),
            Some(_) => None,
            None => (!is.open()).then_some(default),
        };
        let points = matches!(class, "ForeignKey" | "OneToOneField");
        let column_type = column_type(class, &is);
        let is_djangos = column_type.is_some()
            || PLAIN.contains(&class)
            || matches!(class, "CharField" | "DecimalField" | "GeneratedField");
        // `models.CharField`, rather than a class of the same name from elsewhere.
        let own = is_djangos && is_of_django(&call.func);
        let generated = matches!(column_type, Some(Type::Generated(_)));
        Self {
            columnless: COLUMNLESS.contains(&class),
            class: own.then(|| class.to_owned()),
            null: match class {
                "NullBooleanField" => Some(true),
                _ => flag("null", false),
            },
            unique: flag("unique", class == "OneToOneField"),
            index: match (own, flag("unique", class == "OneToOneField")) {
                // A unique column already has an index.
                (true, Some(true)) => Some(false),
                (true, _) => flag("db_index", points || class == "SlugField"),
                (false, _) => None,
            },
            primary_key: flag("primary_key", false),
            column: is.keyword("db_column").and_then(text).map(str::to_owned),
            database_fills: generated
                || is.keyword("db_default").is_some_and(|e| last_name(e) != Some("NOT_PROVIDED")),
            column_type: column_type.filter(|_| own),
            to: is.at(0, "to").filter(|_| points).and_then(|to| match to {
                Expr::Attribute(setting) => Some(setting.attr.as_str().to_lowercase()),
                other => text(other).map(str::to_lowercase),
            }),
        }
    }
}

/// Whether it is `models.X`, `django.….X`, or a bare name, which is assumed to be imported from
/// Django.
fn is_of_django(class: &Expr) -> bool {
    let mut at = class;
    loop {
        match at {
            Expr::Attribute(attribute) => at = &attribute.value,
            Expr::Name(name) => {
                let bare = matches!(class, Expr::Name(_));
                return !bare && matches!(name.id.as_str(), "models" | "django" | "gis_models");
            }
            _ => return false,
        }
    }
}

/// The type of a column, if it can be compared with others.
fn column_type(class: &str, is: &Arguments<'_>) -> Option<Type> {
    let number = |name: &str, default: Option<i64>| match is.keyword(name) {
        Some(Expr::NumberLiteral(literal)) => match &literal.value {
            Number::Int(number) => number.as_i64(),
            _ => None,
        },
        Some(Expr::NoneLiteral(_)) => Some(i64::MAX),
        Some(_) => None,
        None => default.filter(|_| !is.open()),
    };
    let length = |default| number("max_length", Some(default)).map(Type::Text);
    match class {
        "CharField" => length(i64::MAX),
        "SlugField" => length(50),
        "EmailField" => length(254),
        "URLField" => length(200),
        "FileField" | "ImageField" | "FilePathField" => length(100),
        "TextField" => Some(Type::Text(i64::MAX)),
        "SmallIntegerField" => Some(Type::Whole(2, false)),
        "IntegerField" => Some(Type::Whole(4, false)),
        "BigIntegerField" => Some(Type::Whole(8, false)),
        "PositiveSmallIntegerField" => Some(Type::Whole(2, true)),
        "PositiveIntegerField" => Some(Type::Whole(4, true)),
        "PositiveBigIntegerField" => Some(Type::Whole(8, true)),
        "SmallAutoField" => Some(Type::Counted(2)),
        "AutoField" => Some(Type::Counted(4)),
        "BigAutoField" => Some(Type::Counted(8)),
        "DecimalField" => {
            Some(Type::Decimal(number("max_digits", None)?, number("decimal_places", None)?))
        }
        "GeneratedField" => Some(Type::Generated(match is.keyword("db_persist") {
            Some(Expr::BooleanLiteral(value)) => value.value,
            _ => true,
        })),
        _ => None,
    }
}

impl Type {
    /// Whether `to` can represent every value of this type.
    pub(super) fn holds(self, to: Self) -> Option<bool> {
        match (self, to) {
            (Self::Text(from), Self::Text(to)) => Some(to >= from),
            (Self::Counted(from), Self::Counted(to)) => Some(to >= from),
            (Self::Whole(from, positive), Self::Whole(to, to_positive)) => {
                Some(to >= from && (positive || !to_positive))
            }
            (Self::Decimal(digits, scale), Self::Decimal(to_digits, to_scale)) => Some(
                to_scale >= scale
                    && to_digits.saturating_sub(to_scale) >= digits.saturating_sub(scale),
            ),
            _ => None,
        }
    }
}

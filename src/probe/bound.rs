//! What a number of failures says about the true failure rate, and what it does not say.

use std::fmt;

use serde::{Serialize, Serializer, ser::SerializeStruct};

/// The confidence of the bound.
const CONFIDENCE: f64 = 0.95;

/// The highest share of failures that is compatible with the sample, with 95 % confidence.
///
/// The bound treats every probe as an independent draw. A reload's failures come in bunches, so the
/// bound is a statement about the time that was watched, not about the next reload.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct UpperBound {
    /// Probes that failed.
    pub failed: u64,
    /// Probes with an outcome, success or failure.
    pub of: u64,
    /// The bound, from 0 to 1.
    pub share: f64,
    /// How it was calculated.
    pub method: BoundMethod,
}

/// How an [`UpperBound`] is calculated.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum BoundMethod {
    /// Three divided by the number of probes, if none failed.
    RuleOfThree,
    /// The exact one-sided bound of Clopper and Pearson.
    ClopperPearson,
    /// There were no probes, so nothing is ruled out.
    NothingSeen,
}

impl BoundMethod {
    /// Its name.
    pub fn text(self) -> &'static str {
        match self {
            Self::RuleOfThree => "rule of three",
            Self::ClopperPearson => "Clopper-Pearson",
            Self::NothingSeen => "nothing was seen",
        }
    }
}

impl UpperBound {
    /// The bound for `failed` failures among `of` probes.
    pub fn new(failed: u64, of: u64) -> Self {
        let (share, method) = match (failed, of) {
            (_, 0) => (1.0, BoundMethod::NothingSeen),
            (0, of) => ((3.0 / of as f64).min(1.0), BoundMethod::RuleOfThree),
            (failed, of) if failed >= of => (1.0, BoundMethod::ClopperPearson),
            (failed, of) => (clopper_pearson(failed, of), BoundMethod::ClopperPearson),
        };
        Self { failed, of, share, method }
    }
}

/// The share at which this number of failures or fewer would still be seen in one of twenty
/// samples.
fn clopper_pearson(failed: u64, of: u64) -> f64 {
    let (mut low, mut high) = (failed as f64 / of as f64, 1.0);
    for _ in 0..60 {
        let middle = f64::midpoint(low, high);
        if at_most(failed, of, middle) > 1.0 - CONFIDENCE { low = middle } else { high = middle }
    }
    high
}

/// The probability of `failed` or fewer failures among `of` probes, each failing with probability
/// `share`.
fn at_most(failed: u64, of: u64, share: f64) -> f64 {
    // Adds the terms from the largest down, relative to it, so that no term underflows before it
    // counts.
    let odds = (1.0 - share) / share;
    let mut term = 1.0;
    let mut sum = 1.0;
    for k in (1..=failed).rev() {
        term *= k as f64 / (of - k + 1) as f64 * odds;
        sum += term;
        if term < sum * 1e-17 {
            break;
        }
    }
    let (n, k) = (of as f64, failed as f64);
    let largest = ln_factorial(n) - ln_factorial(k) - ln_factorial(n - k)
        + k * share.ln()
        + (n - k) * (-share).ln_1p();
    (largest + sum.ln()).exp()
}

/// ln n!, exact for small numbers, by Stirling's series for larger ones.
fn ln_factorial(n: f64) -> f64 {
    if n < 32.0 {
        let mut sum = 0.0;
        let mut k = 2.0;
        while k <= n {
            sum += f64::ln(k);
            k += 1.0;
        }
        return sum;
    }
    let n2 = n * n;
    n * n.ln() - n + 0.5 * (2.0 * std::f64::consts::PI * n).ln() + 1.0 / (12.0 * n)
        - 1.0 / (360.0 * n * n2)
        + 1.0 / (1260.0 * n * n2 * n2)
}

impl fmt::Display for UpperBound {
    /// `fewer than 0.4 % with 95 % confidence (rule of three)`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.method == BoundMethod::NothingSeen {
            return f.write_str("nothing was measured, so nothing is ruled out");
        }
        if self.share >= 1.0 {
            return write!(f, "up to 100 % with 95 % confidence ({})", self.method.text());
        }
        let percent = percent(self.share);
        write!(f, "fewer than {percent} % with 95 % confidence ({})", self.method.text())
    }
}

/// Rounded up, to one significant digit below one percent and one decimal above, so that the bound
/// is never too optimistic.
fn percent(share: f64) -> String {
    let percent = share * 100.0;
    let decimals = if percent >= 0.1 { 1 } else { 1 - percent.log10().floor() as i32 - 1 };
    let decimals = decimals.clamp(0, 12);
    let scale = 10_f64.powi(decimals);
    // A value that exceeds a whole step only by its last bit is not rounded up by another step.
    let up = ((percent * scale) - 1e-9).ceil() / scale;
    format!("{up:.*}", decimals.unsigned_abs() as usize)
}

impl Serialize for UpperBound {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut object = serializer.serialize_struct("UpperBound", 6)?;
        object.serialize_field("failed", &self.failed)?;
        object.serialize_field("of", &self.of)?;
        object.serialize_field("share", &self.share)?;
        object.serialize_field("confidence", &CONFIDENCE)?;
        object.serialize_field("method", &self.method)?;
        object.serialize_field("text", &self.to_string())?;
        object.end()
    }
}

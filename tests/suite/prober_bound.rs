//! The bound that a run puts on the true share of failures, against values worked out elsewhere.

use deploy_doctor::probe::bound::{BoundMethod, UpperBound};

#[test]
fn none_that_failed_is_the_rule_of_three() {
    let bound = UpperBound::new(0, 800);
    assert_eq!((bound.share, bound.method), (3.0 / 800.0, BoundMethod::RuleOfThree));
    assert_eq!(bound.to_string(), "fewer than 0.4 % with 95 % confidence (rule of three)");
    // No promise from next to nothing.
    assert_eq!(UpperBound::new(0, 2).share, 1.0);
    let nothing = UpperBound::new(0, 0);
    assert_eq!(nothing.to_string(), "nothing was measured, so nothing is ruled out");
}

#[test]
fn some_that_failed_is_clopper_and_pearson() {
    // By bisection of the binomial distribution's sum, in Python.
    for (failed, of, share) in [
        (1, 100, 0.046_559_811_45),
        (5, 100, 0.102_253_377_64),
        (10, 1_000, 0.016_903_175_12),
        (50, 100, 0.586_378_285_37),
        (99, 100, 0.999_487_198_58),
        (3, 10, 0.606_624_216_11),
        (1, 1_000_000, 4.743_855_638e-6),
        (20_000, 1_000_000, 0.020_231_809_30),
    ] {
        let bound = UpperBound::new(failed, of);
        let off = (bound.share / share - 1.0).abs();
        assert!(off < 1e-5, "{failed} of {of}: {} for {share}", bound.share);
        assert_eq!(bound.method, BoundMethod::ClopperPearson);
    }
    let all = UpperBound::new(7, 7);
    assert_eq!(all.to_string(), "up to 100 % with 95 % confidence (Clopper-Pearson)");
}

#[test]
fn a_bound_is_rounded_up_never_down() {
    for (of, says) in [(100, "3.0 %"), (299, "1.1 %"), (30, "10.0 %"), (100_000, "0.003 %")] {
        let text = UpperBound::new(0, of).to_string();
        assert!(text.starts_with(&format!("fewer than {says}")), "{of}: {text}");
    }
}

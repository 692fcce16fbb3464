//! What the fixes of the rules on units make of files, form by form.

use case::Case;
use fix::{DROP_IN, OURS, Repair, UNIT};

#[path = "support/case.rs"]
mod case;
#[path = "support/fix.rs"]
mod fix;

#[test]
fn a_setting_of_a_drop_in_is_changed_there_and_a_fragments_in_a_drop_in() {
    let case = || Case::healthy().file(DROP_IN, "[Service]\nKillMode=none\n");
    for fixed in [Repair::of(case()).in_place(), Repair::of(case()).drop_in()] {
        fixed.only(&[(DROP_IN, "[Service]\nKillMode=mixed\n")]);
    }
    let repair = Repair::of(Case::healthy().replace(UNIT, "KillMode=mixed", "KillMode=none"));
    repair.in_place().becomes(UNIT, "KillMode=none", "KillMode=mixed");
    repair.drop_in().only(&[(OURS, "[Service]\nKillMode=mixed\n")]);
}

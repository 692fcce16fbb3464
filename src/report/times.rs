//! How long a check took: its own time, and separately the time of the programs and servers it
//! queried.

use std::fmt;
use std::time::Duration;

/// The times of a check.
#[derive(Debug, Clone, Default)]
pub struct Times {
    /// The time to read and to judge, without waiting for others.
    own: Duration,
    /// The programs and servers that were asked, how often, and how long all their answers took.
    asked: Vec<(&'static str, usize, Duration)>,
}

impl Times {
    /// Computes the times from the total time and the times of others.
    pub fn new(whole: Duration, asked: Vec<(&'static str, Duration)>) -> Self {
        let others: Duration = asked.iter().map(|(_, took)| *took).sum();
        let mut times = Self { own: whole.saturating_sub(others), asked: Vec::new() };
        for (name, took) in asked {
            match times.asked.iter_mut().find(|(known, ..)| *known == name) {
                Some((_, count, sum)) => {
                    *count += 1;
                    *sum += took;
                }
                None => times.asked.push((name, 1, took)),
            }
        }
        times
    }
}

impl fmt::Display for Times {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "read and checked in {}", milliseconds(self.own))?;
        for (at, (name, count, took)) in self.asked.iter().enumerate() {
            let before = if at == 0 { "; in addition " } else { ", " };
            write!(f, "{before}{name} {}", milliseconds(*took))?;
            if *count > 1 {
                write!(f, " ({count} times)")?;
            }
        }
        Ok(())
    }
}

fn milliseconds(time: Duration) -> String {
    format!("{:.1} ms", time.as_secs_f64() * 1000.0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_time_of_others_is_no_own_time() {
        let ms = Duration::from_millis;
        let asked = vec![("systemctl", ms(30)), ("journalctl", ms(5)), ("journalctl", ms(7))];
        let times = Times::new(ms(62), asked).to_string();
        let told = "read and checked in 20.0 ms; in addition systemctl 30.0 ms, \
                    journalctl 12.0 ms (2 times)";
        assert_eq!(times, told);
        assert_eq!(Times::new(ms(9), Vec::new()).to_string(), "read and checked in 9.0 ms");
    }
}

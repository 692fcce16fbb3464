//! Generated environment files, biased to what goes wrong in them.

/// xorshift64*, so that every run generates the same files.
pub struct Random(pub u64);

impl Random {
    /// A number below a limit.
    pub fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 33) as usize % limit
    }

    /// One of several.
    pub fn pick(&mut self, from: &[&'static [u8]]) -> &'static [u8] {
        from[self.below(from.len())]
    }
}

const NAMES: &[&[u8]] = &[
    b"A",
    b"B",
    b"C_1",
    b"_d",
    b"LONG_NAME",
    b"export E",
    b"F G",
    b"1H",
    b"I-J",
    b"k.l",
    b"",
    b" M",
    b"\tN ",
    b"O\t ",
    "\u{e9}".as_bytes(),
    b"P:",
    b"[Q]",
    b"\xef\xbb\xbfR",
    b"# S",
    b"; T",
];
const TOKENS: &[&[u8]] = &[
    b"\"",
    b"\"",
    b"'",
    b"'",
    b"\\",
    b"\\",
    b"\\\n",
    b"\\\r\n",
    b"\\\"",
    b"\\'",
    b"\\$",
    b"\\\\",
    b" ",
    b" ",
    b"\t",
    b"#",
    b" # c",
    b";",
    b"=",
    b"$",
    b"$A",
    b"${A}",
    b"$(id)",
    b"`id`",
    b"~/x",
    b"x",
    b"word",
    b"0",
    b"\\n",
    b"\\x41",
    "\u{fc}".as_bytes(),
    "\u{1f600}".as_bytes(),
    "\u{a0}".as_bytes(),
    "\u{2028}".as_bytes(),
    b"%n",
    b"\n",
    b"\r\n",
    b"\r",
    b"\n\n",
    b"\x1b",
];
const ENDS: &[&[u8]] = &[b"\n", b"\n", b"\n", b"\r\n", b"\n\n", b" \n", b"\\\n", b"\r", b""];
const RARE: &[&[u8]] = &[b"\xff", b"\xc3", b"\xed\xa0\x80", "\u{fffe}".as_bytes(), b"\0"];

/// An environment file full of quotes, backslashes, comments and ends of line of all kinds.
pub fn generated(seed: u64) -> Vec<u8> {
    let mut random = Random(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1);
    let mut bytes = Vec::new();
    for _ in 0..=random.below(7) {
        if random.below(6) > 0 {
            bytes.extend_from_slice(random.pick(NAMES));
            bytes.extend_from_slice(random.pick(&[b"=", b"=", b"=", b" = ", b""]));
        }
        for _ in 0..random.below(8) {
            bytes.extend_from_slice(random.pick(TOKENS));
        }
        bytes.extend_from_slice(random.pick(ENDS));
        if random.below(100) == 0 {
            bytes.extend_from_slice(random.pick(RARE));
        }
    }
    bytes
}

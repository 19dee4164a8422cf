//! Expressions by chance.

/// A generator of expressions, reproducible from its seed.
pub struct Generator {
    state: u64,
    /// One in so many leaves has a type that is not wanted there; 0: none.
    wrong: u64,
}

impl Generator {
    /// Expressions that have a value, but for overflows.
    pub fn new(seed: u64) -> Self {
        Self {
            state: seed,
            wrong: 0,
        }
    }

    /// Expressions in which about one leaf in `leaves` has the wrong type, or fails.
    pub fn with_mistakes(seed: u64, leaves: u64) -> Self {
        Self {
            state: seed,
            wrong: leaves,
        }
    }

    /// Something that does not belong here, now and then.
    fn mistake(&mut self) -> Option<String> {
        if self.wrong == 0 || self.below(self.wrong) != 0 {
            return None;
        }
        let all = [
            "null",
            "1.5",
            "\"s\"",
            "[ ]",
            "{ }",
            "(x: x)",
            "true",
            "(-3)",
            "/p",
            "(throw \"t\")",
            "(abort \"a\")",
            "(1 / 0)",
            "missing",
            "({ }.z)",
            "(assert false; 1)",
            "(import ./nowhere.nix)",
            "builtins.add",
            "({ a }: a)",
            "(let r = r; in r)",
            "{ outPath = 3; }",
            "{ __toString = s: 4; }",
        ];
        Some(all[self.below(all.len() as u64) as usize].to_owned())
    }

    /// A number below a limit.
    pub fn below(&mut self, limit: u64) -> u64 {
        self.state ^= self.state << 13;
        self.state ^= self.state >> 7;
        self.state ^= self.state << 17;
        self.state % limit
    }

    /// An integer.
    pub fn int(&mut self, depth: u64) -> String {
        if let Some(wrong) = self.mistake() {
            return wrong;
        }
        if depth == 0 {
            return self.below(100).to_string();
        }
        let d = depth - 1;
        match self.below(12) {
            0 => format!("({} + {})", self.int(d), self.int(d)),
            1 => format!("({} - {})", self.int(d), self.int(d)),
            2 => format!("({} * {})", self.below(9), self.int(d)),
            3 => format!(
                "(if {} then {} else {})",
                self.bool(d),
                self.int(d),
                self.int(d)
            ),
            4 => format!("(let x = {}; in x + {})", self.int(d), self.int(d)),
            5 => format!("((x: x + {}) {})", self.int(d), self.int(d)),
            6 => format!("((x: y: x - y) {} {})", self.int(d), self.int(d)),
            7 => format!("{}.a", self.set(d)),
            8 => format!("(builtins.length {})", self.list(d)),
            9 => format!("(builtins.foldl' (a: b: a + b) 0 {})", self.list(d)),
            10 => format!("(with {}; a + b)", self.set(d)),
            _ => format!("(builtins.stringLength {})", self.text(d)),
        }
    }

    /// A Boolean.
    pub fn bool(&mut self, depth: u64) -> String {
        if let Some(wrong) = self.mistake() {
            return wrong;
        }
        if depth == 0 {
            return if self.below(2) == 0 { "true" } else { "false" }.to_owned();
        }
        let d = depth - 1;
        match self.below(7) {
            0 => format!("({} < {})", self.int(d), self.int(d)),
            1 => format!("({} == {})", self.list(d), self.list(d)),
            2 => format!("({} && {})", self.bool(d), self.bool(d)),
            3 => format!("({} -> {})", self.bool(d), self.bool(d)),
            4 => format!("({} ? c)", self.set(d)),
            5 => format!("({} <= {})", self.text(d), self.text(d)),
            _ => format!("(!{})", self.bool(d)),
        }
    }

    /// A string.
    pub fn text(&mut self, depth: u64) -> String {
        if let Some(wrong) = self.mistake() {
            return wrong;
        }
        if depth == 0 {
            return format!(
                "\"{}\"",
                ["", "a", "b c", "\\n", "é", "$", "\\\""][self.below(7) as usize]
            );
        }
        let d = depth - 1;
        match self.below(7) {
            0 => format!("({} + {})", self.text(d), self.text(d)),
            1 => format!("\"x${{{}}}y\"", self.text(d)),
            2 => format!("(toString {})", self.int(d)),
            3 => format!(
                "(builtins.substring {} {} {})",
                self.below(5),
                self.below(9),
                self.text(d)
            ),
            4 => format!(
                "(builtins.concatStringsSep {} (map toString {}))",
                self.text(d),
                self.list(d)
            ),
            5 => format!(
                "(builtins.replaceStrings [ \"a\" \"\" ] [ {} \"z\" ] {})",
                self.text(d),
                self.text(d)
            ),
            _ => format!("(builtins.toJSON {})", self.set(d)),
        }
    }

    /// A list of integers.
    pub fn list(&mut self, depth: u64) -> String {
        if let Some(wrong) = self.mistake() {
            return wrong;
        }
        if depth == 0 {
            return "[ 3 1 2 ]".to_owned();
        }
        let d = depth - 1;
        match self.below(8) {
            0 => format!("[ {} {} ]", self.int(d), self.int(d)),
            1 => format!("({} ++ {})", self.list(d), self.list(d)),
            2 => format!("(map (x: x + {}) {})", self.int(d), self.list(d)),
            3 => format!(
                "(builtins.filter (x: x > {}) {})",
                self.int(d),
                self.list(d)
            ),
            4 => format!("(builtins.sort (a: b: a < b) {})", self.list(d)),
            5 => format!(
                "(builtins.genList (x: x * {}) {})",
                self.int(d),
                self.below(5)
            ),
            6 => format!(
                "(builtins.concatMap (x: [ x {} ]) {})",
                self.int(d),
                self.list(d)
            ),
            _ => format!("(builtins.attrValues {})", self.set(d)),
        }
    }

    /// A set of integers with `a` and `b`.
    pub fn set(&mut self, depth: u64) -> String {
        if let Some(wrong) = self.mistake() {
            return wrong;
        }
        if depth == 0 {
            return "{ a = 1; b = 2; }".to_owned();
        }
        let d = depth - 1;
        match self.below(6) {
            0 => format!(
                "{{ a = {}; b = {}; c = {}; }}",
                self.int(d),
                self.int(d),
                self.int(d)
            ),
            // Nothing deep inside a scope that has `a`: `with` would not see past it.
            1 => format!("(rec {{ a = b + {}; b = {}; }})", self.int(0), self.int(0)),
            2 => format!("({} // {{ c = {}; }})", self.set(d), self.int(d)),
            3 => format!(
                "(builtins.mapAttrs (n: v: v + builtins.stringLength n) {})",
                self.set(d)
            ),
            4 => format!("(let s = {}; in {{ inherit (s) a b; }})", self.set(d)),
            _ => format!(
                "(({{ a ? {}, b, ... }}@all: all // {{ inherit a; }}) {})",
                self.int(0),
                self.set(d)
            ),
        }
    }

    /// A number with a fraction, or without.
    pub fn number(&mut self, depth: u64) -> String {
        if depth == 0 {
            return [
                "0.1",
                "2.5",
                "1e3",
                "3.0",
                "1.0e-7",
                "123456789.125",
                "(-0.5)",
                "7",
                "9007199254740993",
                "1e21",
            ][self.below(10) as usize]
                .to_owned();
        }
        let d = depth - 1;
        match self.below(7) {
            0 => format!("({} + {})", self.number(d), self.number(d)),
            1 => format!("({} - {})", self.number(d), self.number(d)),
            2 => format!("({} * {})", self.number(d), self.number(d)),
            3 => format!("({} / {})", self.number(d), self.number(0)),
            4 => format!("(builtins.ceil {})", self.number(0)),
            5 => format!(
                "(if {} < {} then {} else 1)",
                self.number(d),
                self.number(d),
                self.number(d)
            ),
            _ => format!("(builtins.fromJSON (builtins.toJSON {}))", self.number(d)),
        }
    }

    /// A derivation.
    pub fn derivation(&mut self, depth: u64) -> String {
        let d = depth.saturating_sub(1);
        let mut attrs = format!(
            "name = \"n{}\"; system = \"s\"; builder = {}; ",
            self.below(9),
            self.store_text(d)
        );
        match self.below(8) {
            0 => attrs.push_str("outputs = [ \"out\" \"dev\" ]; "),
            1 => attrs.push_str(
                "outputHash = \"sha256-47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\"; outputHashMode = \"recursive\"; ",
            ),
            2 => attrs.push_str(
                "outputHash = \"da39a3ee5e6b4b0d3255bfef95601890afd80709\"; outputHashAlgo = \"sha1\"; ",
            ),
            3 => attrs.push_str("__structuredAttrs = true; deep = { a = [ 1 true null ]; }; "),
            4 => attrs.push_str("__ignoreNulls = true; gone = null; "),
            5 => attrs.push_str("passAsFile = [ \"text\" ]; text = \"long\"; "),
            _ => {}
        }
        if self.below(2) == 0 {
            attrs.push_str(&format!(
                "args = [ {} {} ]; ",
                self.store_text(d),
                self.int(0)
            ));
        }
        if self.below(2) == 0 {
            attrs.push_str(&format!("value = {}; ", self.store_text(d)));
        }
        format!("(derivation {{ {attrs}}})")
    }

    /// A string that refers to store objects.
    pub fn store_text(&mut self, depth: u64) -> String {
        if depth == 0 {
            return match self.below(4) {
                0 => "\"plain\"".to_owned(),
                1 => format!("(builtins.toFile \"f{}\" \"content\")", self.below(3)),
                2 => "\"${./derivations.nix}\"".to_owned(),
                _ => "\"${builtins.placeholder \"out\"}/x\"".to_owned(),
            };
        }
        let d = depth - 1;
        match self.below(14) {
            0 => format!("\"${{{}}}\"", self.derivation(d)),
            1 => format!("{}.drvPath", self.derivation(d)),
            2 => format!("({} + \"/\" + {})", self.store_text(d), self.store_text(d)),
            3 => format!("(builtins.substring 0 60 {})", self.store_text(d)),
            4 => format!(
                "(builtins.unsafeDiscardStringContext {})",
                self.store_text(d)
            ),
            5 => format!(
                "(builtins.replaceStrings [ \"-\" ] [ {} ] {})",
                self.store_text(d),
                self.store_text(d)
            ),
            6 => format!(
                "(builtins.concatStringsSep {} [ {} ])",
                self.store_text(d),
                self.store_text(d)
            ),
            7 => format!(
                "(builtins.unsafeDiscardOutputDependency {}.drvPath)",
                self.derivation(d)
            ),
            8 => format!(
                "(builtins.toJSON [ {} {} ])",
                self.store_text(d),
                self.derivation(d)
            ),
            9 => format!("(baseNameOf {})", self.store_text(d)),
            10 => format!("(dirOf {})", self.store_text(d)),
            11 => format!(
                "(let s = {}; in builtins.appendContext (builtins.unsafeDiscardStringContext s) (builtins.getContext s))",
                self.store_text(d)
            ),
            12 => format!(
                "(builtins.hashString \"sha256\" (builtins.unsafeDiscardStringContext {}))",
                self.store_text(d)
            ),
            _ => format!("(toString [ {} {} ])", self.store_text(d), self.int(0)),
        }
    }
}

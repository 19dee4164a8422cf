let try = e: (builtins.tryEval e).success; in
[
  (try (throw "x")) (try (assert false; 1)) (try 1) (try <no-such-thing-anywhere>)
  (builtins.tryEval (builtins.seq (throw "x") 1))
  (let bad = throw "again"; in [ (try bad) (try bad) ])
  (try (builtins.deepSeq [ (throw "deep") ] 1))
]
